"""A pick of one endpoint among 1,000, by the benchmark that stands beside the balancers."""

from bench import BenchError
from bench.peers import Place
from bench.report import Report, Table, Target
from bench.scenarios import Options
from bench.scenarios.routes import criterion

LIMIT = 200
# What `balance` names; the others are its parts, and cases that no load brings about.
PICKS = ["round robin", "least requests", "peak EWMA", "consistent hash"]
HOW = (
    "A pick among 1,000 endpoints of different weights, measured by Criterion: "
    "`cargo bench -p marchproxy-balance --bench pick`. Elapsed time, so a busy machine shows in it; one "
    "pick follows the other, so all they read is in the processor's cache."
)


def picks(place: Place, options: Options) -> Report:
    """Runs the benchmark and reads its medians."""
    found = criterion(place, "marchproxy-balance", "pick")
    missing = [name for name in PICKS if name not in found]
    if missing:
        raise BenchError(f"not measured: {missing} of {list(found)}")
    rows = [[name, f"{took:,.0f}"] for name, took in found.items()]
    targets = [Target(f"a pick, {name}", LIMIT, found[name], " ns") for name in PICKS]
    title, table = "A pick among 1,000 endpoints", Table(["what", "ns"], rows)
    return Report("picks", title, HOW, table, targets, {"ns": found})
