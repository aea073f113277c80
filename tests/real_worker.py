"""A worker for tests: a real docker daemon, at its socket, at TCP with certificates, or by a wire."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from graph.reference import Platform
from rebuild.engines.workers import Worker
from tests.real_engine import DOCKER, RealDocker, docker_daemon
from tests.real_registry import free_port


@dataclass
class RealWorker:
    """The daemon, and where it listens."""

    daemon: RealDocker
    tls_port: int
    tls_folder: Path  # of a client that it knows

    @property
    def socket(self) -> str:
        return self.daemon.host

    @property
    def tls_host(self) -> str:
        return f"tcp://localhost:{self.tls_port}"

    def named(self, name: str, *platforms: str) -> Worker:
        return Worker(name, self.socket, tuple(map(Platform.parse, platforms)))

    def docker(self, *arguments: str) -> str:
        """The daemon's own answer."""
        command = [DOCKER, "--host", self.socket, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def names(self) -> list[str]:
        """What it calls its images."""
        return self.docker("images", "--format={{.Repository}}:{{.Tag}}").split()


@contextlib.contextmanager
def real_worker(folder: Path) -> Iterator[RealWorker]:
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    _make_certificates(folder)
    options = [f"--host=tcp://127.0.0.1:{port}", "--tlsverify"]
    files = {"--tlscacert": "ca.pem", "--tlscert": "server.pem", "--tlskey": "server.key"}
    options += [f"{flag}={folder / name}" for flag, name in files.items()]
    with docker_daemon(folder / "daemon", *options) as daemon:
        yield RealWorker(daemon, port, folder)


def _make_certificates(folder: Path) -> None:
    """An authority; a server called localhost; and a client with the names that docker's files have."""
    _openssl(
        folder, "req", "-x509", *_NEW_KEY, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem"
    )
    for name, usage, key, certificate in (
        ("localhost", "serverAuth", "server.key", "server.pem"),
        ("tracker", "clientAuth", "key.pem", "cert.pem"),
    ):
        _openssl(folder, "req", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", "asked.csr")
        (folder / "more").write_text(f"subjectAltName=DNS:{name}\nextendedKeyUsage={usage}\n")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "more")
        _openssl(folder, "x509", "-req", "-in", "asked.csr", *signing, "-out", certificate)


_NEW_KEY = ("-newkey", "rsa:2048", "-nodes", "-days", "2")


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@dataclass
class Wire:
    """A port on loopback that leads to a unix socket, until it is cut."""

    server: socket.socket
    to: str
    ends: list[socket.socket] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"tcp://127.0.0.1:{self.server.getsockname()[1]}"

    def cut(self) -> None:
        """From now on nobody answers, and what was connected is no more."""
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve(self) -> None:
        with contextlib.suppress(OSError):  # it was cut
            while True:
                client, _ = self.server.accept()
                daemon = socket.socket(socket.AF_UNIX)
                daemon.connect(self.to)
                self.ends += [client, daemon]
                for source, target in ((client, daemon), (daemon, client)):
                    threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


@contextlib.contextmanager
def wire(unix_host: str) -> Iterator[Wire]:
    made = Wire(socket.create_server(("127.0.0.1", 0)), unix_host.removeprefix("unix://"))
    serving = threading.Thread(target=made.serve, daemon=True)
    serving.start()
    try:
        yield made
    finally:
        made.cut()
        serving.join()
        for end in made.ends:
            end.close()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
