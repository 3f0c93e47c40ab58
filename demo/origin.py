"""A small server to stand behind the proxy: it tells what reached it.

    python3 origin.py NAME

Listens on a free port of 127.0.0.1 and writes its number to standard output. /events sends five
server-sent events, one each second. Python's own library is all it needs.
"""

import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 64 * 1024
EVENTS = 5


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120  # seconds that a connection may be silent

    def answer(self) -> None:
        if self.path == "/events":
            self.send_events()
        else:
            self.tell()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def tell(self) -> None:
        received = self.read_body()
        lines = [f"this is the {self.server.name} server", "", f"{self.command} {self.path}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if received:
            lines += ["", f"and a body of {received} bytes"]
        body = ("\n".join(lines) + "\n").encode("utf-8", "replace")
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def read_body(self) -> int:
        """Reads the body, of known length or chunked, and gives the number of its bytes."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.skip(int(self.headers.get("Content-Length", 0)))
        total = 0
        while size := int(self.rfile.readline().split(b";")[0], 16):
            total += self.skip(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return total

    def skip(self, size: int) -> int:
        left = size
        while left and (piece := self.rfile.read(min(left, PIECE))):
            left -= len(piece)
        return size - left

    def send_events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for number in range(1, EVENTS + 1):
                self.wfile.write(f"data: {number} of {EVENTS}\n\n".encode())
                time.sleep(1)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def log_message(self, *_) -> None:
        """The proxy's access log is the one to look at."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, *_) -> None:
        """A connection that ends early is not worth a word."""


def main() -> None:
    # Ctrl-C reaches every program of the terminal; whoever started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    server = Server(sys.argv[1])
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
