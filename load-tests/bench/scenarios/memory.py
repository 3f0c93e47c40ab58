"""Memory for each idle connection, and for a transfer whose other end has stopped."""

import resource
import socket
import time
from collections.abc import Callable

from bench import BenchError, idle
from bench.bodies import growth
from bench.peers import OURS, Peer, Place
from bench.process import Process
from bench.report import Report, Table, Target
from bench.scenarios import Options

KINDS: dict[str, tuple[Callable[[Peer], socket.socket], float]] = {
    "HTTP/1.1": (lambda peer: idle.http1(peer.ports["plain"], tls=False), 8.0),
    "HTTP/1.1 over TLS": (lambda peer: idle.http1(peer.ports["p256"], tls=True), 12.0),
    "HTTP/2 over TLS": (lambda peer: idle.http2(peer.ports["p256"]), 60.0),
}
WARM_UP = 50
# Of what the connections took; the rest is the allocator's, for the next ones.
MOST_KEPT = 0.25
TRANSFER_ROOM_MIB = 16.0
HOW = (
    "Growth of resident memory (VmRSS of all of a proxy's processes) over the connections of one "
    "kind, each of which has made one request and then stays open; then what is still held when "
    "they have been closed. A fresh proxy for each kind. Then one transfer of 1 GiB up and one "
    "down, whose receiver stops until nothing more is taken, and then takes the rest: growth is "
    "that of the peak (VmHWM) of the whole transfer."
)


def memory(place: Place, options: Options) -> Report:
    """Memory for each idle connection, and of a stopped transfer."""
    _allow_files(options.connections + 100)
    rows, targets, raw = [], [], {}
    for kind, (connect, limit) in KINDS.items():
        for name in ("nginx", OURS):
            peer = place.start(name)
            held, kept = _idle(peer, connect, options.connections)
            place.stop(peer)
            rows.append([name, kind, f"{held:.1f} KiB", f"{kept:.1f} KiB"])
            raw[f"{name}, {kind}"] = {"held_kib": held, "kept_kib": kept}
            if name == OURS:
                targets.append(Target(f"memory of an idle {kind} connection", limit, held, " KiB"))
                share = max(kept, 0.0) / held
                targets.append(Target("share of it kept after the close", MOST_KEPT, share))
    for direction in ("upload", "download"):
        grown = growth(place, direction)
        rows.append([OURS, f"1 GiB {direction}, stopped", f"{grown.mib:.1f} MiB", ""])
        raw[direction] = {"growth_mib": grown.mib, "taken_while_stopped_mib": grown.taken_mib}
        what = f"memory of a stopped 1 GiB {direction}"
        targets.append(Target(what, TRANSFER_ROOM_MIB, grown.mib, " MiB"))
    columns = ["proxy", "what", "grew by", "kept after the close"]
    return Report("memory", "Memory", HOW, Table(columns, rows), targets, raw)


def _idle(
    peer: Peer, connect: Callable[[Peer], socket.socket], count: int
) -> tuple[float, float]:
    """KiB for each connection: while all are open, and after they are closed."""
    for _ in range(WARM_UP):
        connect(peer).close()
    before = settled(peer.process)
    streams = [connect(peer) for _ in range(count)]
    held = settled(peer.process) - before
    for stream in streams:
        stream.close()
    kept = settled(peer.process) - before
    return held / count, kept / count


def settled(process: Process) -> int:
    """Resident memory once it has stayed within 64 KiB for three seconds: what is given back may be
    given back with some delay."""
    last, steady = process.memory_kib(), 0
    for _ in range(150):
        time.sleep(0.2)
        process.fail_if_ended()
        now = process.memory_kib()
        steady = steady + 1 if abs(now - last) < 64 else 0
        last = now
        if steady >= 15:
            return now
    raise BenchError(f"the memory of {process.name} does not settle")


def _allow_files(count: int) -> None:
    """For this process and those that it starts: each connection has two ends at a proxy."""
    needed = 2 * count
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BenchError(f"{needed} open files are needed, {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
