"""A steady stream of requests over one connection, made by a process of its own: nothing that the
scenario does meanwhile may delay it."""

import multiprocessing
import os
import time
from multiprocessing.connection import Connection
from types import TracebackType

from bench import BenchError, idle

EVERY = 0.002
LONGEST = 600.0


class Steady:
    """The stream, from entering until `end`."""

    def __init__(self, port: int, core: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=_stream, args=(far, port, core), daemon=True)

    def __enter__(self) -> "Steady":
        self.process.start()
        if self.pipe.recv() != "ready":
            raise BenchError("the stream does not start")
        return self

    def end(self) -> list[float]:
        """Ends it; gives the milliseconds that each request took."""
        self.pipe.send("end")
        if not self.pipe.poll(30):
            raise BenchError("the stream does not end")
        took = self.pipe.recv()
        if isinstance(took, str):
            raise BenchError(took)
        return took

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.join()


def _stream(pipe: Connection, port: int, core: int) -> None:
    os.sched_setaffinity(0, {core})
    stream = idle.http1(port, tls=False)
    pipe.send("ready")
    took: list[float] = []
    began = time.monotonic()
    due = began
    try:
        while not pipe.poll() and due - began < LONGEST:
            due += EVERY
            time.sleep(max(0.0, due - time.monotonic()))
            idle.request(stream)
            took.append((time.monotonic() - due) * 1000)
    except (OSError, BenchError) as error:
        pipe.send(f"a request failed during a reload: {error}")
        return
    pipe.send(took)

