"""One range of bytes out of a file that may grow while it is sent. Knows no run."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi.responses import Response, StreamingResponse

from graph.record import dataclass

PIECE_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=(?:(?P<first>\d{1,40})-(?P<last>\d{0,40})|-(?P<tail>\d{1,40}))", re.ASCII)


class Unsatisfiable(Exception):
    """The file has no byte in that range."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `first` up to and without `end`, of `size`."""

    first: int
    end: int
    size: int
    is_part: bool


def read_range(header: str | None, size: int) -> Span:
    """What of a file of that size is asked for; several ranges, and what is none, mean all of it.

    Raises `Unsatisfiable`.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None:
        return Span(0, size, size, False)
    if found["tail"] is not None:
        first, end = max(0, size - int(found["tail"])), size
    else:
        first, end = int(found["first"]), min(size, int(found["last"]) + 1 if found["last"] else size)
    if first >= end:
        raise Unsatisfiable
    return Span(first, end, size, True)


def file_answer(path: Path, header: str | None, *, media_type: str, headers: dict[str, str]) -> Response:
    """200, 206 or 416. What is appended later is not sent: the length has been said by then."""
    size = path.stat().st_size
    common = {**headers, "Accept-Ranges": "bytes"}
    try:
        span = read_range(header, size)
    except Unsatisfiable:
        return Response(status_code=416, headers={**common, "Content-Range": f"bytes */{size}"})
    common["Content-Length"] = str(span.end - span.first)
    if span.is_part:
        common["Content-Range"] = f"bytes {span.first}-{span.end - 1}/{size}"
    status = 206 if span.is_part else 200
    return StreamingResponse(_pieces(path, span), status, common, media_type)


async def _pieces(path: Path, span: Span) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        file.seek(span.first)
        left = span.end - span.first
        while left and (piece := await asyncio.to_thread(file.read, min(left, PIECE_BYTES))):
            left -= len(piece)
            yield piece
    finally:
        file.close()
