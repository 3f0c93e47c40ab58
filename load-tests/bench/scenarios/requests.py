"""Processor time for each request: HTTP/1.1 in clear text, and HTTP/2 over TLS."""

from collections.abc import Callable

from bench import clients
from bench.clients import Load
from bench.peers import OURS, Peer, Place
from bench.report import Report, Table, Target
from bench.rounds import Rounds, Spread, interleaved, ratios
from bench.scenarios import Options

HTTP1 = (
    "HTTP/1.1 over 64 kept connections of wrk, an answer of 1 KiB. Each proxy has one worker and a "
    "core of its own; client and origin (nginx, static files) share another. MarchProxy routes, "
    "counts and writes a JSON access log to a file; the others write no log. Processor time is "
    "user and system time of all of a proxy's threads; a ratio is taken within each round."
)
HTTP2 = (
    "HTTP/2 over TLS 1.3 (P-256 certificate): 16 connections of h2load with 8 streams each, an "
    "answer of 1 KiB, HTTP/1.1 to the origin. Otherwise as for HTTP/1.1."
)


def http1(place: Place, options: Options) -> Report:
    """HTTP/1.1 in clear text."""

    def load(peer: Peer) -> Load:
        return clients.wrk(place.client_core, peer.url("plain"), options.seconds)

    rounds = _measured(place, options, ["nginx", "haproxy", "envoy", OURS], load)
    targets = [_target(rounds, "nginx", 1.9), _target(rounds, "envoy", 0.45)]
    return _report("http1", "Requests over HTTP/1.1", HTTP1, rounds, targets)


def http2(place: Place, options: Options) -> Report:
    """HTTP/2 over TLS."""

    def load(peer: Peer) -> Load:
        return clients.h2load(place.client_core, peer.url("p256"), options.seconds)

    rounds = _measured(place, options, ["nginx", "haproxy", "envoy", OURS], load)
    targets = [_target(rounds, "nginx", 1.65)]
    return _report("http2", "Requests over HTTP/2 and TLS", HTTP2, rounds, targets)


def _measured(
    place: Place, options: Options, names: list[str], load: Callable[[Peer], Load]
) -> Rounds:
    peers = [place.start(name) for name in names]
    rounds = interleaved(peers, options.rounds, load)
    for peer in peers:
        place.stop(peer)
    return rounds


def _target(rounds: Rounds, peer: str, limit: float) -> Target:
    return Target(
        f"processor time per request, of {peer}'s",
        limit,
        ratios(rounds, OURS, peer).median,
        " x",
    )


def _report(name: str, title: str, how: str, rounds: Rounds, targets: list[Target]) -> Report:
    columns = ["proxy", "CPU µs per request", "of nginx's", "requests/s", "p50 ms", "p99 ms"]
    rows = [
        [
            peer,
            Spread.of([sample.cpu_us for sample in samples]).show(1),
            ratios(rounds, peer, "nginx").show(2),
            Spread.of([sample.per_second for sample in samples]).show(0),
            _latency([sample.p50_ms for sample in samples]),
            _latency([sample.p99_ms for sample in samples]),
        ]
        for peer, samples in rounds.items()
    ]
    if all(row[4] == "" for row in rows):
        columns, rows = columns[:4], [row[:4] for row in rows]
    raw = {peer: [sample.raw() for sample in samples] for peer, samples in rounds.items()}
    return Report(name, title, how, Table(columns, rows), targets, raw)


def _latency(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{Spread.of(known).median:.2f}" if known else ""
