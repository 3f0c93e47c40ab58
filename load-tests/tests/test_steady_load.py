"""Requests at a steady rate, and the endpoints that they meet: a failure is never taken for a success."""

import contextlib
import os
import socket
import tempfile
import threading
import unittest
from pathlib import Path

from bench.failing import Endpoints
from bench.openloop import Load, Plan
from bench.peers import BODY, Place


@contextlib.contextmanager
def endpoints():
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), "", "", *(2 * [core()]))
        made = Endpoints(place)
        try:
            yield made
        finally:
            made.stop()


def core() -> int:
    return min(os.sched_getaffinity(0))


def load(port: int, method: str = "GET"):
    one = Load(Plan({"a": port}, method, 50, 0.4), core())
    try:
        one.start()
        return one.end()["a"]
    finally:
        one.stop()


class Loads(unittest.TestCase):
    def test_each_request_is_seen_once_with_its_number(self) -> None:
        for method in ("GET", "POST"):
            with endpoints() as four:
                asked = load(four.ports["one"], method)
                seen = four.seen("a")
            self.assertTrue(all(one.good for one in asked))
            self.assertEqual([one.number for one in seen], list(range(20)))
            self.assertEqual({one.port for one in seen}, {four.ports["one"]})

    def test_half_of_the_answers_are_500_when_asked_for(self) -> None:
        with endpoints() as four:
            four.fail("500 to half")
            good = sum(one.good for one in load(four.ports["one"]))
            four.repair("500 to half")
            repaired = sum(one.good for one in load(four.ports["one"]))
        self.assertTrue(3 < good < 17, good)
        self.assertEqual(repaired, 20)

    def test_a_killed_endpoint_answers_nothing_until_it_is_repaired(self) -> None:
        with endpoints() as four:
            four.fail("killed")
            self.assertFalse(any(one.good for one in load(four.ports["one"])))
            four.repair("killed")
            self.assertTrue(all(one.good for one in load(four.ports["one"])))

    def test_a_slow_answer_takes_two_seconds_from_when_it_was_due(self) -> None:
        with endpoints() as four:
            four.fail("slowed by 2 s")
            asked = load(four.ports["one"])
        self.assertTrue(all(one.good and 2.0 <= one.took < 3.0 for one in asked))

    def test_an_answer_that_is_cut_is_not_good(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=cut, args=[listener], daemon=True).start()
            asked = load(listener.getsockname()[1])
        self.assertFalse(any(one.good for one in asked))


def cut(listener: socket.socket) -> None:
    """Answers each connection with all but the last byte."""
    for _ in range(20):
        stream, _ = listener.accept()
        with stream:
            stream.recv(4096)
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n" + BODY[:-1])


if __name__ == "__main__":
    unittest.main()
