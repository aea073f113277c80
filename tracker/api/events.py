"""The door for push events: who may send, how much, what it means; stores it before it says yes."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from http import HTTPStatus

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from graph.errors import StoreError, TrackerError
from tracker.api.auth import UNIX
from tracker.events.allowance import Allowance
from tracker.events.azure import validation_code
from tracker.events.body import parse
from tracker.events.kind import EVENT_HEADERS, Kind
from tracker.events.push import BadEvent
from tracker.events.reading import read_pushes
from tracker.events.sender import Sender, is_proven_before_body, is_proven_by_signature
from tracker.inbox import Slot
from tracker.metrics import EventResult, Metrics

EVENT_BYTES_MOST = 4 * 1024 * 1024
SAID_EVERY_S = 60.0  # the log has one line in that time for each sender and reason

log = structlog.get_logger()


class Refused(TrackerError):
    """Why a request is turned away, and with which status."""

    def __init__(
        self, result: EventResult, status: HTTPStatus, rule: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(rule)
        self.result = result
        self.status = status
        self.headers = dict(headers or {})


class EventDoor:
    """Answers `/events/NAME` and `/events/NAME/TOKEN` for the senders of the settings."""

    def __init__(
        self,
        senders: Mapping[str, Sender],
        slot: Slot,
        metrics: Metrics,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._senders = senders
        self._slot = slot
        self._metrics = metrics
        self._now = now
        self._monotonic = monotonic
        self._allowances = {name: Allowance(sender.per_minute) for name, sender in senders.items()}
        self._said_at_s: dict[tuple[str, EventResult], float] = {}
        for name in senders:
            metrics.expect_events_of(name)

    async def post(self, request: Request) -> Response:
        """One body: 202 once it is stored, or does not tell of a push."""
        return await self._answer(request, self._take)

    async def options(self, request: Request) -> Response:
        """The handshake of CloudEvents: a sender asks whether it may send here."""
        return await self._answer(request, self._allow)

    async def _answer(
        self, request: Request, answer: Callable[[Sender, Request], Awaitable[Response]]
    ) -> Response:
        name = request.path_params["name"]
        sender = self._senders.get(name)
        if sender is None:
            return _unknown(name)
        try:
            return await answer(sender, request)
        except Refused as refused:
            return self._refuse(sender, refused)

    async def _allow(self, sender: Sender, request: Request) -> Response:
        origin = request.headers.get("webhook-request-origin")
        if origin is None or _is_proven(sender, request) is not True:
            raise _unproven(sender)
        allowed = {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": str(sender.per_minute)}
        return Response(headers={"Allow": "POST, OPTIONS", **allowed})

    async def _take(self, sender: Sender, request: Request) -> Response:
        body = await _proven_body(sender, request)
        self._admit(sender)
        headers = {name: value for name, value in request.headers.items() if name in EVENT_HEADERS}
        try:
            if sender.kind is Kind.EVENTGRID and (code := validation_code(parse(body))):
                return JSONResponse({"validationResponse": code})  # Event Grid takes 200 only for this
            pushes = read_pushes(sender, body, headers)
        except BadEvent as error:
            raise Refused(EventResult.MALFORMED, HTTPStatus.BAD_REQUEST, error.message) from None
        if pushes:
            await self._store(sender, body, headers)
        else:
            self._metrics.events.labels(sender.name, EventResult.IRRELEVANT).inc()
        return JSONResponse({"pushes": len(pushes)}, HTTPStatus.ACCEPTED)

    def _admit(self, sender: Sender) -> None:
        wait_s = self._allowances[sender.name].take(self._monotonic())
        if wait_s > 0:
            rule = f"{sender.name} may send {sender.per_minute} events a minute"
            after = {"Retry-After": str(math.ceil(wait_s))}
            raise Refused(EventResult.RATE_LIMITED, HTTPStatus.TOO_MANY_REQUESTS, rule, after)

    async def _store(self, sender: Sender, body: bytes, headers: Mapping[str, str]) -> None:
        try:
            await self._slot.put(sender.name, body, self._now(), headers)
        except StoreError as error:  # not stored, so not taken: the sender tries again
            status = HTTPStatus.SERVICE_UNAVAILABLE
            raise Refused(EventResult.NOT_STORED, status, error.message) from error

    def _refuse(self, sender: Sender, refused: Refused) -> Response:
        self._metrics.events.labels(sender.name, refused.result).inc()
        key, now_s = (sender.name, refused.result), self._monotonic()
        if now_s - self._said_at_s.get(key, -math.inf) >= SAID_EVERY_S:
            self._said_at_s[key] = now_s
            log.warning("event turned away", source=sender.name, result=refused.result, why=refused.message)
        return JSONResponse({"error": refused.message}, refused.status, refused.headers)


async def _proven_body(sender: Sender, request: Request) -> bytes:
    """The body of who is known to be the sender; who has to sign nothing is turned away before it is read."""
    proven = _is_proven(sender, request)
    if proven is False:
        raise _unproven(sender)
    body = await _read(request)
    if proven is None and not is_proven_by_signature(sender, request.headers, body):
        raise _unproven(sender)
    return body


def _unproven(sender: Sender) -> Refused:
    proof = sender.proof("the address that 'tracker config events' shows")
    rule = f"not proven to be {sender.name}: expected {proof}"
    return Refused(EventResult.REFUSED, HTTPStatus.UNAUTHORIZED, rule)


def _is_proven(sender: Sender, request: Request) -> bool | None:
    """Whether the sender is who it says; None: its signature says it, once the body is there."""
    if sender.secrets:
        return is_proven_before_body(sender, request.headers, request.path_params.get("token", ""))
    return request.client is not None and _is_of_this_machine(request.client.host)


def _is_of_this_machine(host: str) -> bool:
    if host == UNIX:
        return True
    try:
        address = ipaddress.ip_address(host.removeprefix("::ffff:"))  # IPv4 at a socket of IPv6
    except ValueError:  # a proxy may hand on any word as the address of whom it speaks for
        return False
    return address.is_loopback


def _unknown(name: str) -> Response:
    rule = f"there is no sender {name[:40]!r} in the settings"
    return JSONResponse(
        {"error": rule, "hint": "add a section [events.NAME] and restart"}, HTTPStatus.NOT_FOUND
    )


async def _read(request: Request) -> bytes:
    """The body; no more than is allowed is ever held. Raises `Refused`."""
    too_large = Refused(
        EventResult.TOO_LARGE,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"an event has at most {EVENT_BYTES_MOST} bytes",
    )
    declared = request.headers.get("content-length", "0")
    if not (declared.isascii() and declared.isdigit()) or int(declared[:20]) > EVENT_BYTES_MOST:
        raise too_large
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > EVENT_BYTES_MOST:
                raise too_large
    except ClientDisconnect:
        rule = "the connection ended before the body did"
        raise Refused(EventResult.MALFORMED, HTTPStatus.BAD_REQUEST, rule) from None
    return bytes(body)
