"""Stands before every route of the API: nobody unknown comes in, and bodies are bounded in size and time."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracker.api.auth import Doorkeeper, Unauthorized

BODY_BYTES_MOST = 4 * 1024 * 1024
BODY_SILENCE_S = 60.0
OPEN_PATHS = frozenset({"/openapi.json"})  # says what every tracker of this version says


class Door:
    """ASGI middleware. Who calls is asked before anything of the body is read."""

    def __init__(self, app: ASGIApp, *, doorkeeper: Doorkeeper, streamed: frozenset[str]) -> None:
        """`streamed` are paths that bound their bodies themselves."""
        self._app = app
        self._doorkeeper = doorkeeper
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or path in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        try:
            self._doorkeeper.identify(scope)
        except Unauthorized as error:
            answer = {"error": error.message, "hint": error.hint}
            response = JSONResponse(answer, 401, {"WWW-Authenticate": "Bearer", "Connection": "close"})
            await response(scope, receive, send)
            return
        bytes_most = None if path in self._streamed else BODY_BYTES_MOST
        await self._app(scope, _Body(receive, bytes_most).receive, send)


class _Body:
    """The body of one request, as far as it may go."""

    def __init__(self, receive: Receive, bytes_most: int | None) -> None:
        self._receive = receive
        self._bytes_most = bytes_most
        self._came = 0
        self._is_whole = False

    async def receive(self) -> Message:
        if self._is_whole:  # what comes now is the end of the connection, which may be long in coming
            return await self._receive()
        try:
            async with asyncio.timeout(BODY_SILENCE_S):
                message = await self._receive()
        except TimeoutError:
            rule = f"nothing of the body has come for {BODY_SILENCE_S:g} seconds"
            raise HTTPException(408, rule, {"Connection": "close"}) from None
        self._came += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._bytes_most is not None and self._came > self._bytes_most:
            rule = f"a request has at most {self._bytes_most} bytes"
            raise HTTPException(413, rule, {"Connection": "close"})
        return message
