"""Follows docs/first-five-minutes.md in an empty folder, from "Write a configuration" on, and compares
what it shows:  python3 demo/test_first_minutes.py BINARY. Needs the ports 3000, 8080 and 9901."""

import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "first-five-minutes.md"
PATIENCE = 10
# What differs from run to run.
VARYING = (
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", "DATE"),
    (r"\b01[0-9A-Z]{24}\b", "ID"),
    (r"took=\S+", "took=TIME"),
    (r"workers=\d+", "workers=N"),
)


def steady(text: str) -> str:
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text)
    return text.replace("\r\n", "\n").strip()


def blocks() -> list[str]:
    """What stands between fences, of the sections that are followed."""
    text = GUIDE.read_text()
    text = text[text.index("## Write a configuration") :]
    return re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


class Guide(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.site = self.folder / "site.yaml"
        self.log = self.folder / "log"
        self.proxy: subprocess.Popen | None = None
        binary = Path(sys.argv[-1]).resolve()
        self.environment = {**os.environ, "PATH": f"{binary.parent}:{os.environ['PATH']}"}

    def start(self, command: str, log: Path) -> subprocess.Popen:
        with log.open("w") as errors:
            process = subprocess.Popen(
                command.split(),
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def run_line(self, command: str) -> str:
        """Runs a line as it would be typed; gives what it prints."""
        run = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=PATIENCE,
        )
        return run.stdout

    def eventually(self, expected: str, look) -> None:
        """Servers take a moment to start, and a saved file to be noticed."""
        end = time.monotonic() + PATIENCE
        while steady(expected) not in steady(look()):
            self.assertLess(time.monotonic(), end, f"{expected}\nis not in\n{look()}")
            time.sleep(0.05)

    def edit(self, old: str, new: str) -> None:
        text = self.site.read_text()
        self.assertIn(old, text)
        self.site.write_text(text.replace(old, new))

    def test_what_the_guide_shows_is_what_happens(self) -> None:
        for block in blocks():
            with self.subTest(block):
                self.follow(block)
        self.assertIsNotNone(self.proxy)

    def follow(self, block: str) -> None:
        if block.startswith("mkdir"):
            *lines, server = block.splitlines()
            self.run_line("\n".join(lines))
            self.start(server, self.folder / "server.log")
        elif block.startswith("listeners:"):
            self.site.write_text(block)
        elif block.startswith("  - name: hello"):
            self.edit("upstreams:", f"{block}upstreams:")
        elif block.startswith("error["):
            self.check_mistakes(block)
        elif block.startswith("$ "):
            for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
                self.type(command, shown)
        else:
            self.wait_for_log(block)

    def type(self, command: str, shown: str) -> None:
        if command.startswith("marchproxy run"):
            self.proxy = self.start(command, self.log)
            self.eventually(shown, self.log.read_text)
        else:
            self.eventually(shown, lambda: self.run_line(command))

    def check_mistakes(self, shown: str) -> None:
        text = self.site.read_text()
        text = text.replace("upstream: app", "upstreem: app").replace('3000"]', '3000", 5]')
        (self.folder / "bad").mkdir()
        (self.folder / "bad" / "site.yaml").write_text(text)
        self.eventually(shown, lambda: self.run_line("cd bad; marchproxy check site.yaml 2>&1"))

    def wait_for_log(self, shown: str) -> None:
        if " ERROR " in shown:
            self.edit("name: hello", "nam: hello")
        if " draining " in shown:
            self.proxy.terminate()
        self.eventually(shown, self.log.read_text)
        if " ERROR " in shown:
            self.type("curl http://127.0.0.1:8080/hello", "hello from the proxy")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
