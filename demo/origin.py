"""A small server to stand behind the proxy: it tells what reached it.

    python3 origin.py NAME PORT-FILE

Listens on a free port of 127.0.0.1 and writes its number to PORT-FILE. /events sends five
server-sent events, one each second. Python's own library is all it needs.
"""

import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CHUNK = 64 * 1024
TIMEOUT = 120  # seconds that a connection may be silent


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT

    def answer(self):
        if self.path == "/events":
            self.events()
        else:
            self.tell()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def tell(self):
        received = self.read_body()
        lines = [f"this is {self.server.name}", "", f"{self.command} {self.path}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if received:
            lines += ["", f"and {received} bytes of body"]
        body = ("\n".join(lines) + "\n").encode("utf-8", "replace")
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def read_body(self):
        """Reads the body, of known length or chunked, and gives the number of its bytes."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            total = 0
            while size := int(self.rfile.readline().split(b";")[0], 16):
                total += self.skip(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return total
        return self.skip(int(self.headers.get("Content-Length", 0)))

    def skip(self, size):
        left = size
        while left and (piece := self.rfile.read(min(left, CHUNK))):
            left -= len(piece)
        return size - left

    def events(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for number in range(1, 6):
                self.wfile.write(f"data: {number} from {self.server.name}\n\n".encode())
                self.wfile.flush()
                time.sleep(1)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def log_message(self, *_):
        """The proxy's access log is the one to look at."""


def main():
    name, port_file = sys.argv[1:]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.name = name
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    draft = f"{port_file}.draft"
    with open(draft, "w", encoding="ascii") as file:
        file.write(str(server.server_address[1]))
    os.rename(draft, port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
