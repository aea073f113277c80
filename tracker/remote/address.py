"""Where a service answers: a URL, or a unix socket. Connects to nothing but the socket of a state folder."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.secrets.web_url import WebUrl, is_loopback

_HINT = "write https://HOST, http://HOST:PORT or unix:/PATH"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class WebAddress:
    """`prefix` is the path before `/api/v1`, without a slash at its end."""

    host: str
    port: int
    tls: bool
    prefix: str = ""

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)

    @property
    def is_open(self) -> bool:
        """Whether others can read along."""
        return not self.tls and not self.is_loopback

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.tls else 80
        port = "" if self.port == usual else f":{self.port}"
        return f"{'https' if self.tls else 'http'}://{host}{port}{self.prefix}"


Address = UnixAddress | WebAddress


def parse_address(text: str) -> Address:
    """Raises `WrongUse`."""
    if text.startswith("unix:"):
        path = Path(text.removeprefix("unix:").removeprefix("//"))
        if not path.is_absolute():
            raise WrongUse(f"server {text[:200]!r}: the path of a socket begins with '/'", hint=_HINT)
        return UnixAddress(path)
    url = WebUrl.parse(text)
    if url is None or url.scheme not in ("http", "https"):
        raise WrongUse(f"server {text[:200]!r} is not a URL of a service", hint=_HINT)
    if url.has_user:
        raise WrongUse(
            "the URL of a server holds no user", hint="give the token in TRACKER_TOKEN or with --token-file"
        )
    if url.after:
        raise WrongUse(f"server {text[:200]!r}: leave out what follows '?' and '#'", hint=_HINT)
    tls = url.scheme == "https"
    return WebAddress(url.host, url.port or (443 if tls else 80), tls, url.path.rstrip("/"))


def answering(path: Path) -> bool:
    """Whether somebody listens at the socket; one that a killed service left behind does not count."""
    try:
        with connected(path, timeout_s=2.0):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def connected(path: Path, *, timeout_s: float) -> Iterator[socket.socket]:
    """A connection for as long as the block lasts."""
    with connect(path, timeout_s=timeout_s) as connection:
        yield connection


def connect(path: Path, *, timeout_s: float) -> socket.socket:
    """By the descriptor of the folder: an address of this kind has at most 107 bytes. Raises OSError."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    except BaseException:
        connection.close()
        raise
    finally:
        os.close(folder)
    return connection
