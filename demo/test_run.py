"""Tests of `demo/run`: python3 demo/test_run.py. They need its ports, 8080, 8443 and 9901."""

import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
READY = "Ctrl-C ends all of it."
PORTS = (8080, 8443, 9901)
BUILD_TIME = 1800  # seconds; a first build takes minutes
END_TIME = 20


class Demonstration:
    """`demo/run` on a terminal and in a process group of its own, as a person starts it."""

    def __init__(self, *arguments: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.pieces: list[bytes] = []
        self.terminal, programs_side = os.openpty()
        self.process = subprocess.Popen(
            [HERE / "run", *arguments],
            env={**os.environ, "TMPDIR": self.folder.name},
            stdin=programs_side,
            stdout=programs_side,
            stderr=programs_side,
            start_new_session=True,
        )
        os.close(programs_side)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def __enter__(self) -> "Demonstration":
        return self

    def __exit__(self, *_) -> None:
        # Killed at once, what it started might hold a port a little longer than it.
        try:
            if self.process.poll() is None:
                self.interrupt()
        finally:
            if self.runs():
                os.killpg(self.process.pid, signal.SIGKILL)
            os.close(self.terminal)
            self.folder.cleanup()

    def read(self) -> None:
        """Reads until every program has closed its side of the terminal."""
        try:
            while piece := os.read(self.terminal, 65536):
                self.pieces.append(piece)
        except OSError:
            pass

    def runs(self) -> bool:
        """Whether any process of the group is there."""
        try:
            os.killpg(self.process.pid, 0)
            return True
        except ProcessLookupError:
            return False

    def output(self) -> str:
        return b"".join(self.pieces).decode(errors="replace").replace("\r\n", "\n")

    def wait_until_ready(self) -> None:
        end = time.monotonic() + BUILD_TIME
        while READY not in self.output():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"it did not start:\n{self.output()[-4000:]}")
            time.sleep(0.1)

    def lines(self) -> list[str]:
        """The lines to try."""
        return re.findall(r"^  (curl .*)$", self.output(), re.MULTILINE)

    def interrupt(self) -> int:
        """Ctrl-C: the terminal tells every process of the group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.end()

    def end(self) -> int:
        """Waits for its end, and for that of all that it has started."""
        code = self.process.wait(timeout=END_TIME)
        self.reader.join(END_TIME)
        return code


def ask(line: str) -> tuple[int, str]:
    """Runs a line as it would be pasted; gives status and HTTP version."""
    quiet = "curl --silent --show-error --output /dev/null --write-out '%{http_code} %{http_version}' "
    line = line.replace("curl ", quiet, 1)
    run = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30)
    if run.returncode != 0:
        raise AssertionError(f"{line}: exit code {run.returncode}: {run.stderr}")
    status, version = run.stdout.split()
    return int(status), version


class Run(unittest.TestCase):
    def try_all(self, lines: list[str]) -> None:
        """A line gives the status and the version that its remark names, or 200."""
        for line in lines:
            with self.subTest(line):
                remark = line.partition("#")[2]
                named = re.search(r"\b\d{3}\b", remark)
                status, version = ask(line)
                self.assertEqual(status, int(named.group()) if named else 200)
                if "HTTP/2" in remark:
                    self.assertEqual(version, "2")

    def test_each_line_that_it_prints_does_what_it_says(self) -> None:
        with Demonstration() as demonstration:
            demonstration.wait_until_ready()
            lines = demonstration.lines()
            self.assertGreater(len(lines), 10)
            self.try_all(lines)

    def test_ctrl_c_ends_all_that_it_started_and_leaves_nothing(self) -> None:
        # Twice: what the first run leaves would be in the way of the second.
        for _ in range(2):
            with Demonstration() as demonstration:
                demonstration.wait_until_ready()
                self.assertEqual(demonstration.interrupt(), 0, demonstration.output())
                self.assertFalse(demonstration.runs())
                self.assertEqual(list(Path(demonstration.folder.name).iterdir()), [])

    def test_it_stands_before_a_server_of_ones_own(self) -> None:
        origin = [HERE / "origin.py", "own"]
        with subprocess.Popen(["python3", *origin], stdout=subprocess.PIPE, text=True) as own:
            try:
                port = int(own.stdout.readline())
                with Demonstration(f"http://127.0.0.1:{port}") as demonstration:
                    demonstration.wait_until_ready()
                    self.try_all(demonstration.lines())
                    command = ["curl", "--silent", "http://127.0.0.1:8080/"]
                    answer = subprocess.run(command, capture_output=True, text=True, timeout=30)
                    self.assertIn("this is the own server", answer.stdout)
                    self.assertIn(f"host: 127.0.0.1:{port}", answer.stdout)
            finally:
                own.kill()

    def test_a_port_in_use_is_named(self) -> None:
        for port in PORTS:
            with socket.create_server(("127.0.0.1", port)), Demonstration() as demonstration:
                self.assertEqual(demonstration.end(), 1)
                self.assertIn(f"port {port} is in use", demonstration.output())

    def test_a_target_that_is_no_address_is_refused_with_the_form_it_must_have(self) -> None:
        for target in ("127.0.0.1:3000", "ftp://a", "http://a/b", "http://a:b", 'http://a"'):
            with Demonstration(target) as demonstration:
                self.assertEqual(demonstration.end(), 1)
                self.assertIn("TO must look like http://host:port", demonstration.output())


if __name__ == "__main__":
    unittest.main()
