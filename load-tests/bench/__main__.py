"""`python3 -m bench --marchproxy PATH --envoy PATH [SCENARIO ...]`: see README.md."""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from bench import BenchError, machine
from bench.peers import Place, place
from bench.report import Report
from bench.scenarios import Options
from bench.scenarios.cache import cache
from bench.scenarios.failures import failures
from bench.scenarios.guards import guards
from bench.scenarios.handshakes import handshakes
from bench.scenarios.memory import memory
from bench.scenarios.picks import picks
from bench.scenarios.reload import reload
from bench.scenarios.requests import http1, http2
from bench.scenarios.routes import routes

SCENARIOS: dict[str, Callable[[Place, Options], Report]] = {
    "http1": http1,
    "http2": http2,
    "handshakes": handshakes,
    "memory": memory,
    "reload": reload,
    "routes": routes,
    "failures": failures,
    "guards": guards,
    "cache": cache,
    "picks": picks,
}


def main() -> int:
    """Runs the scenarios that are named, or all of them."""
    arguments = _arguments()
    # Whoever ends this ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = Options(
        arguments.rounds, arguments.seconds, arguments.connections, arguments.reloads
    )
    try:
        facts = machine.facts(arguments.marchproxy, arguments.envoy)
        for name in arguments.scenarios or SCENARIOS:
            print(f"{name} ...", flush=True)
            with place(arguments.marchproxy, arguments.envoy) as where:
                report = SCENARIOS[name](where, options)
            print(report.show(), flush=True)
            report.write(arguments.results, facts)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(prog="bench", description="Measures MarchProxy and its peers.")
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, []], metavar="SCENARIO")
    parser.add_argument("--marchproxy", required=True, help="the binary", type=_absolute)
    parser.add_argument("--envoy", required=True, help="the binary", type=_absolute)
    parser.add_argument("--results", type=Path, default=root / "docs" / "performance")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each comparison")
    parser.add_argument("--seconds", type=int, default=4, help="length of one measurement")
    parser.add_argument("--connections", type=int, default=2000, help="idle ones, for memory")
    parser.add_argument("--reloads", type=int, default=10)
    return parser.parse_args()


def _absolute(path: str) -> str:
    return str(Path(path).resolve(strict=True))


if __name__ == "__main__":
    sys.exit(main())
