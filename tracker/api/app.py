"""The HTTP routes: events in, metrics and health out. Stores what arrives and leaves the rest to others."""

from __future__ import annotations

import hmac
import ipaddress
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from graph.database import immediate
from graph.errors import StoreBusy, StoreError, TrackerError
from rebuild.secret import Secret
from tracker import __version__
from tracker.api.auth import UNIX
from tracker.api.v1.app import PREFIX, build_api
from tracker.api.v1.desk import Desk
from tracker.events.distribution import read_envelope
from tracker.events.push import BadEvent
from tracker.inbox import Inbox
from tracker.metrics import EventResult, Metrics
from tracker.pulse import Stuck

EVENT_BYTES_MOST = 4 * 1024 * 1024


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
    secrets: Mapping[str, Secret | None]  # by event source; None: only from this machine
    registry_names: Mapping[str, str | None]  # by event source; None: as the sender calls itself
    arrived: Callable[[], None]
    health: Callable[[], Mapping[str, Any]]  # raises when something is wrong
    phase: Callable[[], Phase]
    scrape: Callable[[], Awaitable[bytes]]
    now: Callable[[], datetime]


def build_app(parts: Parts, desk: Desk | None = None) -> FastAPI:
    """The application; its API, where there is a desk for it, describes itself at /api/v1/openapi.json."""
    app = FastAPI(title="tracker", version=__version__)
    if desk is not None:
        app.mount(PREFIX, build_api(desk))

    @app.post("/events/distribution", status_code=202, summary="Notifications of the distribution registry")
    async def distribution(request: Request) -> Response:
        return await _receive("distribution", request, parts)

    @app.get("/metrics", summary="Prometheus metrics")
    async def metrics() -> Response:
        try:
            text = await parts.scrape()
        except (TrackerError, sqlite3.Error) as error:
            return PlainTextResponse(f"the database cannot be read: {error}\n", 503)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/healthz", summary="Whether every part of the service moves and its database answers")
    async def healthz() -> Response:
        return _health(parts)

    @app.get(
        "/readyz", summary="Whether the service takes work: it is healthy, and neither starting nor stopping"
    )
    async def readyz() -> Response:
        phase = parts.phase()
        if phase is not Phase.READY:
            return JSONResponse({"status": phase}, 503)
        return _health(parts, status=Phase.READY)

    return app


def _health(parts: Parts, status: str = "ok") -> Response:
    """What is wrong, if anything; restarting the service is the cure."""
    try:
        return JSONResponse({"status": status, **parts.health()})
    except Stuck as stuck:
        return JSONResponse({"status": "failed", "error": stuck.message, "hint": stuck.hint}, 503)
    except (StoreError, sqlite3.Error) as error:
        return JSONResponse({"status": "failed", "error": f"the database cannot be read: {error}"}, 503)


async def _receive(source: str, request: Request, parts: Parts) -> Response:
    """Check who sends, read within bounds, understand, store, and only then say yes."""
    refusal = _refusal(source, request, parts.secrets.get(source))
    if refusal is not None:
        return _refuse(source, EventResult.REFUSED, 401, refusal, parts)
    body = await _read(request)
    if body is None:
        rule = f"an event has at most {EVENT_BYTES_MOST} bytes"
        return _refuse(source, EventResult.TOO_LARGE, 413, rule, parts)
    try:
        pushes = read_envelope(body, registry=parts.registry_names.get(source))
    except BadEvent as error:
        return _refuse(source, EventResult.MALFORMED, 400, error.message, parts)
    if not pushes:
        parts.metrics.events.labels(source, EventResult.IRRELEVANT).inc()
        return JSONResponse({"pushes": 0}, 202)
    try:
        with immediate(parts.connection):
            Inbox(parts.connection).put(source, body, parts.now())
    except StoreBusy as error:  # not stored, so not taken: the sender tries again
        return _refuse(source, EventResult.NOT_STORED, 503, error.message, parts)
    parts.arrived()
    return JSONResponse({"pushes": len(pushes)}, 202)


def _refusal(source: str, request: Request, secret: Secret | None) -> str | None:
    """Why the sender may not; None if it may."""
    if secret is None:
        if request.client is not None and _is_of_this_machine(request.client.host):
            return None
        return f"no secret is set for {source}: events are taken from this machine only"
    given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
    if hmac.compare_digest(given, secret.reveal().encode()):
        return None
    return f"the Authorization header does not hold the secret of {source}"


def _is_of_this_machine(host: str) -> bool:
    return host == UNIX or ipaddress.ip_address(host).is_loopback


async def _read(request: Request) -> bytes | None:
    """The body, or None where it is larger than allowed; no more than that is ever held."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdigit() or int(declared) > EVENT_BYTES_MOST:
        return None
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > EVENT_BYTES_MOST:
            return None
    return bytes(body)


def _refuse(source: str, result: EventResult, status: int, why: str, parts: Parts) -> Response:
    parts.metrics.events.labels(source, result).inc()
    return JSONResponse({"error": why}, status)
