"""An answer out of the cache, against the same one fetched."""

import contextlib
import http.client

from bench import BenchError, clients
from bench.clients import Load
from bench.peers import CONFIGURATIONS, OURS, TARGET, Peer, Place
from bench.report import Report, Table, Target
from bench.rounds import Spread, interleaved, ratios
from bench.scenarios import Options

HIT, FETCHED = "out of the cache", "forwarded"
KEPT = {"memory": "cache: { memory: 64MiB }", "cache": "cache: { default: 1h }"}
LIMIT = 0.6
HOW = (
    "HTTP/1.1 over 64 kept connections of wrk, all asking for the same answer of 1 KiB, which one proxy "
    "has in its cache (`cache: { default: 1h }`) and the other, without one, fetches from the origin each "
    "time. The two run in turn in each round, and a ratio is taken within it."
)


def cache(place: Place, options: Options) -> Report:
    """With a cache and without."""
    text = (CONFIGURATIONS / "cache.yaml").read_text()
    peers = [
        place.start(OURS, text, {"memory": "", "cache": "", "log": "forwarded"}, called=FETCHED),
        place.start(OURS, text, {**KEPT, "log": "cached"}, called=HIT),
    ]
    for peer in peers:
        _check(peer, peer.name == HIT)

    def load(peer: Peer) -> Load:
        return clients.wrk(place.client_core, peer.url("plain"), options.seconds)

    rounds = interleaved(peers, options.rounds, load)
    for peer in peers:
        _check(peer, peer.name == HIT)
        place.stop(peer)
    rows = [
        [
            name,
            Spread.of([sample.cpu_us for sample in samples]).show(1),
            ratios(rounds, name, FETCHED).show(2),
            Spread.of([sample.per_second for sample in samples]).show(0),
        ]
        for name, samples in rounds.items()
    ]
    ratio = ratios(rounds, HIT, FETCHED).median
    targets = [Target("processor time of an answer out of the cache", LIMIT, ratio, " x")]
    raw = {name: [sample.raw() for sample in samples] for name, samples in rounds.items()}
    columns = ["answer", "CPU µs per request", "of forwarded", "requests/s"]
    return Report("cache", "Answers out of the cache", HOW, Table(columns, rows), targets, raw)


def _check(peer: Peer, kept: bool) -> None:
    """An answer out of a cache has `Age` (RFC 9111, section 5.1), and the origin's has not."""
    connection = http.client.HTTPConnection("127.0.0.1", peer.ports["plain"], timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", TARGET)
        answer = connection.getresponse()
        answer.read()
    if (answer.getheader("Age") is not None) != kept:
        raise BenchError(f"{peer.name}: the answer has Age: {answer.getheader('Age')}")
