"""One endpoint of four fails under steady load, and comes back."""

from bench.failing import FAULTS, RATE, Times, run
from bench.outcome import GRACE, Outcome
from bench.peers import OURS, Place
from bench.report import Report, Table, Target
from bench.scenarios import Options

PEERS = [OURS, "haproxy", "envoy"]
TIMES = {"GET": Times(2.0, 8.0, 12.0), "POST": Times(1.0, 4.0, 3.0)}
COLUMNS = [
    *("fault", "method", "proxy", "good after 2 s", "good in all", "p99 ms at first / then"),
    *("seen / asked", "seen twice", "share in 1st second / greatest"),
]
FAIR = 0.25
HOW = (
    f"One of four endpoints is killed (SIGKILL), frozen (SIGSTOP), answers two seconds late, or answers "
    f"500 to half of its requests, for {TIMES['GET'].fault:g} s (POST: {TIMES['POST'].fault:g} s), and is "
    f"then well again for {TIMES['GET'].after:g} s. Each proxy gets {RATE} requests a second, evenly "
    "spaced, whether the earlier ones are answered or not; a request's time counts from when it was due. "
    "All three proxies stand before the same endpoints in the same run, each configured for this as its "
    "manual says: [the configurations](../../load-tests/conf/failures) have the same number of attempts, "
    "checks each second, and the same times for an attempt, an ejection and a slow start. An answer is "
    f"good when it is 200, whole, and there within 5 s. What shows after the first {GRACE:g} s counts up "
    "to the end of the run, the return of the endpoint included; the percentiles are of the time with the "
    "fault. Requests seen are counted by the endpoints, for those asked during the fault. The last column "
    "is the share that the endpoint gets after it has been repaired, in windows of a second from its first "
    "request on: a quarter is fair; where it was not out when it was repaired, there is no slow start to "
    "see."
)


def failures(place: Place, options: Options) -> Report:
    """Every fault, with GET and with POST."""
    rows, raw, ours = [], {}, {}
    for method, times in TIMES.items():
        for fault in FAULTS:
            print(f"  {fault}, {method}", flush=True)
            found = run(place, PEERS, fault, method, times)
            rows += [_row(fault, method, peer, one) for peer, one in found.items()]
            raw[f"{fault}, {method}"] = {peer: one.raw() for peer, one in found.items()}
            ours[fault, method] = found[OURS]
    targets = [target for fault in FAULTS for target in _targets(fault, ours[fault, "GET"])]
    twice = sum(one.twice for (_, method), one in ours.items() if method == "POST")
    targets.append(Target("POSTs seen twice, all faults", 0, twice))
    title = "One endpoint of four fails"
    return Report("failures", title, HOW, Table(COLUMNS, rows), targets, raw)


def _row(fault: str, method: str, peer: str, one: Outcome) -> list[str]:
    back = ""
    if method == "GET" and one.first_share is not None and one.greatest_share is not None:
        back = f"{one.first_share:.1%} / {one.greatest_share:.1%}"
    return [
        *(fault, method, peer, f"{one.good_later:.2%}", f"{one.good:.2%}"),
        f"{one.p99_at_first_ms:.0f} / {one.p99_later_ms:.0f}",
        *(f"{one.load:.3f}", str(one.twice), back),
    ]


def _targets(fault: str, ours: Outcome) -> list[Target]:
    targets = [
        Target(f"{fault}: bad answers after 2 s", 0.01, (1 - ours.good_later) * 100, " %"),
        Target(f"{fault}: load added", 10, (ours.load - 1) * 100, " %"),
    ]
    if ours.greatest_share is not None:
        share = ours.greatest_share / FAIR
        targets.append(Target(f"{fault}: greatest share after it, of the fair one", 1.5, share, " x"))
    return targets
