"""A growing log as server-sent events: each has for its id the offset behind it. Knows no route.

Text goes as a JSON string, and what is no UTF-8 in base64, so that the reader gets every byte back.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, BinaryIO

from graph.record import dataclass

PIECE_BYTES = 64 * 1024
PAUSE_S = 0.1
ASK_EVERY_S = 0.5  # how the run stands; only where the log is silent
HEARTBEAT_S = 15.0
_HEARTBEAT = b": still here\n\n"
_CHARACTER_BYTES_MOST = 4


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run stands at this moment."""

    status: str
    is_finished: bool
    told: dict[str, Any]  # what the last event carries


async def log_events(
    path: Path,
    offset: int,
    standing: Callable[[], Standing],
    is_stopping: Callable[[], bool],
    *,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[bytes]:
    """The log from that byte on, changes of the status between, and the outcome at the end.

    Ends early where the service stops: the reader comes back to it with the last id.
    """
    status, spoke_at = "", clock()
    while not is_stopping():
        # Asked before the log is read: the last line is written when the run has its outcome.
        now = standing()
        if now.status != status and not now.is_finished:
            status = now.status
            yield _event("status", json.dumps({"status": status}))
        async for piece, behind in _read(path, offset, to_the_end=now.is_finished):
            offset, spoke_at = behind, clock()
            yield _log_event(piece, offset)
        if now.is_finished:
            yield _event("end", json.dumps(now.told), offset)
            return
        if clock() - spoke_at >= HEARTBEAT_S:
            spoke_at = clock()
            yield _HEARTBEAT
        await _until_more(path, offset, pause)


async def _until_more(path: Path, offset: int, pause: Callable[[float], Awaitable[None]]) -> None:
    """Until the log has grown, or it is time to ask how the run stands."""
    for _ in range(round(ASK_EVERY_S / PAUSE_S)):
        await pause(PAUSE_S)
        if _size(path) > offset:
            return


async def _read(path: Path, offset: int, *, to_the_end: bool) -> AsyncIterator[tuple[bytes, int]]:
    """Pieces with the offset behind each. A character that is not whole yet is left for later."""
    if _size(path) <= offset:
        return
    file = await asyncio.to_thread(path.open, "rb")
    try:
        file.seek(offset)
        while piece := await asyncio.to_thread(_piece, file, to_the_end):
            offset += len(piece)
            file.seek(offset)
            yield piece, offset
    finally:
        file.close()


def _piece(file: BinaryIO, to_the_end: bool) -> bytes:
    piece = file.read(PIECE_BYTES)
    at_end = len(piece) < PIECE_BYTES
    return piece if at_end and to_the_end else piece[: _whole_characters(piece)]


def _whole_characters(piece: bytes) -> int:
    """How many bytes of it end with a whole character; all, where its end is no UTF-8 at all."""
    for back in range(1, min(_CHARACTER_BYTES_MOST, len(piece) + 1)):
        byte = piece[-back]
        if byte & 0b1100_0000 == 0b1000_0000:
            continue
        wanted = 2 if byte >> 5 == 0b110 else 3 if byte >> 4 == 0b1110 else 4 if byte >> 3 == 0b11110 else 1
        return len(piece) - back if wanted > back else len(piece)
    return len(piece)


def _log_event(piece: bytes, behind: int) -> bytes:
    try:
        return _event("log", json.dumps(piece.decode(), ensure_ascii=False), behind)
    except UnicodeDecodeError:
        return _event("log64", base64.b64encode(piece).decode(), behind)


def _event(kind: str, content: str, offset: int | None = None) -> bytes:
    head = f"id: {offset}\n" if offset is not None else ""
    return f"{head}event: {kind}\ndata: {content}\n\n".encode()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
