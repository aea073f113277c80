"""A URL of a server as a value, where a host may be told and nothing may hide in it. Connects to nothing."""

from __future__ import annotations

import ipaddress
from typing import Self
from urllib.parse import urlsplit

from graph.record import dataclass


@dataclass(frozen=True, slots=True)
class WebUrl:
    """The host is in lower case, without brackets; `after` is what follows the path, with its `?` or `#`."""

    scheme: str
    host: str
    port: int | None
    path: str
    after: str
    has_user: bool

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for what is no URL with a host."""
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            return None
        if not parts.hostname or any(character.isspace() for character in text):
            return None
        after = "".join(mark + part for mark, part in (("?", parts.query), ("#", parts.fragment)) if part)
        return cls(parts.scheme, parts.hostname, port, parts.path, after, "@" in parts.netloc)

    @property
    def authority(self) -> str:
        """The host, with its port where it names one."""
        return self.host if self.port is None else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether traffic to a host, by name or address without brackets, stays on this machine."""
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
