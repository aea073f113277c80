"""Who calls the API, and what a caller may. Knows tokens and users of this machine, but no route.

Over TCP only a token says who calls, from this machine too: any user and any container here can reach a
port. Over the unix socket the kernel says which user calls.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import Scope as AsgiScope

from graph.database import immediate
from graph.errors import StoreBusy, TrackerError
from graph.record import dataclass
from rebuild.secrets.api_token import ApiTokens, Scope, is_use_noted

UNIX = "unix"  # stands where the address of a caller over TCP does; its port is the user's number
_CALLER = "tracker.caller"
_EVERYTHING = frozenset(Scope)
_OF_THE_GROUP = frozenset({Scope.READ, Scope.RUN})


class Unauthorized(TrackerError):
    """Nobody knows who calls."""


class Forbidden(TrackerError):
    """The caller is known, and may not."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `is_local`: may name folders of this machine, for they could read them anyway."""

    name: str
    scopes: frozenset[Scope]
    is_local: bool = False


class Doorkeeper:
    """Tells who calls by the connection and the token."""

    def __init__(self, connection: sqlite3.Connection, now: Callable[[], datetime], *, own_uid: int) -> None:
        self._sql = connection
        self._tokens = ApiTokens(connection)
        self._now = now
        self._own_uid = own_uid

    def identify(self, scope: AsgiScope) -> Caller:
        """Note the caller in the request. Raises `Unauthorized`."""
        caller = self._by_token(scope) or self._by_user(scope)
        if caller is None:
            raise Unauthorized(
                "the request has no token",
                hint="send 'Authorization: Bearer TOKEN'; 'tracker token create'"
                " makes one where the service runs",
            )
        scope[_CALLER] = caller
        return caller

    def _by_token(self, scope: AsgiScope) -> Caller | None:
        header = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        if header is None:
            return None
        kind, _, text = header.decode("latin-1").partition(" ")
        at = self._now()
        token = self._tokens.check(text.strip(), at) if kind.lower() == "bearer" else None
        if token is None:
            raise Unauthorized(
                "the token is none that this service knows, or has expired",
                hint="'tracker token list' shows those that are, 'tracker token create' makes a new one",
            )
        if not is_use_noted(token, at):
            with suppress(StoreBusy), immediate(self._sql):  # it is noted at the next use
                self._tokens.note_use(token, at)
        return Caller(f"token {token.name}", token.scopes)

    def _by_user(self, scope: AsgiScope) -> Caller | None:
        host, uid = scope.get("client") or ("", -1)
        if host != UNIX:
            return None
        if uid in (0, self._own_uid):
            return Caller(f"user {uid}", _EVERYTHING, is_local=True)
        return Caller(f"user {uid}", _OF_THE_GROUP)


def caller_of(request: Request) -> Caller:
    """Whom the doorkeeper let in."""
    caller = request.scope[_CALLER]
    assert isinstance(caller, Caller)
    return caller


_bearer = HTTPBearer(auto_error=False, description="A token as 'tracker token create' makes them.")


class _Need:
    """A dependency that asks for one scope, or only who it is."""

    def __init__(self, scope: Scope | None = None) -> None:
        self._scope = scope

    async def __call__(
        self,
        request: Request,
        shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Caller:
        """`shown` is only for the description of the API: the doorkeeper has looked at it."""
        caller = caller_of(request)
        if self._scope is not None:
            require(caller, self._scope)
        return caller


def require(caller: Caller, scope: Scope) -> None:
    """Raise `Forbidden` where the caller lacks the scope."""
    if scope not in caller.scopes:
        raise Forbidden(
            f"{caller.name} has not the scope '{scope}' that this takes",
            hint=f"use a token made with 'tracker token create NAME --scope {scope}'",
        )


AnyCaller = Annotated[Caller, Depends(_Need())]
Reader = Annotated[Caller, Depends(_Need(Scope.READ))]
Runner = Annotated[Caller, Depends(_Need(Scope.RUN))]
Writer = Annotated[Caller, Depends(_Need(Scope.WRITE))]
Admin = Annotated[Caller, Depends(_Need(Scope.ADMIN))]
