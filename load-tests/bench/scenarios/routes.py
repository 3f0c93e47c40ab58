"""Route lookup among 10,000 routes, by the benchmark that stands beside the router."""

import re
import subprocess
from pathlib import Path

from bench import BenchError
from bench.peers import Place
from bench.report import Report, Table, Target
from bench.scenarios import Options

ROOT = Path(__file__).resolve().parents[3]
SHORTLY = ["--warm-up-time", "1", "--measurement-time", "2"]
NANOSECONDS = {"ps": 0.001, "ns": 1.0, "µs": 1e3, "us": 1e3, "ms": 1e6, "s": 1e9}
LINE = re.compile(
    r"^(?P<name>\S.*?)\s+time:\s+\[\S+ \S+ (?P<middle>[\d.]+) (?P<unit>\S+) \S+ \S+\]", re.MULTILINE
)
LOOKUP = "10,000 routes, "
HOW = (
    "Lookup of a host and a path among 10,000 routes on 1,000 hosts, the hosts in turn, measured by "
    "Criterion: `cargo bench -p marchproxy-decide --bench router`. Elapsed time, so a busy machine "
    "shows in it."
)


def routes(place: Place, options: Options) -> Report:
    """Runs the benchmark and reads its medians."""
    found = criterion(place, "marchproxy-decide", "router")
    lookups = {name: took for name, took in found.items() if name.startswith(LOOKUP)}
    if not lookups:
        raise BenchError(f"no lookup was measured: {found}")
    rows = [[name, f"{took:,.0f}"] for name, took in found.items()]
    slowest = max(lookups, key=lookups.__getitem__)
    what = f"slowest lookup ({slowest.removeprefix(LOOKUP)})"
    targets = [Target(what, 1000, lookups[slowest], " ns")]
    columns = ["what", "ns"]
    return Report("routes", "Route lookup", HOW, Table(columns, rows), targets, {"ns": found})


def criterion(place: Place, crate: str, bench: str) -> dict[str, float]:
    """Runs a benchmark that stands beside the code; gives nanoseconds by the name of a measurement."""
    cargo = ["cargo", "bench", "--locked", "-p", crate, "--bench", bench, "--", *SHORTLY]
    command = ["taskset", "-c", str(place.proxy_core), *cargo]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise BenchError(f"{' '.join(cargo)} failed:\n{ran.stderr[-2000:]}")
    return read(ran.stdout)


def read(told: str) -> dict[str, float]:
    """Nanoseconds by the name of a measurement. A long name stands on a line of its own."""
    joined = re.sub(r"\n\s+time:", "  time:", told)
    return {
        found["name"]: float(found["middle"]) * NANOSECONDS[found["unit"]]
        for found in LINE.finditer(joined)
    }
