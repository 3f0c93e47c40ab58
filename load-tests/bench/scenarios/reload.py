"""A reload of a large file: how long it takes, and what requests notice of it."""

import http.client
import json
import os
import signal
import time
from pathlib import Path

from bench import BenchError
from bench.peers import OURS, Peer, Place
from bench.report import Report, Table, Target
from bench.rounds import Spread
from bench.scenarios import Options
from bench.steady import Steady

ROUTES, HOSTS = 10_000, 1_000
PATHS = [
    "/",
    "/orders",
    "/orders/{id}",
    "/orders/{id}/lines/{line}",
    "=/health",
    "/static/{rest...}",
    "/api/v1/users",
    "/api/v1/users/{id}",
    "/api/v2/users/{id}/roles",
    "/{tenant}/settings",
]
HEAD = """
listeners:
  - { name: plain, address: "127.0.0.1:@{plain}" }
upstreams:
  - { name: origin, endpoints: ["127.0.0.1:@{origin}"] }
access_log: { format: json, file: "@{folder}/access.log" }
status: { address: "127.0.0.1:@{status}" }
process: { workers: 1 }
routes:
  - { name: files, match: { path: "/files/{name}" }, upstream: origin }
"""
PATIENCE = 30.0
# Between two reloads, so that each meets a proxy at rest.
PAUSE = 1.0
HOW = (
    f"A file of {ROUTES:,} routes on {HOSTS:,} hosts is replaced by one that differs, and the proxy "
    "gets SIGHUP; the time is from the signal until `/status` tells the new generation. "
    "Meanwhile 500 requests a second, evenly spaced, go over one connection; the time of each is "
    "counted from when it was due. The same stream without reloads is the comparison. The proxy "
    "has one core for the worker that serves and the thread that reloads."
)


def reload(place: Place, options: Options) -> Report:
    """Reloads under a steady stream of requests."""
    peer = place.start(OURS, HEAD + _routes(0))
    file = place.folder / "marchproxy.yaml"
    text = file.read_text()
    quiet = _stream(place, peer, options.reloads, lambda number: time.sleep(0.2))
    took: list[float] = []

    def once(number: int) -> None:
        took.append(_reload(peer, file, text.replace("/orders0", f"/orders{number + 1}")))

    busy = _stream(place, peer, options.reloads, once)
    place.stop(peer)
    times = Spread.of(took)
    rows = [
        ["reload, ms", times.show(0)],
        ["slowest request without reloads, ms", f"{max(quiet):.1f}"],
        ["slowest request with reloads, ms", f"{max(busy):.1f}"],
        ["99.9th percentile without / with, ms", f"{_p999(quiet):.1f} / {_p999(busy):.1f}"],
        ["requests without / with", f"{len(quiet)} / {len(busy)}"],
    ]
    targets = [
        Target("time of a reload, median", 300, times.median, " ms"),
        Target("slowest request during reloads", 20, max(busy), " ms"),
    ]
    raw = {"reload_ms": took, "quiet_slowest_ms": max(quiet), "busy_slowest_ms": max(busy)}
    return Report("reload", "Reload of a large file", HOW, Table(["what", ""], rows), targets, raw)


def _routes(number: int) -> str:
    lines = []
    for route in range(ROUTES):
        host, path = route % HOSTS, PATHS[route // HOSTS]
        # Each file has other paths, so that none is the one before.
        path = path.replace("/orders", f"/orders{number}")
        match = f'{{ host: host{host}.example.com, path: "{path}" }}'
        lines.append(f"  - {{ name: r{route}, match: {match}, upstream: origin }}")
    return "\n".join(lines) + "\n"


def _stream(place: Place, peer: Peer, times: int, act) -> list[float]:
    """Acts so many times under a steady stream; gives the milliseconds of each request."""
    with Steady(peer.ports["plain"], place.client_core) as steady:
        for number in range(times):
            time.sleep(PAUSE)
            act(number)
        time.sleep(PAUSE)
        return steady.end()


def _reload(peer: Peer, file: Path, text: str) -> float:
    """Replaces the file and reloads it; gives the milliseconds."""
    status = http.client.HTTPConnection("127.0.0.1", peer.ports["status"], timeout=PATIENCE)
    before = _generation(status)
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, file)
    began = time.monotonic()
    peer.process.send(signal.SIGHUP)
    while _generation(status) == before:
        if time.monotonic() - began > PATIENCE:
            raise BenchError(f"no new generation after {PATIENCE:.0f} s")
        time.sleep(0.002)
    took = (time.monotonic() - began) * 1000
    status.close()
    return took


def _generation(status: http.client.HTTPConnection) -> int:
    status.request("GET", "/status")
    told = json.loads(status.getresponse().read())
    if told.get("last_reload_error"):
        raise BenchError(f"the reload was refused: {told['last_reload_error'][:2000]}")
    return int(told["generation"])


def _p999(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * 999 // 1000)]
