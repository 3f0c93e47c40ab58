"""Where the figures come from: the machine and the programs on it."""

import os
import platform
import re
import shutil
import socket
import subprocess
from pathlib import Path

from bench import BenchError


def cores() -> tuple[int, int]:
    """A core for the proxy under test, and one for its client and the origin."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise BenchError("two cores are needed: one for the proxy, one for everything else")
    return usable[0], usable[1]


def program(name: str) -> str:
    """A program of a Debian package, wherever it is."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    found = shutil.which(name, path=path)
    if found is None:
        raise BenchError(f"{name} is not installed: make bench-setup")
    return found


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def facts(marchproxy: str, envoy: str) -> dict[str, str]:
    """What someone who reads the figures later will want to know."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "load average at the start": f"{os.getloadavg()[0]:.1f}",
        "marchproxy": f"{_version([marchproxy, '--version'])}, commit {_commit()}",
        "nginx": _version([program("nginx"), "-V"]),
        "haproxy": _version([program("haproxy"), "-v"]),
        "envoy": _version([envoy, "--version"]),
        "openssl": _version([program("openssl"), "version"]),
        "wrk": _version([program("wrk"), "-v"]),
        "h2load": _version([program("h2load"), "--version"]),
    }


def _version(command: list[str]) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    told = re.search(r"\d+\.\d+(\.\d+)?", ran.stdout + ran.stderr)
    return told.group(0) if told else "unknown"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return ran.stdout.strip() or "unknown"
