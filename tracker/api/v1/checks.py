"""The route that has registries asked now. Answers line by line, for it may take long."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from graph.errors import TrackerError
from graph.observing import Watched
from graph.store import GraphStore
from tracker.api.auth import Runner
from tracker.api.v1.asked import Text
from tracker.api.v1.desk import Desk
from tracker.api.v1.faults import FAULTS, Busy, Fault
from tracker.watching.checking import Checked, chosen, meant, row_of

AT_ONCE_MOST = 4
MEDIA_TYPE = "application/x-ndjson"
HEARTBEAT_S = 15.0
LOOK_EVERY_S = 0.5  # whether the service stops
_ABOUT = """\
Each line is a JSON object: for each reference `{"reference", "result", "from", "to", "error"}`, and the same
for `NAME:*` where the tags of a repository were asked for; at the end `{"asked": NUMBER}`;
`{"error", "hint"}` where it has to end before that. Empty lines mean nothing.
"""
_TOO_MANY: dict[int | str, dict[str, object]] = {429: {"model": Fault, "description": "Others ask already"}}


class CheckAsked(BaseModel):
    """Which of the watched references to ask about; none: all of them."""

    model_config = ConfigDict(extra="forbid")

    references: Annotated[list[Text], Field(max_length=10_000)] = []


class CheckedReference(BaseModel):
    """What a registry said; `from` is what was known before, `to` is there where it moved."""

    reference: str
    result: str
    from_: Annotated[str | None, Field(alias="from")]
    to: str | None
    error: str | None


_ROWS: dict[int | str, dict[str, object]] = {
    200: {"content": {MEDIA_TYPE: {"schema": CheckedReference.model_json_schema()}}}
}


def check_routes(desk: Desk) -> APIRouter:
    """`/checks`."""
    router = APIRouter(tags=["images"])
    going = set[object]()

    @router.post(
        "/checks",
        summary="Have the registries asked now",
        description=_ABOUT,
        response_class=StreamingResponse,
        responses=FAULTS | _TOO_MANY | _ROWS,
    )
    async def check(asked: CheckAsked, caller: Runner) -> StreamingResponse:
        store = GraphStore(desk.connection)
        watched = chosen(store, meant(store, asked.references, registry=desk.usual.registry))
        if len(going) >= AT_ONCE_MOST:
            raise Busy(f"{AT_ONCE_MOST} checks are going on already", hint="wait until one has ended")
        return StreamingResponse(_counted(_lines(watched, desk), going), media_type=MEDIA_TYPE)

    return router


async def _counted(lines: AsyncIterator[bytes], going: set[object]) -> AsyncIterator[bytes]:
    mark = object()
    going.add(mark)
    try:
        async for line in lines:
            yield line
    finally:
        going.remove(mark)


async def _lines(watched: Sequence[Watched], desk: Desk) -> AsyncIterator[bytes]:
    silent_s, asked = 0.0, 0
    async with contextlib.aclosing(desk.ask_now(watched)) as batches, _Waiting(batches) as waiting:
        try:
            while not desk.is_stopping():
                batch = await waiting.next(LOOK_EVERY_S)
                if batch is None:
                    break
                for answer in batch:
                    yield _line(row_of(answer))
                asked += len(batch)
                silent_s = 0.0 if batch else silent_s + LOOK_EVERY_S
                if silent_s >= HEARTBEAT_S:
                    silent_s = 0.0
                    yield b"\n"
            else:
                yield _line({"error": "the service stops", "hint": "ask again when it is back"})
                return
        except TrackerError as error:
            yield _line({"error": error.message, "hint": error.hint})
            return
    yield _line({"asked": asked})


class _Waiting:
    """Takes from a generator with a time limit, without losing what it was about to give."""

    def __init__(self, batches: AsyncGenerator[list[Checked], None]) -> None:
        self._batches = batches
        self._next: asyncio.Future[list[Checked]] | None = None

    async def __aenter__(self) -> _Waiting:
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._next is not None and not self._next.done():
            self._next.cancel()
            await asyncio.wait({self._next})

    async def next(self, timeout_s: float) -> list[Checked] | None:
        """A batch, an empty one where none came in time, None at the end."""
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._batches))
        if not (await asyncio.wait({self._next}, timeout=timeout_s))[0]:
            return []
        coming, self._next = self._next, None
        try:
            return coming.result()
        except StopAsyncIteration:
            return None


def _line(told: object) -> bytes:
    return json.dumps(told).encode() + b"\n"
