"""Rounds in turn: what disturbs a shared machine then disturbs every peer alike."""

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass

from bench.clients import Load
from bench.peers import Peer


@dataclass(frozen=True)
class Sample:
    """One peer in one round."""

    done: int
    cpu_seconds: float
    per_second: float
    p50_ms: float | None
    p99_ms: float | None

    @property
    def cpu_us(self) -> float:
        """Processor time for one request or handshake, in microseconds."""
        return self.cpu_seconds / self.done * 1e6

    def raw(self) -> dict[str, float | None]:
        return {**asdict(self), "cpu_us": round(self.cpu_us, 2)}


@dataclass(frozen=True)
class Spread:
    """The median of the rounds, and how far they were apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))

    def show(self, digits: int) -> str:
        low, high = f"{self.low:.{digits}f}", f"{self.high:.{digits}f}"
        return f"{self.median:.{digits}f} [{low}-{high}]"


Rounds = dict[str, list[Sample]]


def interleaved(peers: list[Peer], count: int, load: Callable[[Peer], Load]) -> Rounds:
    """Measures every peer once a round, each round beginning with another one."""
    samples: Rounds = {peer.name: [] for peer in peers}
    for peer in peers:
        load(peer)  # A first, unmeasured one fills pools and caches.
    for number in range(count):
        start = number % len(peers)
        for peer in peers[start:] + peers[:start]:
            samples[peer.name].append(_measured(peer, load))
    return samples


def ratios(rounds: Rounds, ours: str, theirs: str) -> Spread:
    """Our processor time over theirs, round by round."""
    pairs = zip(rounds[ours], rounds[theirs], strict=True)
    return Spread.of([our.cpu_us / their.cpu_us for our, their in pairs])


def _measured(peer: Peer, load: Callable[[Peer], Load]) -> Sample:
    before = peer.process.cpu_seconds()
    got = load(peer)
    used = peer.process.cpu_seconds() - before
    peer.process.fail_if_ended()
    return Sample(got.done, round(used, 2), round(got.done / got.seconds), got.p50_ms, got.p99_ms)
