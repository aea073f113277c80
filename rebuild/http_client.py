"""httpx's client, of whose connections every fault is one of httpx's own. Knows no server."""

from __future__ import annotations

from typing import Any

import httpx


class HttpClient(httpx.AsyncClient):
    """To be used wherever the loop may be uvloop's."""

    async def send(self, request: httpx.Request, **more: Any) -> httpx.Response:
        try:
            return await super().send(request, **more)
        except AttributeError as error:
            # A server that resets a connection as soon as it has it, as proxies do before one that is down:
            # uvloop has closed the socket by the time that anyio asks it for its peer.
            if "getpeername" not in str(error):
                raise
            raise httpx.ConnectError("the connection was reset at once", request=request) from None
