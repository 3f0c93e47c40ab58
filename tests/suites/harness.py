"""What the suites share: a cache folder, free ports, servers that are ended again, expectations."""

import argparse
import contextlib
import datetime
import fcntl
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

TREE = pathlib.Path(__file__).resolve().parents[2]
CACHE = (
    pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    / "marchproxy/suites"
)
START_TIME = 20.0
STOP_TIME = 10.0


class Options(NamedTuple):
    """What every suite can be told."""

    name: str
    binary: pathlib.Path
    write: bool
    everything: bool


def options(name: str, about: str, everything: str | None = None) -> Options:
    """Reads the command line of the suite `name`."""
    parser = argparse.ArgumentParser(prog=f"tests/suites/{name}", description=about)
    parser.add_argument(
        "--binary", type=pathlib.Path, default=default_binary(), help="the proxy (%(default)s)"
    )
    parser.add_argument("--write", action="store_true", help=f"write docs/conformance/{name}.md")
    if everything is not None:
        parser.add_argument("--everything", action="store_true", help=everything)
    told = parser.parse_args()
    if not told.binary.is_file():
        parser.error(f"no {told.binary}: build it (cargo build -p marchproxy), or name it")
    return Options(name, told.binary.resolve(), told.write, getattr(told, "everything", False))


def default_binary() -> pathlib.Path:
    """`MARCHPROXY_BIN`, else where cargo puts a debug build."""
    named = os.environ.get("MARCHPROXY_BIN")
    target = os.environ.get("CARGO_TARGET_DIR") or TREE / "target"
    return pathlib.Path(named) if named else pathlib.Path(target) / "debug/marchproxy"


def skip(name: str, reason: str) -> NoReturn:
    """The suite cannot be had here: no failure, but nobody shall take it for a pass."""
    print(f"{name}: SKIPPED: {reason}")
    sys.exit(0)


def command_or_package(command: str, package: str) -> str | None:
    """The path of `command`, from the Debian package when it is missing and we may install."""
    if shutil.which(command) is None and shutil.which("apt-get") is not None:
        sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
        with contextlib.suppress(OSError):
            subprocess.run(sudo + install, stdout=subprocess.DEVNULL, check=False)
    return shutil.which(command)


def folder(name: str) -> pathlib.Path:
    """A new folder for what a run makes; `finish` removes it unless there is something to see."""
    return pathlib.Path(tempfile.mkdtemp(prefix=f"marchproxy-{name}-"))


class Ports:
    """Free ports of 127.0.0.1, held by the same file locks as those of `tests/src/ports.rs`."""

    def __init__(self) -> None:
        self._held = []

    def free(self) -> int:
        """A port that nobody listens on and no other test will use."""
        locks = pathlib.Path(tempfile.gettempdir()) / "marchproxy-test-ports"
        locks.mkdir(exist_ok=True)
        for port in random.sample(range(11_000, 31_000), 1_000):
            lock = open(locks / str(port), "w", encoding="ascii")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            except OSError:
                lock.close()
                continue
            self._held.append(lock)
            return port
        raise RuntimeError("no free port")


@contextlib.contextmanager
def server(command: list, ports: list[int], log: pathlib.Path, **settings) -> Iterator[None]:
    """Runs a server until the block ends; the block begins once all `ports` are listened on."""
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=output, stderr=subprocess.STDOUT, **settings
        )
    try:
        for port in ports:
            await_listener(process, port, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIME)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_listener(process: subprocess.Popen, port: int, log: pathlib.Path) -> None:
    """Returns when somebody listens on `port`."""
    deadline = time.monotonic() + START_TIME
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    said = log.read_text(errors="replace")
    raise RuntimeError(f"{process.args[0]} does not listen on port {port}:\n{said}")


def proxy(options: Options, configuration: str, ports: list[int], place: pathlib.Path):
    """The proxy with this configuration, as `server` runs it; the first port is for its status."""
    status, *listeners = ports
    file = place / "marchproxy.yaml"
    file.write_text(f'{configuration}status: {{ address: "127.0.0.1:{status}" }}\n')
    command = [options.binary, "run", "--config", file]
    return server(command, [status, *listeners], place / "marchproxy.log")


def output_of(command: list) -> str:
    """The first line that a short command prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines else ""


class Expectation(NamedTuple):
    """What a case may result in, and why that is not `OK`."""

    allowed: list[str]
    reason: str


def expectations(name: str) -> dict[str, Expectation]:
    """Reads `NAME.expected`: lines of `case | result or result | reason`."""
    found = {}
    text = (TREE / "tests/suites" / f"{name}.expected").read_text()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        case, results, reason = (part.strip() for part in line.split("|"))
        allowed = results.split(" or ")
        if case in found or (allowed != ["OK"] and not reason):
            raise SystemExit(f"{name}.expected:{number}: listed twice, or without a reason")
        found[case] = Expectation(allowed, reason)
    return found


def finish(name: str, place: pathlib.Path, passed: int, problems: list[str]) -> NoReturn:
    """Says what came of it, and ends."""
    for problem in problems:
        print(f"{name}: {problem}")
    if problems:
        print(f"{name}: logs are in {place}")
    else:
        shutil.rmtree(place)
    print(f"{name}: {passed} passed, {len(problems)} failed")
    sys.exit(1 if problems else 0)


def write_page(name: str, text: str) -> None:
    """Writes the page of a suite."""
    page = TREE / "docs/conformance" / f"{name}.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text)
    print(f"{name}: wrote {page.relative_to(TREE)}")


def table(heads: list[str], rows: list[list]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def today() -> str:
    """The date, as the pages have it."""
    return datetime.date.today().isoformat()
