"""A service behind real TLS, a reverse proxy's path and a tunnel, with certificates of our own making."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Authority:
    """Signs certificates; `file` is what clients trust."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    file: Path

    @classmethod
    def make(cls, folder: Path, name: str) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        plain = _certificate(subject, subject, key, valid_days=30)
        signed = plain.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        file = folder / f"{name}.pem"
        file.write_bytes(signed.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return cls(subject, key, file)

    def certify(self, folder: Path, host: str, *, valid_days: int = 30) -> Path:
        """A file with the key and the certificate of that host."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        plain = _certificate(subject, self.name, key, valid_days=valid_days)
        named = plain.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        file = folder / f"{host}-{valid_days}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + named.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        return file


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, valid_days: int
) -> x509.CertificateBuilder:
    """Of negative days: one that expired so long ago."""
    end = datetime.now(UTC) + timedelta(days=valid_days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=60))
        .not_valid_after(end)
    )


@dataclass
class Served:
    """What answers, and what it was asked: path and token of each request."""

    port: int = 0
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    redirect: str | None = None
    tunnels: list[tuple[str, str | None]] = field(default_factory=list)


@contextlib.contextmanager
def serving(certificate: Path | None = None) -> Iterator[Served]:
    """Answers every GET with an empty object; over TLS where there is a certificate."""
    made = Served()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            made.seen.append((self.path, self.headers.get("Authorization")))
            if made.redirect:
                self._send(302, {"Location": made.redirect})
            else:
                self._send(200, {"Content-Type": "application/json"}, json.dumps({}).encode())

        def _send(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Nobody listens."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = False

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that hangs up in the handshake is what is tested."""

        def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
            if certificate is None:
                super().finish_request(request, client_address)
                return
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            with context.wrap_socket(request, server_side=True) as encrypted:
                super().finish_request(encrypted, client_address)

    with Quiet(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def tunnelling(target: Served) -> Iterator[Served]:
    """A proxy whose tunnels all lead to the target, whatever host they were asked for."""
    made = Served()
    threads: list[threading.Thread] = []

    def tunnel(client: socket.socket) -> None:
        with (
            client,
            socket.create_connection(("127.0.0.1", target.port)) as server,
            contextlib.suppress(OSError),
        ):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            lines = head.decode().split("\r\n")
            login = next((line for line in lines if line.startswith("Proxy-Authorization")), None)
            made.tunnels.append((lines[0], login))
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pass_on, args=(server, client))
            back.start()
            _pass_on(client, server)
            back.join()

    def accept(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                thread = threading.Thread(target=tunnel, args=(listening.accept()[0],))
                thread.start()
                threads.append(thread)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        made.port = listening.getsockname()[1]
        accepting = threading.Thread(target=accept, args=(listening,))
        accepting.start()
        try:
            yield made
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *threads):
                thread.join()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
