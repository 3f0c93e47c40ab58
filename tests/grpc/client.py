"""A gRPC client of grpcio: makes the same calls over each channel, and prints what came of them.

    client.py ADDRESS...     one line of JSON for each: {"unary": ..., ...}
    client.py ADDRESS NAME   one call alone: `well`, `ill`, `code`
"""

import json
import queue
import sys
import time

import grpc

BIG = [("grpc.max_receive_message_length", 16 << 20), ("grpc.max_send_message_length", 16 << 20)]
PATIENCE = 20
MEGA = 1_000_000


class Site:
    """One channel."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address, options=BIG)

    def one(self, name: str):
        return self._channel.unary_unary(f"/test.Test/{name}")

    def out(self, name: str):
        return self._channel.unary_stream(f"/test.Test/{name}")

    def into(self, name: str):
        return self._channel.stream_unary(f"/test.Test/{name}")

    def both(self, name: str):
        return self._channel.stream_stream(f"/test.Test/{name}")


def metadata(pairs) -> list:
    """What handlers have set, and nothing that a proxy may add."""
    shown = [(key, value.hex() if isinstance(value, bytes) else value) for key, value in pairs]
    return sorted(pair for pair in shown if pair[0].startswith(("x-initial", "x-trailing")))


def outcome(call) -> list:
    """How a call failed."""
    try:
        answer = call()
    except grpc.RpcError as error:
        return [error.code().name, error.details(), metadata(error.trailing_metadata() or ())]
    return ["OK", answer.decode(), []]


def unary(site: Site) -> list:
    answer, call = site.one("Unary").with_call(b"hello", timeout=PATIENCE)
    told = [metadata(call.initial_metadata()), metadata(call.trailing_metadata())]
    return [answer.decode(), call.code().name, *told]


def trailers_only(site: Site) -> list:
    return outcome(lambda: site.one("Fail")(b"tea", timeout=PATIENCE))


def unknown_method(site: Site) -> list:
    return outcome(lambda: site.one("Nothing")(b"", timeout=PATIENCE))[:1]


def failed_stream(site: Site) -> list:
    answers = site.out("FailLater")(b"one", timeout=PATIENCE)
    got = next(answers).decode()
    return [got, *outcome(lambda: next(answers))]


def server_stream(site: Site) -> list:
    answers = list(site.out("Many")(b"1000 100", timeout=PATIENCE))
    return [len(answers), answers == [bytes([at % 256]) * 100 for at in range(1000)]]


def client_stream(site: Site) -> str:
    pieces = (bytes([at % 256]) * 100 for at in range(1000))
    return site.into("Count")(pieces, timeout=PATIENCE).decode()


def both_streams(site: Site) -> list:
    """Each message is sent when the answer to the one before it has come."""
    outgoing = queue.Queue()
    answers = site.both("Echo")(iter(outgoing.get, None), timeout=PATIENCE)
    got = []
    for number in range(50):
        outgoing.put(str(number).encode())
        got.append(next(answers).decode())
    outgoing.put(None)
    return [got == [str(number) for number in range(50)], len(list(answers)), answers.code().name]


def big_messages(site: Site) -> list:
    message = bytes(range(250)) * (5 * MEGA // 250)
    alone = site.one("Unary")(message, timeout=PATIENCE) == message
    streamed = list(site.both("Echo")(iter([message] * 3), timeout=PATIENCE))
    return [alone, streamed == [message] * 3]


def deadline(site: Site) -> list:
    began = time.monotonic()
    code = outcome(lambda: site.one("Slow")(b"", timeout=0.5))[0]
    took = time.monotonic() - began
    seen = site.one("SawTheEnd")(b"5", timeout=PATIENCE).decode()
    told = float(site.one("Remaining")(b"", timeout=7))
    # It is rounded up on its way.
    return [code, 0.4 < took < 3, seen, 4 < told < 7.5]


def cancellation(site: Site) -> list:
    call = site.one("Slow").future(b"", timeout=PATIENCE)
    time.sleep(0.3)
    call.cancel()
    seen = site.one("SawTheEnd")(b"5", timeout=PATIENCE).decode()
    return [call.cancelled(), seen]


def cancelled_stream(site: Site) -> list:
    outgoing = queue.Queue()
    answers = site.both("Echo")(iter(outgoing.get, None), timeout=PATIENCE)
    outgoing.put(b"one")
    got = next(answers).decode()
    answers.cancel()
    outgoing.put(None)
    # The connection goes on.
    return [got, answers.code().name, site.one("Unary")(b"after", timeout=PATIENCE).decode()]


CASES = [
    unary, trailers_only, unknown_method, failed_stream, server_stream, client_stream,
    both_streams, big_messages, deadline, cancellation, cancelled_stream,
]


def main() -> None:
    address, *rest = sys.argv[1:]
    if rest and ":" not in rest[0]:
        site = Site(address)
        if rest[0] == "code":
            print(outcome(lambda: site.one("Unary")(b"", timeout=PATIENCE))[0])
        else:
            site.one("SetHealth")(rest[0].encode(), timeout=PATIENCE)
        return
    for one in [address, *rest]:
        print(json.dumps({case.__name__: case(Site(one)) for case in CASES}), flush=True)


if __name__ == "__main__":
    main()
