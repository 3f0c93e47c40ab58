"""The programs that make load, and what they say they have done."""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from bench import BenchError, machine


@dataclass(frozen=True)
class Load:
    """What a client got done."""

    done: int
    seconds: float
    p50_ms: float | None = None
    p99_ms: float | None = None


# Requests are made once, so that the client has nothing more to do for each.
TURNS = """
local requests, turn = {}, 0
function init()
    for _, cookie in ipairs({ VALUES }) do
        requests[#requests + 1] = wrk.format(nil, nil, { ["Cookie"] = cookie })
    end
end
function request()
    turn = turn % #requests + 1
    return requests[turn]
end
"""


def wrk(core: int, url: str, seconds: int, cookies: Sequence[str] = ()) -> Load:
    """HTTP/1.1 over 64 kept connections, as fast as it goes; requests have these cookies in turn."""
    command = ["wrk", "-t1", "-c64", f"-d{seconds}s", "--latency"]
    if not cookies:
        return read_wrk(_run(core, [*command, url], seconds))
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        values = ", ".join(f'"{cookie}"' for cookie in cookies)
        script.write(TURNS.replace("VALUES", values))
        script.flush()
        return read_wrk(_run(core, [*command, "-s", script.name, url], seconds))


def h2load(core: int, url: str, seconds: int, connections: int = 16, streams: int = 8) -> Load:
    """HTTP/2, several streams on each connection, as fast as it goes."""
    command = ["h2load", "-t1", f"-c{connections}", f"-m{streams}", f"-D{seconds}", url]
    return read_h2load(_run(core, command, seconds), seconds)


def handshakes(core: int, port: int, seconds: int) -> Load:
    """TLS 1.3 handshakes, one after the other, none resumed."""
    command = [
        *("openssl", "s_time", "-new", "-tls1_3"),
        *("-connect", f"127.0.0.1:{port}", "-time", str(seconds)),
    ]
    return read_s_time(_run(core, command, seconds))


def read_wrk(told: str) -> Load:
    """Reads wrk's report; a failed request is an error."""
    failed = re.search(r"Socket errors:.*|Non-2xx or 3xx responses:.*", told)
    if failed:
        raise BenchError(f"wrk counted failures: {failed.group(0)}")
    done = _find(r"(\d+) requests in ([\d.]+)(s|m)", told)
    seconds = float(done.group(2)) * (60 if done.group(3) == "m" else 1)
    return Load(int(done.group(1)), seconds, _percentile(told, 50), _percentile(told, 99))


def read_h2load(told: str, seconds: int) -> Load:
    """Reads h2load's report; a failed request is an error."""
    counts = _find(
        r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", told
    )
    done, succeeded, *failed = map(int, counts.groups())
    if any(failed) or done != succeeded:
        raise BenchError(f"h2load counted failures: {counts.group(0)}")
    _find(r"status codes: \d+ 2xx, 0 3xx, 0 4xx, 0 5xx", told)
    return Load(done, float(seconds))


def read_s_time(told: str) -> Load:
    """Reads the report of `openssl s_time`."""
    done = _find(r"(\d+) connections in (\d+) real seconds", told)
    return Load(int(done.group(1)), float(done.group(2)))


def _run(core: int, command: list[str], seconds: int) -> str:
    command = ["taskset", "-c", str(core), machine.program(command[0]), *command[1:]]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=seconds + 60
    )
    if ran.returncode != 0:
        raise BenchError(f"{' '.join(command)} failed:\n{ran.stdout[-1000:]}{ran.stderr[-1000:]}")
    return ran.stdout


def _percentile(told: str, percent: int) -> float:
    # Anchored: wrk also prints a share of "NN.50%" in another column.
    found = _find(rf"(?m)^\s+{percent}%\s+([\d.]+)(us|ms|s)$", told)
    return float(found.group(1)) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found.group(2)]


def _find(pattern: str, told: str) -> re.Match[str]:
    found = re.search(pattern, told)
    if found is None:
        raise BenchError(f"not understood: no `{pattern}` in\n{told[-2000:]}")
    return found
