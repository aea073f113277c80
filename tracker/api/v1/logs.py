"""Routes of logs: a file in ranges, and the same while it grows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response, StreamingResponse

from graph.errors import WrongUse
from rebuild.runs.logs import log_path
from tracker.api.auth import Reader
from tracker.api.v1.byte_range import file_answer
from tracker.api.v1.desk import Desk
from tracker.api.v1.faults import FAULTS, NOT_FOUND, BeyondTheEnd, Conflict, Fault, NotFound
from tracker.api.v1.log_stream import Standing, log_events
from tracker.api.v1.runs import find_run, whole_run
from tracker.views.runs import RunRow

# What a build prints is anybody's text: a browser shall not take it for a page.
_PLAIN = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_STREAM_CONTENT = {"text/event-stream": {"schema": {"type": "string"}}}
_LOG_CONTENT = {"text/plain": {"schema": {"type": "string"}}}
_RANGES: dict[int | str, dict[str, object]] = {
    200: {"content": _LOG_CONTENT},
    206: {"content": _LOG_CONTENT},
    409: {"model": Fault, "description": "The run has not begun"},
    416: {"description": "The log ends before that range"},
}
_BEYOND: dict[int | str, dict[str, object]] = {416: {"model": Fault, "description": "The log has less"}}
_ABOUT_STREAM = """\
Events: `log` (a JSON string) and `log64` (base64, where a piece is no UTF-8), whose id is the number of bytes
up to their end; `status` while the run waits and works; `end` with the run as its data. To go on after an
interruption, send Last-Event-ID, or `offset`.
"""


def log_routes(desk: Desk) -> APIRouter:
    """`/runs/{run_id}/log`."""
    router = APIRouter(prefix="/runs/{run_id}/log", tags=["logs"])

    @router.get(
        "",
        summary="The log as it is now, whole or in ranges of bytes",
        response_class=Response,
        responses=FAULTS | NOT_FOUND | _RANGES,
    )
    async def log(
        run_id: str, caller: Reader, wanted: Annotated[str | None, Header(alias="Range")] = None
    ) -> Response:
        run = find_run(desk.connection, run_id)
        path = log_path(desk.state.logs, run.run_id)
        if not path.is_file():
            raise _no_log(run)
        return file_answer(path, wanted, media_type="text/plain; charset=utf-8", headers=_PLAIN)

    @router.get(
        "/stream",
        summary="The log while it grows, as server-sent events",
        description=_ABOUT_STREAM,
        response_class=StreamingResponse,
        responses=FAULTS | NOT_FOUND | _BEYOND | {200: {"content": _STREAM_CONTENT}},
    )
    async def stream(
        run_id: str,
        caller: Reader,
        offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> StreamingResponse:
        run = find_run(desk.connection, run_id)
        path = log_path(desk.state.logs, run.run_id)
        if run.status.finished and not path.is_file():
            raise _no_log(run)
        start = _offset(last_event_id) if last_event_id is not None else offset
        _refuse_beyond(start, path)
        events = log_events(path, start, lambda: _standing(run.run_id, desk), desk.is_stopping)
        return StreamingResponse(events, media_type="text/event-stream", headers=_PLAIN)

    return router


def _refuse_beyond(offset: int, path: Path) -> None:
    """A log never shrinks: whoever has more of it has another one, and would miss what is written next."""
    size = path.stat().st_size if path.is_file() else 0
    if offset > size:
        raise BeyondTheEnd(f"the log has {size} bytes, and not {offset}", hint="read it from the start")


def _offset(last_event_id: str) -> int:
    if not last_event_id.isascii() or not last_event_id.isdigit() or len(last_event_id) > 16:
        raise WrongUse(
            f"Last-Event-ID: {last_event_id[:40]!r} is no number of bytes", hint="send the id of an event"
        )
    return int(last_event_id)


def _standing(run_id: str, desk: Desk) -> Standing:
    run = find_run(desk.connection, run_id)
    told = whole_run(run, desk).model_dump() if run.status.finished else {}
    return Standing(run.status, run.status.finished, told)


def _no_log(run: RunRow) -> Conflict | NotFound:
    if not run.status.finished:
        return Conflict(
            f"run {run.run_id} has no log yet: it is {run.status}", hint="its /log/stream waits for it"
        )
    if run.started_at is None:
        return NotFound(f"run {run.run_id} has no log: it was {run.status} before it started")
    return NotFound(
        f"the log of run {run.run_id} is gone", hint="logs are deleted after the time in rebuild.keep_logs"
    )
