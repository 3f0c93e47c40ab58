"""One run: several proxies before the same four endpoints, one of which fails for a while."""

import contextlib
import http.client
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import BenchError, machine
from bench.openloop import Load, Plan
from bench.outcome import Fault, Outcome, Seen, outcome
from bench.peers import CONFIGURATIONS, ENDINGS, Peer, Place
from bench.process import PATIENCE, Process

ROOT = Path(__file__).resolve().parents[1]
NAMES = ["one", "two", "three", "four"]
FAULTS = ["killed", "frozen", "slowed by 2 s", "500 to half"]
RATE = 500


@dataclass(frozen=True)
class Times:
    """Seconds that a run is without the fault, with it, and without it again."""

    before: float
    fault: float
    after: float


class Endpoints:
    """Four endpoints. The first is a process of its own, so that it can be killed and frozen."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.log = place.folder / "seen.log"
        self.log.write_bytes(b"")
        self.ports = dict(zip(NAMES, machine.free_ports(len(NAMES)), strict=True))
        self.others = self._start("endpoints", [self.ports[name] for name in NAMES[1:]])
        self.first = self._start("endpoint", [self.ports["one"]])

    def fail(self, fault: str) -> None:
        """The first one fails from now on."""
        match fault:
            case "killed":
                self.first.send(signal.SIGKILL)
                self.first.handle.wait(PATIENCE)
            case "frozen":
                self.first.send(signal.SIGSTOP)
            case "slowed by 2 s":
                _order(self.ports["one"], "/fault/slow")
            case _:
                _order(self.ports["one"], "/fault/errors")

    def repair(self, fault: str) -> None:
        """The first one is as it was."""
        match fault:
            case "killed":
                self.place.running.remove(self.first)
                self.first = self._start("endpoint", [self.ports["one"]])
            case "frozen":
                self.first.send(signal.SIGCONT)
            case _:
                _order(self.ports["one"], "/fault/none")

    def seen(self, peer: str) -> list[Seen]:
        """The requests that came through this proxy. What was only asked to see whether it answers
        has another path."""
        found = []
        for line in self.log.read_text().splitlines():
            at, port, target = line.split(" ")
            _, came_by, number = target.split("/")[:3]
            if came_by == peer:
                found.append(Seen(float(at), int(port), int(number)))
        return found

    def stop(self) -> None:
        """Ends them, the frozen one too."""
        for process in (self.first, self.others):
            process.send(signal.SIGCONT)
            process.stop()
            self.place.running.remove(process)

    def _start(self, name: str, ports: list[int]) -> Process:
        command = [sys.executable, "-m", "bench.endpoint", str(self.log), *map(str, ports)]
        process = Process(name, command, self.place.client_core, self.place.folder, ROOT)
        self.place.running.append(process)
        for port in ports:
            _wait(process, port)
        return process


def run(
    place: Place, peers: list[str], fault: str, method: str, times: Times
) -> dict[str, Outcome]:
    """All proxies at once, each with requests of its own; gives what came of them, by proxy."""
    with _running(place, peers) as (endpoints, started):
        ports = {peer.name: peer.ports["plain"] for peer in started}
        seconds = times.before + times.fault + times.after
        load = Load(Plan(ports, method, RATE, seconds), place.client_core)
        try:
            start = load.start()
            _sleep_until(start + times.before)
            began = time.monotonic()
            endpoints.fail(fault)
            _sleep_until(start + times.before + times.fault)
            endpoints.repair(fault)
            ended = time.monotonic()
            asked = load.end()
        finally:
            load.stop()
        for peer in started:
            peer.process.fail_if_ended()
        failed = Fault(endpoints.ports["one"], began, ended)
        return {name: outcome(asked[name], endpoints.seen(name), failed) for name in ports}


@contextlib.contextmanager
def _running(place: Place, peers: list[str]) -> Iterator[tuple[Endpoints, list[Peer]]]:
    endpoints, started = Endpoints(place), []
    try:
        for name in peers:
            text = (CONFIGURATIONS / "failures" / f"{name}.{ENDINGS[name]}").read_text()
            started.append(place.start(name, text, endpoints.ports))
        yield endpoints, started
    finally:
        for peer in started:
            place.stop(peer)
        endpoints.stop()


def _order(port: int, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", path)
        if connection.getresponse().status != 200:
            raise BenchError(f"an endpoint does not take {path}")


def _wait(process: Process, port: int) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        process.fail_if_ended()
        try:
            return _order(port, "/fault/none")
        except OSError as error:
            if time.monotonic() > until:
                raise BenchError(f"an endpoint does not answer: {error}") from error
            time.sleep(0.02)


def _sleep_until(when: float) -> None:
    time.sleep(max(0.0, when - time.monotonic()))
