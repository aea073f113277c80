"""Stands before every route of the API: nobody unknown comes in, and no body is larger than it may be."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracker.api.auth import Doorkeeper, Unauthorized

BODY_BYTES_MOST = 4 * 1024 * 1024
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
        if path in self._streamed:
            await self._app(scope, receive, send)
        else:
            await self._bounded(scope, receive, send)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > BODY_BYTES_MOST:
                raise HTTPException(413, f"a request has at most {BODY_BYTES_MOST} bytes")
            return message

        await self._app(scope, counted, send)
