"""One transfer of 1 GiB through the proxy, whose receiver stops for a while."""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass

from bench import BenchError
from bench.peers import OURS, Place

GIB = 1 << 30
MIB = 1 << 20
PIECE = 256 << 10
PATIENCE = 20.0
ROUTES = """
listeners:
  - {{ name: plain, address: "127.0.0.1:@{{plain}}", requests: {{ body_size: 2GiB }} }}
routes:
  - {{ name: transfers, match: {{ path: /transfer }}, upstream: transfers }}
  - {{ name: files, match: {{ path: "/files/{{name}}" }}, upstream: origin }}
upstreams:
  - {{ name: origin, endpoints: ["127.0.0.1:@{{origin}}"] }}
  - {{ name: transfers, endpoints: ["127.0.0.1:{port}"] }}
access_log: {{ format: json, file: "@{{folder}}/access.log" }}
status: {{ address: "127.0.0.1:@{{status}}" }}
process: {{ workers: 1 }}
"""


@dataclass(frozen=True)
class Growth:
    """What a transfer cost, and how much the proxy took while its receiver had stopped."""

    mib: float
    taken_mib: float


class Flow:
    """Bytes that go into one end of the proxy, or come out of the other."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.error: OSError | None = None

    def pour(self, stream: socket.socket) -> None:
        """Sends what is left of 1 GiB."""
        piece = memoryview(bytes(PIECE))
        try:
            while self.count < GIB:
                self.count += stream.send(piece[: GIB - self.count])
        except OSError as error:
            self.error = error

    def drain(self, stream: socket.socket) -> None:
        """Takes what is left of 1 GiB."""
        buffer = bytearray(PIECE)
        while self.count < GIB:
            got = stream.recv_into(buffer)
            if got == 0:
                raise BenchError(f"a transfer ended after {self.count} bytes")
            self.count += got


def growth(place: Place, direction: str) -> Growth:
    """Runs one transfer, `upload` or `download`."""
    with contextlib.ExitStack() as cleanup:
        listener = cleanup.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.settimeout(PATIENCE)
        peer = place.start(OURS, ROUTES.format(port=listener.getsockname()[1]))
        cleanup.callback(place.stop, peer)
        before = peer.process.memory_kib()
        peer.process.forget_peak()
        client = socket.create_connection(("127.0.0.1", peer.ports["plain"]), timeout=PATIENCE)
        cleanup.enter_context(client)
        taken = (_upload if direction == "upload" else _download)(client, listener)
        peak = peer.process.memory_kib("VmHWM")
    return Growth((peak - before) / 1024, taken / MIB)


def _upload(client: socket.socket, listener: socket.socket) -> int:
    client.sendall(f"POST /transfer HTTP/1.1\r\nHost: a\r\nContent-Length: {GIB}\r\n\r\n".encode())
    with _accepted(listener) as origin:
        came_with_head = _head(origin)
        taken = _transfer(client, origin, len(came_with_head))
        origin.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        _head(client)
    return taken


def _download(client: socket.socket, listener: socket.socket) -> int:
    client.sendall(b"GET /transfer HTTP/1.1\r\nHost: a\r\n\r\n")
    with _accepted(listener) as origin:
        _head(origin)
        # A head may wait for the first piece of its body.
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {GIB}\r\n\r\n".encode()
        origin.sendall(head + bytes(PIECE))
        came_with_head = _head(client)
        return _transfer(origin, client, len(came_with_head), PIECE)


def _accepted(listener: socket.socket) -> socket.socket:
    stream, _ = listener.accept()
    stream.settimeout(PATIENCE)
    return stream


def _transfer(
    sender: socket.socket, receiver: socket.socket, received: int, sent: int = 0
) -> int:
    """Pours until nothing more is taken, then lets the receiver take everything."""
    into, out_of = Flow(sent), Flow(received)
    pouring = threading.Thread(target=into.pour, args=[sender], daemon=True)
    pouring.start()
    taken = _stalled(into)
    out_of.drain(receiver)
    pouring.join(PATIENCE)
    if into.error is not None:
        raise BenchError(f"a transfer was cut: {into.error}")
    return taken


def _stalled(sent: Flow) -> int:
    """Waits until nothing has been taken for a second."""
    last, steady = -1, 0
    while steady < 5:
        time.sleep(0.2)
        steady = steady + 1 if sent.count == last else 0
        last = sent.count
    if last >= GIB:
        raise BenchError("a receiver that had stopped took everything")
    return last


def _head(stream: socket.socket) -> bytes:
    """Reads a head; gives what came after it."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = stream.recv(4096)
        if not piece or len(got) > 65536:
            raise BenchError(f"no head: {got[:200]!r}")
        got += piece
    if got.startswith(b"HTTP/1.1 ") and not got.startswith(b"HTTP/1.1 2"):
        raise BenchError(f"an unexpected answer: {got[:200]!r}")
    return got.partition(b"\r\n\r\n")[2]
