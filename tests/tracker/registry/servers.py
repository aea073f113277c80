"""Fixtures of the registry client's tests: real registries that want a login, or speak TLS."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fake_token_server import FakeTokenServer, fake_token_server
from tests.real_registry import RealRegistry, free_port, real_registry
from tests.tracker.registry.content import Image, Pusher, image
from tracker.registry import RegistryClient

Connect = Callable[..., RegistryClient]  # takes what `RegistryClient` takes, but for the transport

USER, PASSWORD = "tester", "s3cret"
_HTPASSWD = "tester:$2y$04$73hT4au1he7hXaZgvCYU5.Oa2xHRSk9N9jTqpBGgbfJGa1kyg.Hp.\n"

IMAGE = image("guarded")


@contextlib.contextmanager
def registry_with_basic(folder: Path, *repositories: str) -> Iterator[RealRegistry]:
    """Every repository holds `IMAGE` under the tag `1`; only tester may see them."""
    with real_registry(folder) as registry:
        push_everywhere(registry, IMAGE, repositories)
        registry.stop()
        (folder / "htpasswd").write_text(_HTPASSWD)
        registry.extra = {"auth": {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}}
        registry.start()
        registry.access_log.write_text("")
        yield registry


@dataclass(frozen=True)
class Guarded:
    registry: RealRegistry
    tokens: FakeTokenServer


@contextlib.contextmanager
def registry_with_tokens(folder: Path, *repositories: str) -> Iterator[Guarded]:
    """Every repository holds `IMAGE` under the tag `1`, behind the token server."""
    with fake_token_server(folder / "tokens") as tokens, real_registry(folder / "registry") as registry:
        push_everywhere(registry, IMAGE, repositories)
        registry.stop()
        registry.extra = {"auth": {"token": tokens.registry_settings()}}
        registry.start()
        registry.access_log.write_text("")
        yield Guarded(registry, tokens)


def push_everywhere(registry: RealRegistry, pushed: Image, repositories: tuple[str, ...]) -> None:
    pusher = Pusher(registry.url)
    for repository in repositories:
        pusher.image(repository, "1", pushed)


@contextlib.contextmanager
def registry_with_tls(folder: Path) -> Iterator[RealRegistry]:
    """It speaks TLS only, with a certificate for localhost that `folder/ca.pem` signed."""
    folder.mkdir()
    _make_certificates(folder)
    port = free_port()
    tls = {"certificate": str(folder / "server.pem"), "key": str(folder / "server.key")}
    registry = RealRegistry(folder, port, {"http": {"addr": f"127.0.0.1:{port}", "tls": tls}})
    registry.start()
    try:
        yield registry
    finally:
        registry.stop()


def _make_certificates(folder: Path) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ["req", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    openssl(*new, "-x509", "-subj", "/CN=own-authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl(*new, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
    openssl("x509", "-req", "-in", "server.csr", *signing, "-out", "server.pem")
