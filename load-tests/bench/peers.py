"""The proxies that are compared, and the origin behind them."""

import contextlib
import http.client
import ssl
import string
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import BenchError, machine
from bench.process import PATIENCE, Process

CONFIGURATIONS = Path(__file__).resolve().parent.parent / "conf"
TARGET = "/files/1k.bin"
BODY = bytes(range(256)) * 4
CURVES = {"p256": "prime256v1", "p384": "secp384r1"}
OURS = "marchproxy"
ENDINGS = {OURS: "yaml", "nginx": "conf", "haproxy": "cfg", "envoy": "yaml"}


class Template(string.Template):
    """`@{name}` is replaced and `@@` is `@`: `$` means something in most configurations."""

    delimiter = "@"


@dataclass
class Peer:
    """One running proxy."""

    process: Process
    ports: dict[str, int]

    @property
    def name(self) -> str:
        return self.process.name

    def url(self, listener: str) -> str:
        scheme = "http" if listener == "plain" else "https"
        return f"{scheme}://127.0.0.1:{self.ports[listener]}{TARGET}"


@dataclass
class Place:
    """The folder of a run, what is in it, and the cores."""

    folder: Path
    marchproxy: str
    envoy: str
    proxy_core: int
    client_core: int
    origin_port: int = 0
    running: list[Process] = field(default_factory=list)

    def start(
        self,
        name: str,
        text: str | None = None,
        values: dict[str, int | str] | None = None,
        called: str | None = None,
    ) -> Peer:
        """Starts a proxy and makes sure that it answers as it should. `text` is a configuration
        other than the one in `conf/`, `values` is what else is filled in, and `called` tells two of
        the same kind apart."""
        numbers = iter(machine.free_ports(4))
        ports = {listener: next(numbers) for listener in ("plain", *CURVES, "status")}
        file, command = self._command(name, called or name)
        self._fill(file, text, {**ports, "origin": self.origin_port, **(values or {})})
        process = Process(called or name, command, self.proxy_core, self.folder)
        self.running.append(process)
        peer = Peer(process, ports)
        _answers(process, ports["plain"], None)
        if text is None:
            for curve in CURVES:
                _answers(process, ports[curve], _trust_anything())
        return peer

    def stop(self, peer: Peer) -> None:
        """Ends a proxy."""
        self.running.remove(peer.process)
        peer.process.stop()

    def start_origin(self) -> None:
        """Starts the origin, on the client's core."""
        (self.origin_port,) = machine.free_ports(1)
        files = self.folder / "files" / "files"
        files.mkdir(parents=True)
        (files / "1k.bin").write_bytes(BODY)
        self._fill("origin.conf", None, {"origin": self.origin_port})
        command = [machine.program("nginx"), "-c", str(self.folder / "origin.conf")]
        process = Process("origin", command, self.client_core, self.folder)
        self.running.append(process)
        _answers(process, self.origin_port, None)

    def _command(self, name: str, called: str) -> tuple[str, list[str]]:
        """A proxy's configuration file and how it is started with it."""
        file = f"{called}.{ENDINGS[name]}"
        path = str(self.folder / file)
        commands = {
            OURS: lambda: [self.marchproxy, "run", "--config", path],
            "nginx": lambda: [machine.program("nginx"), "-c", path],
            "haproxy": lambda: [machine.program("haproxy"), "-db", "-f", path],
            "envoy": lambda: [
                self.envoy,
                *("--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"),
                *("-c", path),
            ],
        }
        return file, commands[name]()

    def _fill(self, file: str, text: str | None, values: dict[str, int | str]) -> None:
        if text is None:
            text = (CONFIGURATIONS / file).read_text()
        filled = Template(text).substitute(folder=self.folder, **values)
        (self.folder / file).write_text(filled)

    def make_certificates(self) -> None:
        """One self-signed certificate for each curve."""
        for name, curve in CURVES.items():
            key, chain = self.folder / f"{name}.key", self.folder / f"{name}.pem"
            command = [
                *(machine.program("openssl"), "req", "-x509", "-newkey", "ec", "-nodes"),
                *("-pkeyopt", f"ec_paramgen_curve:{curve}", "-days", "2"),
                *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", str(key), "-out", str(chain)),
            ]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
            both = chain.read_text() + key.read_text()
            (self.folder / f"{name}.both.pem").write_text(both)


@contextlib.contextmanager
def place(marchproxy: str, envoy: str) -> Iterator[Place]:
    """A folder with certificates and a running origin; whatever still runs at the end is ended."""
    proxy_core, client_core = machine.cores()
    with tempfile.TemporaryDirectory(prefix="marchproxy-bench-") as name:
        folder = Path(name)
        # A worker of nginx that was started by root is not root.
        folder.chmod(0o755)
        made = Place(folder, marchproxy, envoy, proxy_core, client_core)
        try:
            made.make_certificates()
            made.start_origin()
            yield made
        finally:
            for process in reversed(made.running):
                process.stop()


def _trust_anything() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _answers(process: Process, port: int, tls: ssl.SSLContext | None) -> None:
    """Waits until a server answers, and checks what it answers."""
    until = time.monotonic() + PATIENCE
    while True:
        process.fail_if_ended()
        try:
            answer = _ask(port, tls)
            break
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > until:
                raise BenchError(f"{process.name} does not answer: {error}") from error
            time.sleep(0.02)
    if answer != (200, BODY):
        raise BenchError(f"{process.name} answers {answer[0]} with {len(answer[1])} bytes")


def _ask(port: int, tls: ssl.SSLContext | None) -> tuple[int, bytes]:
    if tls is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=tls)
    with contextlib.closing(connection):
        connection.request("GET", TARGET)
        answer = connection.getresponse()
        return answer.status, answer.read()
