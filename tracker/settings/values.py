"""The types of single settings that several sections share. Knows no section and no default."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from rebuild.secrets.web_url import WebUrl

_TEN_YEARS_S = 3650 * 86400.0

Seconds = Annotated[float, Meta(ge=0, le=_TEN_YEARS_S)]
SomeSeconds = Annotated[float, Meta(gt=0, le=_TEN_YEARS_S)]
Interval = Annotated[float, Meta(ge=1, le=_TEN_YEARS_S)]


class Named(Struct, frozen=True):
    """A section whose name says something of it."""

    def check_name(self, name: str) -> None:
        """Raises `ValueError` where the section does not go with its name."""
        raise NotImplementedError


class BaseUrl(str):
    """Where something on the web begins: `https://HOST/PATH`, without a slash at its end."""

    __slots__ = ()

    def __new__(cls, text: str) -> BaseUrl:
        parsed = WebUrl.parse(text)
        fits = parsed is not None and parsed.scheme in ("http", "https")
        if parsed is None or not fits or parsed.has_user or parsed.after or not text.isprintable():
            raise ValueError("Expected a URL such as https://tracker.example.com, without user, ? and #")
        return super().__new__(cls, text.rstrip("/"))


class ForgeHost(str):
    """A git server as the URLs of its repositories name it."""

    __slots__ = ()

    def __new__(cls, text: str) -> ForgeHost:
        try:
            parts = urlsplit(f"//{text}")
            fits = parts.netloc == text and bool(parts.hostname) and "@" not in text
            _ = parts.port  # raises where it is none
        except ValueError:
            fits = False
        if not fits or any(c.isspace() for c in text):
            raise ValueError(f"{text!r} is not a git server: write host or host:port, without https://")
        return super().__new__(cls, text.lower())


class SshHost(str):
    """A host of ssh by its name or address, without port: its keys are the same on all of them."""

    __slots__ = ()

    def __new__(cls, text: str) -> SshHost:
        if not text or any(c in "/@[]" or c.isspace() for c in text) or text.count(":") == 1:
            raise ValueError(f"{text!r} is not a host: write its name or address, without user and port")
        return super().__new__(cls, text.lower())
