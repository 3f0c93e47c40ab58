"""Requests at a steady rate whether the earlier ones are answered or not, to several proxies at once, by
a process of its own."""

import asyncio
import multiprocessing
import os
import re
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe

from bench import BenchError
from bench.peers import BODY

# An answer that has not come by then is none.
LONGEST = 5.0
# A client that is later than this measures itself.
LATEST = 0.5
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
CLOSE = re.compile(rb"(?i)\r\nconnection: *close")
POSTED = b"x" * 200


@dataclass(frozen=True)
class Asked:
    """One request: when it was due (`time.monotonic`), what it took from then on, and whether it was
    answered as it should be."""

    due: float
    took: float
    good: bool


@dataclass(frozen=True)
class Plan:
    """What is asked: of which proxies, by port; how often a second, of each; and for how long."""

    ports: dict[str, int]
    method: str
    rate: int
    seconds: float


class Load:
    """The requests, from `start` to `end`. The number of a request is its place in the answer."""

    def __init__(self, plan: Plan, core: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=_run, args=(far, plan, core), daemon=True)
        self.patience = plan.seconds + LONGEST + 30

    def start(self) -> float:
        """Begins; gives when."""
        self.process.start()
        if not self.pipe.poll(30):
            raise BenchError("the load does not start")
        return self.pipe.recv()

    def end(self) -> dict[str, list[Asked]]:
        """Waits for the last answer; gives what came of each request, by proxy."""
        if not self.pipe.poll(self.patience):
            raise BenchError("the load does not end")
        latest, asked = self.pipe.recv()
        self.process.join()
        if latest > LATEST:
            raise BenchError(f"the machine is too busy: a request was sent {latest:.1f} s late")
        return asked

    def stop(self) -> None:
        """Ends it whatever it does."""
        if self.process.pid is not None:
            self.process.kill()
            self.process.join()


@dataclass
class Target:
    """One proxy as the client sees it."""

    name: str
    port: int
    asked: list[Asked | None] = field(default_factory=list)
    idle: list["Connection"] = field(default_factory=list)
    running: set[asyncio.Task[None]] = field(default_factory=set)

    async def ask(self, number: int, method: str, due: float) -> None:
        """One request; what came of it is kept."""
        try:
            async with asyncio.timeout(LONGEST):
                good = await self._exchange(f"/{self.name}/{number}", method)
        except (TimeoutError, OSError):
            good = False
        self.asked[number] = Asked(due, time.monotonic() - due, good)

    async def _exchange(self, target: str, method: str) -> bool:
        body = POSTED if method == "POST" else b""
        head = f"{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
        connection = self.idle.pop() if self.idle else await self._connect()
        try:
            status, length = await connection.ask(head.encode() + body)
        except BaseException:
            connection.transport.abort()
            raise
        if not connection.closed:
            self.idle.append(connection)
        return status == 200 and length == len(BODY)

    async def _connect(self) -> "Connection":
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.port)
        return made


class Connection(asyncio.Protocol):
    """One connection to a proxy."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.closed = False
        self.unread = b""
        self.answer: asyncio.Future[tuple[int, int]] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    async def ask(self, request: bytes) -> tuple[int, int]:
        """Sends a request; gives the status of the answer and the length of its body."""
        self.unread = b""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answer

    def data_received(self, data: bytes) -> None:
        self.unread += data
        head, end, body = self.unread.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not end or (length and len(body) < int(length.group(1))):
            return
        if length is None or CLOSE.search(head):
            # The answers that some proxies make of an error.
            self._ended()
            self.transport.abort()
        if self.answer is not None and not self.answer.done():
            self.answer.set_result((int(head[9:12]), len(body)))

    def connection_lost(self, error: Exception | None) -> None:
        self._ended()
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error or ConnectionResetError("closed before the answer"))

    def _ended(self) -> None:
        self.closed = True
        if self in self.target.idle:
            self.target.idle.remove(self)


def _run(pipe: Pipe, plan: Plan, core: int) -> None:
    os.sched_setaffinity(0, {core})
    asyncio.run(_load(pipe, plan))


async def _load(pipe: Pipe, plan: Plan) -> None:
    targets = [Target(name, port) for name, port in plan.ports.items()]
    began = time.monotonic()
    pipe.send(began)
    latest = 0.0
    for number in range(int(plan.rate * plan.seconds)):
        due = began + number / plan.rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        latest = max(latest, time.monotonic() - due)
        for target in targets:
            target.asked.append(None)
            task = asyncio.create_task(target.ask(number, plan.method, due))
            target.running.add(task)
            task.add_done_callback(target.running.discard)
    await asyncio.gather(*(task for target in targets for task in target.running))
    pipe.send((latest, {target.name: target.asked for target in targets}))
