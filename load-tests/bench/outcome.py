"""What an upstream with a failing endpoint did to its requests."""

import statistics
from dataclasses import asdict, dataclass

from bench.openloop import Asked

# How long a fault may show.
GRACE = 2.0
# Shares of the load are taken over windows this long, a new one each half of it.
WINDOW = 1.0


@dataclass(frozen=True)
class Seen:
    """A request as an endpoint saw it: when, on which port, and its number."""

    at: float
    port: int
    number: int


@dataclass(frozen=True)
class Fault:
    """The endpoint that failed, and from when until when."""

    port: int
    began: float
    ended: float


@dataclass(frozen=True)
class Outcome:
    """The figures of one proxy under one fault. Shares are of 1."""

    bad_at_first: int
    bad_later: int
    asked_later: int
    good: float
    good_later: float
    p99_at_first_ms: float
    p99_later_ms: float
    load: float
    twice: int
    first_share: float | None
    greatest_share: float | None

    def raw(self) -> dict[str, float | None]:
        return asdict(self)


def outcome(asked: list[Asked], seen: list[Seen], fault: Fault) -> Outcome:
    """Counts what happened from the beginning of the fault to the end of the run."""
    since = [(number, one) for number, one in enumerate(asked) if one.due >= fault.began]
    first = [one for _, one in since if one.due < fault.began + GRACE]
    later = [one for _, one in since if one.due >= fault.began + GRACE]
    during = {number for number, one in since if one.due < fault.ended}
    after = {number for number, one in since if one.due >= fault.ended}
    shares = _shares([one for one in seen if one.number in after], fault)
    return Outcome(
        bad_at_first=sum(not one.good for one in first),
        bad_later=sum(not one.good for one in later),
        asked_later=len(later),
        good=_good(first + later),
        good_later=_good(later),
        p99_at_first_ms=_p99(first),
        p99_later_ms=_p99([one for one in later if one.due < fault.ended]),
        load=sum(one.number in during for one in seen) / len(during),
        twice=len(seen) - len({one.number for one in seen}),
        first_share=shares[0] if shares else None,
        greatest_share=max(shares, default=None),
    )


def _good(asked: list[Asked]) -> float:
    return sum(one.good for one in asked) / len(asked)


def _p99(asked: list[Asked]) -> float:
    return statistics.quantiles([one.took for one in asked], n=100)[98] * 1000


def _shares(seen: list[Seen], fault: Fault) -> list[float]:
    """The share that the endpoint that had failed got of the requests, window by window, from the
    first that it got."""
    back = min((one.at for one in seen if one.port == fault.port), default=None)
    if back is None:
        return []
    end = max(one.at for one in seen) - WINDOW
    shares = []
    while back <= end:
        window = [one.port for one in seen if back <= one.at < back + WINDOW]
        shares.append(window.count(fault.port) / max(1, len(window)))
        back += WINDOW / 2
    return shares
