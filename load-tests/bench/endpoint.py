"""Endpoints that fail on purpose: `python3 -m bench.endpoint LOG PORT ...`.

Each listens on 127.0.0.1, answers everything with the same body, and writes a line to the log for each
request as soon as its head is there: `TIME PORT TARGET`. `GET /healthz` is answered but not written down.
`GET /fault/NAME` makes all endpoints of the process fail from then on as `FAULTS` says."""

import asyncio
import os
import random
import re
import sys
import time

from bench.peers import BODY

# What a request meets: how long its answer takes, and which share of the answers is 500.
FAULTS = {"none": (0.0, 0.0), "slow": (2.0, 0.0), "errors": (0.0, 0.5)}
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
BAD = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


class Endpoints:
    """What the endpoints of one process share."""

    def __init__(self, log: str) -> None:
        self.log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.fault = FAULTS["none"]
        self.random = random.Random(1)

    def answer(self, port: int, target: str) -> tuple[float, bytes]:
        """When to answer, in seconds from now, and what."""
        if target.startswith("/fault/"):
            self.fault = FAULTS[target.removeprefix("/fault/")]
            return 0.0, GOOD
        delay, failing = self.fault
        if target == "/healthz":
            return delay, GOOD
        os.write(self.log, f"{time.monotonic():.6f} {port} {target}\n".encode())
        return delay, BAD if self.random.random() < failing else GOOD


class Connection(asyncio.Protocol):
    """One request after the other over one connection."""

    def __init__(self, endpoints: Endpoints, port: int) -> None:
        self.endpoints = endpoints
        self.port = port
        self.unread = b""
        self.body_left = 0
        self.answer: tuple[float, bytes] = (0.0, GOOD)

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.unread += data
        while self.unread:
            if self.body_left == 0:
                head, end, rest = self.unread.partition(b"\r\n\r\n")
                if not end:
                    return
                self.unread = rest
                length = LENGTH.search(head)
                self.body_left = int(length.group(1)) if length else 0
                target = head.split(b" ", 2)[1].decode()
                self.answer = self.endpoints.answer(self.port, target)
            taken = min(self.body_left, len(self.unread))
            self.unread = self.unread[taken:]
            self.body_left -= taken
            if self.body_left == 0:
                self._reply()

    def _reply(self) -> None:
        delay, answer = self.answer
        if delay == 0.0:
            self.transport.write(answer)
        else:
            asyncio.get_running_loop().call_later(delay, self.transport.write, answer)


async def _serve(log: str, ports: list[int]) -> None:
    endpoints, loop = Endpoints(log), asyncio.get_running_loop()
    servers = [
        await loop.create_server(lambda port=port: Connection(endpoints, port), "127.0.0.1", port)
        for port in ports
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], [int(port) for port in sys.argv[2:]]))
