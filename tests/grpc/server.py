"""A gRPC server of grpcio, with handlers that need no generated code: messages are bytes.

Prints its port. Ends with its standard input.
"""

import sys
import threading
from concurrent import futures

import grpc

BIG = [("grpc.max_receive_message_length", 16 << 20), ("grpc.max_send_message_length", 16 << 20)]
LONGEST = 60.0

ended_early = threading.Semaphore(0)
is_well = threading.Event()
is_well.set()


def unary(request, context):
    context.send_initial_metadata((("x-initial", "1"),))
    context.set_trailing_metadata((("x-trailing", "2"), ("x-trailing-bin", b"\x00\xff")))
    return request


def fail(request, context):
    """Fails before it says anything: the status is in the head (trailers only)."""
    context.set_trailing_metadata((("x-trailing-bin", b"\x01\x02"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"no {request.decode()}: 100 % ä")


def fail_later(request, context):
    yield request
    context.abort(grpc.StatusCode.DATA_LOSS, "after one")


def count(requests, context):
    sizes = [len(request) for request in requests]
    return f"{len(sizes)} {sum(sizes)}".encode()


def many(request, context):
    number, size = (int(word) for word in request.split())
    for position in range(number):
        yield bytes([position % 256]) * size


def echo(requests, context):
    for request in requests:
        yield request


def slow(request, context):
    """Waits until the call ends some other way; tells how much time it was given."""
    is_over = threading.Event()
    context.add_callback(is_over.set)
    if is_over.wait(LONGEST):
        ended_early.release()
    return b""


def remaining(request, context):
    return str(context.time_remaining()).encode()


def saw_the_end(request, context):
    return b"yes" if ended_early.acquire(timeout=float(request)) else b"no"


def set_health(request, context):
    if request == b"well":
        is_well.set()
    else:
        is_well.clear()
    return b""


def check(request, context):
    """A `HealthCheckResponse` whose status is SERVING or NOT_SERVING."""
    return b"\x08\x01" if is_well.is_set() else b"\x08\x02"


def main() -> None:
    one, out = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
    into, both = grpc.stream_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
    methods = {
        "Unary": one(unary), "Fail": one(fail), "FailLater": out(fail_later),
        "Count": into(count), "Many": out(many), "Echo": both(echo), "Slow": one(slow),
        "Remaining": one(remaining), "SawTheEnd": one(saw_the_end), "SetHealth": one(set_health),
    }
    server = grpc.server(futures.ThreadPoolExecutor(16), options=BIG)
    server.add_generic_rpc_handlers((
        grpc.method_handlers_generic_handler("test.Test", methods),
        grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": one(check)}),
    ))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None)


if __name__ == "__main__":
    main()
