"""Processor time for each TLS handshake."""

from bench import clients
from bench.clients import Load
from bench.peers import CURVES, OURS, Peer, Place
from bench.report import Report, Table, Target
from bench.rounds import Rounds, Spread, interleaved, ratios
from bench.scenarios import Options

LIMIT = 0.8
PEERS = ["nginx", "haproxy", "envoy", OURS]
NAMES = {"p256": "P-256", "p384": "P-384"}
HOW = (
    "TLS 1.3 handshakes one after the other by `openssl s_time -new`, none resumed, X25519 for the "
    "key exchange, an ECDSA certificate on the curve named. A ratio is taken within each round."
)


def handshakes(place: Place, options: Options) -> Report:
    """Full handshakes with certificates on P-256 and P-384."""
    peers = [place.start(name) for name in PEERS]
    rows, targets, raw = [], [], {}
    for curve in CURVES:
        rounds = _measured(place, options, peers, curve)
        rows += [_row(rounds, curve, peer) for peer in rounds]
        what = f"processor time per handshake, {NAMES[curve]}, of nginx's"
        targets.append(Target(what, LIMIT, ratios(rounds, OURS, "nginx").median, " x"))
        raw[curve] = {peer: [one.raw() for one in samples] for peer, samples in rounds.items()}
    for peer in peers:
        place.stop(peer)
    columns = ["curve", "proxy", "CPU µs per handshake", "of nginx's"]
    return Report("handshakes", "TLS handshakes", HOW, Table(columns, rows), targets, raw)


def _measured(place: Place, options: Options, peers: list[Peer], curve: str) -> Rounds:
    def load(peer: Peer) -> Load:
        return clients.handshakes(place.client_core, peer.ports[curve], options.seconds)

    return interleaved(peers, options.rounds, load)


def _row(rounds: Rounds, curve: str, peer: str) -> list[str]:
    cost = Spread.of([sample.cpu_us for sample in rounds[peer]])
    return [NAMES[curve], peer, cost.show(0), ratios(rounds, peer, "nginx").show(2)]
