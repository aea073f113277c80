"""The settings about workers: docker daemons of other machines, for platforms that this one does not have."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from graph.errors import InvalidReference
from graph.reference import Platform
from rebuild.engines.workers import Worker

_SCHEMES = ("ssh", "tcp", "unix")
_HOST = re.compile(r"[A-Za-z0-9_.:%\[\]-]+")
_USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@\\-]*")


class WorkerName(str):
    """What a worker is called here."""

    __slots__ = ()

    def __new__(cls, text: str) -> WorkerName:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", text):
            raise ValueError("a worker's name has up to 40 small letters, digits, '-' and '_'")
        return super().__new__(cls, text)


class WorkerHost(str):
    """Where a docker daemon is: `ssh://USER@HOST`, `tcp://HOST:PORT` or `unix:///PATH`."""

    __slots__ = ()

    def __new__(cls, text: str) -> WorkerHost:
        try:
            parts = urlsplit(text)
            fits = text.isprintable() and " " not in text and _fits(parts)
        except ValueError:
            fits = False
        if not fits:
            raise ValueError("Expected ssh://USER@HOST, tcp://HOST:PORT or unix:///PATH, without a password")
        return super().__new__(cls, text)

    @property
    def is_exposed(self) -> bool:
        """Whether whoever is on the way could read along, and take part, without TLS."""
        parts = urlsplit(self)
        return parts.scheme == "tcp" and not _is_loopback(parts.hostname or "")


class WorkerPlatform(str):
    """A platform of the normal form."""

    __slots__ = ()

    def __new__(cls, text: str) -> WorkerPlatform:
        try:
            return super().__new__(cls, Platform.parse(text))
        except InvalidReference as error:
            raise ValueError(f"{error.message}: {error.hint}") from None


class WorkerSection(Struct, frozen=True):
    """One worker."""

    host: WorkerHost | None = None
    platforms: tuple[WorkerPlatform, ...] | None = None
    tls: Path | None = None
    insecure: bool = False

    def __post_init__(self) -> None:
        if self.host is None or not self.platforms:
            raise ValueError('host and platforms must be set, such as platforms = ["windows/amd64"]')
        if self.tls is not None and not self.tls.is_absolute():
            raise ValueError("tls must be a whole path of a folder, such as /etc/tracker/windows")
        if self.tls is not None and not self.host.startswith("tcp:"):
            raise ValueError("tls is for tcp:// alone: ssh has keys of its own")
        if self.tls is None and self.host.is_exposed and not self.insecure:
            raise ValueError(
                "tcp:// without tls hands the worker to everybody who reaches it: set tls to a folder with"
                " ca.pem, cert.pem and key.pem, use ssh://, or say insecure = true"
            )

    def named(self, name: str) -> Worker:
        """As builds know it."""
        platforms = tuple(dict.fromkeys(map(Platform.parse, self.platforms or ())))
        return Worker(name, str(self.host), platforms, self.tls)


def _fits(parts: SplitResult) -> bool:
    if parts.scheme not in _SCHEMES or parts.query or parts.fragment or parts.password is not None:
        return False
    if parts.scheme == "unix":
        return not parts.netloc and parts.path.startswith("/") and len(parts.path) > 1
    is_host = bool(parts.hostname) and bool(_HOST.fullmatch(parts.hostname or ""))
    if parts.scheme == "tcp":
        return is_host and parts.port is not None and parts.username is None and parts.path in ("", "/")
    has_name = parts.username is None or bool(_USER.fullmatch(parts.username))
    return is_host and not (parts.hostname or "").startswith("-") and has_name


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
