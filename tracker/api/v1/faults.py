"""Every error of the API as `{"error", "hint"}` with a fitting status. Shows nothing of what was sent."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from graph.errors import StoreBusy, TrackerError, WrongUse
from graph.names import UnknownImage
from rebuild.runs.uploads import UnknownUpload, UploadRefused, UploadsFull, UploadTooLarge
from rebuild.secrets.api_token import UnknownToken
from rebuild.secrets.credentials import UnknownCredential
from rebuild.tasks.task import UnknownTask
from tracker.api.auth import Forbidden
from tracker.forges.fault import ForgeError
from tracker.tasks.saving import ChangedMeanwhile


class NotFound(TrackerError):
    """What the path names is not there."""


class Conflict(TrackerError):
    """It is there, and not in a state in which that can be done."""


class BeyondTheEnd(TrackerError):
    """There is less of it than that."""


class Busy(TrackerError):
    """Too many ask for the same at once."""


class Fault(BaseModel):
    """What every error looks like."""

    error: str
    hint: str | None = None


_STATUS: Mapping[type[TrackerError], int] = {
    Forbidden: 403,
    NotFound: 404,
    UnknownImage: 404,
    UnknownTask: 404,
    Conflict: 409,
    ChangedMeanwhile: 409,
    UnknownToken: 404,
    UnknownCredential: 404,
    BeyondTheEnd: 416,
    Busy: 429,
    UploadTooLarge: 413,
    UnknownUpload: 422,
    UploadsFull: 507,
    UploadRefused: 400,
    WrongUse: 400,
    ForgeError: 502,
    StoreBusy: 503,
}  # the first that fits counts

FAULTS: dict[int | str, dict[str, object]] = {
    status: {"model": Fault, "description": meaning}
    for status, meaning in {
        400: "What was asked for breaks a rule",
        401: "No token, or none that counts",
        403: "The token lacks the scope",
        422: "A field of the request is not valid",
    }.items()
}
CONFLICT: dict[int | str, dict[str, object]] = {
    409: {"model": Fault, "description": "It is not in a state in which that can be done"}
}
FORGE: dict[int | str, dict[str, object]] = {
    502: {"model": Fault, "description": "The forge of the task's repository did not do what it was asked"}
}
NOT_FOUND: dict[int | str, dict[str, object]] = {404: {"model": Fault, "description": "There is none"}}


@contextlib.contextmanager
def told_as(kind: type[TrackerError]) -> Iterator[None]:
    """Have what fails for a reason without a name of its own answered with the status of that kind."""
    try:
        yield
    except TrackerError as error:
        if type(error) is not TrackerError:
            raise
        raise kind(error.message, hint=error.hint) from None


def handle_faults(app: FastAPI) -> None:
    """Have this application answer with them."""
    app.add_exception_handler(TrackerError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _defect)


def status_of(error: TrackerError) -> int:
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TrackerError)
    answer = _answer(status_of(error), error.message, error.hint)
    if isinstance(error, UploadRefused):  # nobody reads what is still to come
        answer.headers["Connection"] = "close"
    return answer


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Each field with its rule; never the value, which may be a secret."""
    assert isinstance(error, RequestValidationError)
    faults = [_told(fault) for fault in error.errors()[:20]]
    return _answer(422, "; ".join(faults), "GET /api/v1/openapi.json describes every field")


def _told(fault: Mapping[str, Any]) -> str:
    if fault["type"] == "json_invalid":
        return f"the body is no JSON, from character {fault['loc'][-1]} on"
    return f"{_path(fault['loc'])}: {fault['msg']}"


def _path(location: tuple[int | str, ...]) -> str:
    parts = [str(part) for part in location if part not in ("body", "query", "path", "header")]
    # A key of the body is a part as well, and may be what no answer can hold.
    return ".".join(parts).encode(errors="replace").decode() or str(location[0])


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    answer = _answer(error.status_code, str(error.detail), None)
    answer.headers.update(error.headers or {})
    return answer


async def _defect(request: Request, error: Exception) -> JSONResponse:
    """The server below writes it into the log."""
    return _answer(500, "a defect of tracker: its log has more", None)


def _answer(status: int, error: str, hint: str | None) -> JSONResponse:
    return JSONResponse({"error": error, "hint": hint}, status)
