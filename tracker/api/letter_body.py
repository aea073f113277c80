"""Reads the bodies of letters, bounded in size, in time, and all together. Knows no sender and no format."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request

from graph.errors import TrackerError
from tracker.metrics import EventResult

BODY_MOST_S = 60.0  # from the first byte to the last; forges give up after ten seconds
HELD_BYTES_MOST = 128 * 1024 * 1024  # of bodies on their way: who signs is known only once they are there


class Refused(TrackerError):
    """Why a request is turned away, and with which status."""

    def __init__(
        self, result: EventResult, status: HTTPStatus, rule: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(rule)
        self.result = result
        self.status = status
        self.headers = dict(headers or {})


class Bodies:
    """Those that are being read at one door."""

    def __init__(self, bytes_most: int) -> None:
        """`bytes_most`: of one body."""
        self._bytes_most = bytes_most
        self._held = 0

    async def read(self, request: Request) -> bytes:
        """The body; no more than is allowed is ever held. Raises `Refused`."""
        self._check_head(request.headers)
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_MOST_S):
                async for piece in request.stream():
                    body += piece
                    self._held += len(piece)
                    self._check_room(len(body))
        except TimeoutError:
            rule = f"the body has not ended after {BODY_MOST_S:g} seconds"
            close = {"Connection": "close"}
            raise Refused(EventResult.MALFORMED, HTTPStatus.REQUEST_TIMEOUT, rule, close) from None
        except ClientDisconnect:
            rule = "the connection ended before the body did"
            raise Refused(EventResult.MALFORMED, HTTPStatus.BAD_REQUEST, rule) from None
        finally:
            self._held -= len(body)
        return bytes(body)

    def _check_head(self, headers: Mapping[str, str]) -> None:
        coding = headers.get("content-encoding", "identity")
        if coding.strip().lower() not in ("identity", ""):
            rule = f"the body is compressed ({coding[:40]}): events are taken as they are"
            raise Refused(EventResult.MALFORMED, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, rule)
        declared = headers.get("content-length", "0")
        if not (declared.isascii() and declared.isdigit()) or int(declared[:20]) > self._bytes_most:
            raise self._too_large()

    def _check_room(self, size: int) -> None:
        if size > self._bytes_most:
            raise self._too_large()
        if self._held > HELD_BYTES_MOST:
            rule = "too many large events are coming in at once: send this one again"
            status = HTTPStatus.SERVICE_UNAVAILABLE
            raise Refused(EventResult.NOT_STORED, status, rule, {"Retry-After": "1", "Connection": "close"})

    def _too_large(self) -> Refused:
        rule = f"an event has at most {self._bytes_most} bytes"
        return Refused(EventResult.TOO_LARGE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, rule)
