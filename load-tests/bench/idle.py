"""Connections that have made one request and then say nothing."""

import socket
import ssl
import struct

from bench import BenchError
from bench.peers import BODY, TARGET

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, GOAWAY = 0, 1, 4, 7
ACK = END_STREAM = 1
END_HEADERS = 4


def http1(port: int, tls: bool) -> socket.socket:
    """HTTP/1.1, over TLS or not."""
    stream = _connect(port, "http/1.1" if tls else None)
    request(stream)
    return stream


def request(stream: socket.socket) -> None:
    """One request over HTTP/1.1 and its whole answer."""
    stream.sendall(f"GET {TARGET} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(BODY):
        piece = stream.recv(65536)
        answer += piece
        if not piece or not answer.startswith(b"HTTP/1.1 200 "):
            raise BenchError(f"an unexpected answer: {answer[:200]!r}")


def http2(port: int) -> socket.socket:
    """HTTP/2 over TLS."""
    stream = _connect(port, "h2")
    stream.sendall(PREFACE + _frame(SETTINGS, 0, 0, b"") + _request())
    frames, body = stream.makefile("rb"), b""
    with frames:
        while True:
            kind, flags, number, payload = _read_frame(frames.read)
            if kind == SETTINGS and not flags & ACK:
                stream.sendall(_frame(SETTINGS, ACK, 0, b""))
            if kind == GOAWAY:
                raise BenchError(f"the connection was ended: {payload!r}")
            if kind == DATA and number == 1:
                body += payload
            if number == 1 and flags & END_STREAM and kind in (DATA, HEADERS):
                break
    if body != BODY:
        raise BenchError(f"an unexpected answer: {body[:200]!r}")
    return stream


def _connect(port: int, protocol: str | None) -> socket.socket:
    stream = socket.create_connection(("127.0.0.1", port), timeout=20)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if protocol is None:
        return stream
    return _context(protocol).wrap_socket(stream)


_contexts: dict[str, ssl.SSLContext] = {}


def _context(protocol: str) -> ssl.SSLContext:
    if protocol not in _contexts:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols([protocol])
        _contexts[protocol] = context
    return _contexts[protocol]


def _request() -> bytes:
    # RFC 7541: indexed :method GET and :scheme https, then literal :path and :authority.
    path, authority = TARGET.encode(), b"127.0.0.1"
    fields = b"\x82\x87\x04" + bytes([len(path)]) + path
    fields += b"\x01" + bytes([len(authority)]) + authority
    return _frame(HEADERS, END_STREAM | END_HEADERS, 1, fields)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _read_frame(read) -> tuple[int, int, int, bytes]:
    head = read(9)
    if len(head) < 9:
        raise BenchError("the connection was closed")
    kind, flags, number = struct.unpack(">BBI", head[3:])
    return kind, flags, number & 0x7FFFFFFF, read(int.from_bytes(head[:3]))
