"""What it costs an upstream to be ready for failures: all of it on, against all of it off."""

import contextlib
import http.client

from bench import BenchError, clients
from bench.clients import Load
from bench.peers import CONFIGURATIONS, OURS, TARGET, Peer, Place
from bench.report import Report, Table, Target
from bench.rounds import Spread, interleaved, ratios
from bench.scenarios import Options

OFF, ON = "all off", "all on"
BROUGHT, ANEW = "all on, sticky cookie brought", "all on, sticky cookie given anew"
NAME = "shop"
COOKIE = f"\n    sticky: {{ cookie: {NAME}, key: {{ file: sticky.key }} }}"
LIMIT = 1.06
ENDPOINTS = 4
# Requests until each endpoint has answered one.
MOST_ASKED = 1000
# Short rounds and many: the difference is small.
SHORTER = 4
HOW = (
    "HTTP/1.1 over 64 kept connections of wrk, an answer of 1 KiB from one of four endpoints (one nginx "
    "by four addresses). Off: round robin, one attempt, no ejection. On: peak EWMA with weights and zones, "
    "health checks each second, ejection by consecutive failures, failures and slowness, a breaker, slow "
    "start, three attempts within a budget and a time limit for each, hedging, limits on the requests of "
    "the upstream and of each endpoint; then a signed cookie besides, which every request brings, as those "
    "of a client do after its first, of one endpoint after the other, or which every answer sets anew, as if each client came once. All "
    "requests have a cookie of the same length, with or without a meaning. They run in turn in each round, "
    "and a ratio is taken within it. What is looked for is smaller than what one "
    "round differs from the next on a shared machine, so the median of many short ones is what counts."
)


def guards(place: Place, options: Options) -> Report:
    """All off, all on, and all on with a cookie."""
    (place.folder / "sticky.key").write_text("only for measuring: 32 bytes ...")
    guarded = (CONFIGURATIONS / "guarded.yaml").read_text()
    peers = [
        place.start(OURS, (CONFIGURATIONS / "plain.yaml").read_text(), called=OFF),
        place.start(OURS, guarded, {"sticky": "", "log": "on"}, called=ON),
        place.start(OURS, guarded, {"sticky": COOKIE, "log": "brought"}, called=BROUGHT),
        place.start(OURS, guarded, {"sticky": COOKIE, "log": "anew"}, called=ANEW),
    ]
    cookies = _cookies(peers[2])
    # As long, so that all have the same to read and to pass on, and of no meaning.
    others = [cookie.replace(NAME, "else") for cookie in cookies]

    def load(peer: Peer) -> Load:
        seconds = max(1, options.seconds // SHORTER)
        brought = cookies if peer.name == BROUGHT else others
        return clients.wrk(place.client_core, peer.url("plain"), seconds, brought)

    rounds = interleaved(peers, options.rounds * SHORTER, load)
    for peer in peers:
        place.stop(peer)
    rows = [
        [
            name,
            Spread.of([sample.cpu_us for sample in samples]).show(1),
            ratios(rounds, name, OFF).show(3),
        ]
        for name, samples in rounds.items()
    ]
    targets = [
        Target(f"processor time per request, {name}", LIMIT, ratios(rounds, name, OFF).median, " x")
        for name in (ON, BROUGHT, ANEW)
    ]
    raw = {name: [sample.raw() for sample in samples] for name, samples in rounds.items()}
    columns = ["upstream", "CPU µs per request", "of all off"]
    return Report("guards", "Ready for failures", HOW, Table(columns, rows), targets, raw)


def _cookies(peer: Peer) -> list[str]:
    """The cookies of all endpoints."""
    found: set[str] = set()
    for _ in range(MOST_ASKED):
        connection = http.client.HTTPConnection("127.0.0.1", peer.ports["plain"], timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", TARGET)
            cookie = connection.getresponse().getheader("Set-Cookie")
        if cookie is None:
            raise BenchError(f"{peer.name}: no cookie is set")
        found.add(cookie.partition(";")[0])
        if len(found) == ENDPOINTS:
            return sorted(found)
    raise BenchError(f"{peer.name}: {len(found)} of {ENDPOINTS} cookies after {MOST_ASKED} requests")
