"""Tokens for the API: made, listed, revoked, checked. Only their hashes are kept; knows no HTTP."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from graph.clock import from_text, to_text
from graph.errors import TrackerError, WrongUse
from graph.record import dataclass
from rebuild.secrets.secret import Secret

PREFIX = "trk_"  # so that scanners of repositories and logs recognise one
USE_NOTED_EVERY = timedelta(minutes=1)
TEXT_MOST = 200

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")


class Scope(StrEnum):
    """What a token allows; none includes another."""

    READ = "read"  # images, runs, logs, tasks
    RUN = "run"  # upload contexts, start and cancel runs
    WRITE = "write"  # change tasks, their credentials and timers
    ADMIN = "admin"  # make, list and revoke tokens, of any scope


class UnknownToken(TrackerError):
    """No token of that name or number."""


@dataclass(frozen=True, slots=True)
class ApiToken:
    token_id: int
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    last_used_at: datetime | None = None
    expires_at: datetime | None = None


def _random() -> str:
    return PREFIX + secrets.token_urlsafe(32)


class ApiTokens:
    """The table. Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def create(
        self,
        name: str,
        scopes: Iterable[Scope],
        at: datetime,
        *,
        expires_at: datetime | None = None,
        make: Callable[[], str] = _random,
    ) -> tuple[ApiToken, Secret]:
        """The text is answered this once. Raises `WrongUse` for a name that is taken or not valid."""
        allowed = frozenset(scopes)
        self._check(name, allowed, at, expires_at)
        text = make()
        row = self._sql.execute(
            "INSERT INTO tokens(name, hash, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?)"
            " RETURNING id, name, scopes, created_at, last_used_at, expires_at",
            (name, _hash(text), " ".join(sorted(allowed)), to_text(at), expires_at and to_text(expires_at)),
        ).fetchone()
        return _token(row), Secret(text)

    def list(self) -> list[ApiToken]:
        rows = self._sql.execute(
            "SELECT id, name, scopes, created_at, last_used_at, expires_at FROM tokens ORDER BY id"
        )
        return [_token(row) for row in rows]

    def revoke(self, name: str) -> None:
        """By name. Raises `UnknownToken`."""
        if self._sql.execute("DELETE FROM tokens WHERE name = ?", (name,)).rowcount == 0:
            raise UnknownToken(f"there is no token {name[:80]!r}", hint="'tracker token list' shows them")

    def check(self, text: str, at: datetime) -> ApiToken | None:
        """The token that this text is, None if there is none or it has expired.

        Every hash is compared in full, so that the time of an answer tells nothing of any of them.
        """
        given = _hash(text[:TEXT_MOST])
        found = None
        for row in self._sql.execute(
            "SELECT id, name, scopes, created_at, last_used_at, expires_at, hash FROM tokens"
        ):
            if hmac.compare_digest(row[6], given):
                found = _token(row)
        if found is None or (found.expires_at is not None and found.expires_at <= at):
            return None
        return found

    def note_use(self, token: ApiToken, at: datetime) -> None:
        """Write down that it was used, once a minute at most; `is_use_noted` says whether that is needed."""
        self._sql.execute("UPDATE tokens SET last_used_at = ? WHERE id = ?", (to_text(at), token.token_id))

    def _check(self, name: str, scopes: frozenset[Scope], at: datetime, expires_at: datetime | None) -> None:
        if not _NAME.fullmatch(name):
            raise WrongUse(
                f"token name {name[:80]!r} is not valid: up to 64 letters, digits, '_', '-', '.' and '@'",
                hint="name it after who will use it, such as ci-shop",
            )
        if not scopes:
            raise WrongUse("a token without a scope allows nothing", hint=f"choose of {', '.join(Scope)}")
        if expires_at is not None and expires_at <= at:
            raise WrongUse("the token would have expired already", hint="give a later time")
        if self._sql.execute("SELECT 1 FROM tokens WHERE name = ?", (name,)).fetchone():
            raise WrongUse(f"there is a token {name!r} already", hint="revoke it, or choose another name")


def is_use_noted(token: ApiToken, at: datetime) -> bool:
    """Whether a use of a moment ago is written down; a write for every request would cost too much."""
    return token.last_used_at is not None and at - token.last_used_at < USE_NOTED_EVERY


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _token(row: tuple[int, str, str, str, str | None, str | None]) -> ApiToken:
    return ApiToken(
        row[0],
        row[1],
        frozenset(Scope(scope) for scope in row[2].split()),
        from_text(row[3]),
        from_text(row[4]) if row[4] else None,
        from_text(row[5]) if row[5] else None,
    )
