"""The HTTP routes: events in, metrics and health out, and the API. What each does is elsewhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from graph.errors import StoreError, TrackerError
from graph.record import dataclass
from tracker import __version__
from tracker.api.description import describe_with
from tracker.api.events import EventDoor
from tracker.api.hooks import HookDoor
from tracker.api.straight import Plain, StraightTo
from tracker.api.v1.app import PREFIX, build_api
from tracker.api.v1.desk import Desk
from tracker.events.sender import Sender
from tracker.hooks.sender import HookSender
from tracker.metrics import Metrics
from tracker.pulse import Stuck, unheard
from tracker.watching.inbox import Box, Slot


class Phase(StrEnum):
    """How far the service has come."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with."""

    connection: sqlite3.Connection
    metrics: Metrics
    senders: Mapping[str, Sender]
    arrived: Callable[[], None]
    health: Callable[[], Mapping[str, Any]]  # raises when something is wrong
    phase: Callable[[], Phase]
    scrape: Callable[[], Awaitable[bytes]]
    now: Callable[[], datetime]
    hook_senders: Mapping[str, HookSender] = field(default_factory=dict)
    hook_arrived: Callable[[], None] = unheard


def build_app(parts: Parts, desk: Desk | None = None) -> ASGIApp:
    """All routes, with the API where there is a desk for it; letters go straight to their doors.

    On FastAPI's own way an event would cost half as much again.
    """
    letters = [*_event_routes(parts), *_hook_routes(parts)]
    app = _application(parts, desk)
    app.router.routes.extend(letters)
    return StraightTo(app, routes=letters)


def _application(parts: Parts, desk: Desk | None) -> FastAPI:
    """/openapi.json describes all its routes."""
    app = FastAPI(title="tracker", version=__version__)
    if desk is not None:
        api = build_api(desk)
        app.mount(PREFIX, api)
        describe_with(app, api, PREFIX)

    @app.head("/metrics", include_in_schema=False)
    @app.get("/metrics", summary="Prometheus metrics")
    async def metrics() -> Response:
        try:
            text = await parts.scrape()
        except (TrackerError, sqlite3.Error) as error:
            return PlainTextResponse(f"the database cannot be read: {error}\n", 503)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz", summary="Whether every part of the service moves and its database answers")
    async def healthz() -> Response:
        return _health(parts)

    @app.head("/readyz", include_in_schema=False)
    @app.get(
        "/readyz", summary="Whether the service takes work: it is healthy, and neither starting nor stopping"
    )
    async def readyz() -> Response:
        phase = parts.phase()
        if phase is not Phase.READY:
            return JSONResponse({"status": phase}, 503)
        return _health(parts, status=Phase.READY)

    return app


def _event_routes(parts: Parts) -> Iterator[Route]:
    slot = Slot(parts.connection, parts.arrived)
    door = EventDoor(parts.senders, slot, parts.metrics, now=parts.now)
    for path in _with_slash("/events/{name}", "/events/{name}/{token}"):
        yield Route(path, Plain(door.post), methods=["POST"], include_in_schema=False)
        yield Route(path, Plain(door.options), methods=["OPTIONS"], include_in_schema=False)


def _hook_routes(parts: Parts) -> Iterator[Route]:
    slot = Slot(parts.connection, parts.hook_arrived, Box.HOOKS)
    door = HookDoor(parts.hook_senders, slot, parts.metrics, now=parts.now)
    for path in _with_slash("/hooks/{name}"):
        yield Route(path, Plain(door.post), methods=["POST"], include_in_schema=False)


def _with_slash(*paths: str) -> Iterator[str]:
    """Those who send letters do not follow the redirection that a slash at the end would lead to."""
    return (path + end for path in paths for end in ("", "/"))


def _health(parts: Parts, status: str = "ok") -> Response:
    """What is wrong, if anything; restarting the service is the cure."""
    try:
        return JSONResponse({"status": status, **parts.health()})
    except Stuck as stuck:
        return JSONResponse({"status": "failed", "error": stuck.message, "hint": stuck.hint}, 503)
    except (StoreError, sqlite3.Error) as error:
        return JSONResponse({"status": "failed", "error": f"the database cannot be read: {error}"}, 503)
