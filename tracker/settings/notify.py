"""The settings about who is told how runs and waves end. Reads no file and sends nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from rebuild.runs.record import Cause
from rebuild.secrets.secret import Secret
from rebuild.secrets.web_url import WebUrl
from tracker.outbound.notice import USUAL, USUAL_CAUSES, Notice
from tracker.outbound.signature import SigningKey

_URLS_MOST = 20
Pattern = Annotated[str, Meta(min_length=1, max_length=200)]


class ChannelName(str):
    """What those who are told are called here."""

    __slots__ = ()

    def __new__(cls, text: str) -> ChannelName:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", text):
            raise ValueError("such a name has up to 40 small letters, digits, '-' and '_'")
        return super().__new__(cls, text)


class NotifySection(Struct, frozen=True):
    """Addresses of one kind, and what they are told of."""

    urls: tuple[Secret, ...] | None = None
    urls_file: Path | None = None
    webhook: Secret | None = None  # its path may be as good as a password
    secret: tuple[Secret, ...] | None = None
    secret_file: Path | None = None
    ca_file: Path | None = None
    on: Annotated[tuple[Notice, ...], Meta(min_length=1)] = USUAL
    tasks: tuple[Pattern, ...] = ()
    causes: Annotated[tuple[Cause, ...], Meta(min_length=1)] = USUAL_CAUSES
    timeout: Annotated[float, Meta(gt=0, le=300)] = 15.0

    def __post_init__(self) -> None:
        ways = [self.urls is not None, self.urls_file is not None, self.webhook is not None]
        if sum(ways) != 1:
            raise ValueError("one of urls, urls_file and webhook must be set, and no other of them")
        signing = [self.secret is not None, self.secret_file is not None]
        if self.webhook is None and (any(signing) or self.ca_file):
            raise ValueError("secret, secret_file and ca_file are for a webhook")
        if self.webhook is not None and sum(signing) != 1:
            raise ValueError("a webhook is signed: one of secret and secret_file must be set")
        self._check_texts()

    def _check_texts(self) -> None:
        if self.urls is not None:
            check_urls(self.urls)
        if self.webhook is not None:
            check_webhook(self.webhook)
        for secret in self.secret or ():
            SigningKey.parse(secret)  # raises ValueError


def check_urls(urls: tuple[Secret, ...]) -> None:
    """Raises ValueError, without the texts."""
    if not 1 <= len(urls) <= _URLS_MOST:
        raise ValueError(f"urls holds 1 to {_URLS_MOST} URLs")
    for number, url in enumerate(urls, 1):
        if not re.match(r"[A-Za-z][A-Za-z0-9+.-]{0,40}://\S", url.reveal()) or not url.reveal().isprintable():
            raise ValueError(f"URL {number} of urls has not the form SCHEME://… that apprise knows")


def check_webhook(url: Secret) -> None:
    """Raises ValueError, without the text."""
    parsed = WebUrl.parse(url.reveal())
    fits = parsed is not None and parsed.scheme in ("http", "https") and url.reveal().isprintable()
    if parsed is None or not fits or parsed.has_user or "#" in parsed.after:
        raise ValueError("webhook: Expected https://HOST/PATH, without user and #")
