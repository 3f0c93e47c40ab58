"""A server that is being measured: started on one core, watched through /proc, ended."""

import os
import signal
import subprocess
from pathlib import Path

from bench import BenchError

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PATIENCE = 10.0


class Process:
    """A running program and the processes it has started, all on one core."""

    def __init__(
        self, name: str, command: list[str], core: int, folder: Path, cwd: Path | None = None
    ) -> None:
        self.name = name
        self.output = folder / f"{name}.out"
        with self.output.open("wb") as output:
            self.handle = subprocess.Popen(
                ["taskset", "-c", str(core), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd or folder,
            )

    def pids(self) -> list[int]:
        """The program itself, then its children."""
        main = self.handle.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [main, *map(int, children)]

    def cpu_seconds(self) -> float:
        """User and system time of all threads of all its processes."""
        return sum(_ticks(pid) for pid in self.pids()) / TICKS_PER_SECOND

    def memory_kib(self, what: str = "VmRSS") -> int:
        """Memory in use (`VmRSS`), or the most there was since `forget_peak` (`VmHWM`)."""
        return sum(_status_kib(pid, what) for pid in self.pids())

    def forget_peak(self) -> None:
        """Lets `VmHWM` start anew."""
        for pid in self.pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the program itself."""
        self.handle.send_signal(number)

    def fail_if_ended(self) -> None:
        """A server that has ended by itself makes every later figure worthless."""
        if self.handle.poll() is not None:
            told = self.output.read_text(errors="replace")[-2000:]
            raise BenchError(f"{self.name} ended with {self.handle.returncode}:\n{told}")

    def stop(self) -> None:
        """Ends it, if need be by force."""
        self.handle.terminate()
        try:
            self.handle.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.handle.kill()
            self.handle.wait()


def _ticks(pid: int) -> int:
    # The name in brackets may hold anything; what follows the last bracket is fixed (proc(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _status_kib(pid: int, what: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1])
    raise BenchError(f"/proc/{pid}/status has no {what}")
