"""What every door for letters does: turns away, counts, stores before it says yes. Knows no format."""

from __future__ import annotations

import ipaddress
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Generic, Protocol, TypeVar

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from graph.errors import StoreError
from tracker.api.auth import UNIX
from tracker.api.letter_body import Bodies, Refused
from tracker.events.allowance import Allowance
from tracker.metrics import EventResult, Metrics
from tracker.watching.inbox import Slot

SAID_EVERY_S = 60.0  # the log has one line in that time for each sender and reason

log = structlog.get_logger()


class Caller(Protocol):
    """Who may send letters: a section of the settings."""

    @property
    def name(self) -> str: ...

    @property
    def per_minute(self) -> int: ...


AnyCaller = TypeVar("AnyCaller", bound=Caller)


class LetterDoor(ABC, Generic[AnyCaller]):
    """Answers for the senders of one kind of section. What a body means is for those made after it."""

    section = "events"  # of the settings, and the first part of the path
    bytes_most: int  # of one body

    def __init__(
        self,
        senders: Mapping[str, AnyCaller],
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
        self._bodies = Bodies(self.bytes_most)
        self._allowances = {name: Allowance(sender.per_minute) for name, sender in senders.items()}
        self._said_at_s: dict[tuple[str, EventResult], float] = {}
        for name in senders:
            metrics.expect_events_of(self._label(name))

    async def _answer(
        self, request: Request, answer: Callable[[AnyCaller, Request], Awaitable[Response]]
    ) -> Response:
        name = request.path_params["name"]
        sender = self._senders.get(name)
        if sender is None:
            return self._unknown(name)
        try:
            return await answer(sender, request)
        except Refused as refused:
            return self._refuse(sender, refused)

    async def _proven_body(self, sender: AnyCaller, request: Request) -> bytes:
        """The body of who is known to be the sender; others are turned away before it where that is clear."""
        proven = self._is_proven(sender, request)
        if proven is False:
            raise self._unproven(sender)
        body = await self._bodies.read(request)
        if proven is None and not self._is_signed(sender, request.headers, body):
            raise self._unproven(sender)
        return body

    @abstractmethod
    def _is_proven(self, sender: AnyCaller, request: Request) -> bool | None:
        """Whether the sender is who it says; None: its signature says it, once the body is there."""

    @abstractmethod
    def _is_signed(self, sender: AnyCaller, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the signature of the body is right."""

    @abstractmethod
    def _proof_of(self, sender: AnyCaller) -> str:
        """What the sender has to show, for people."""

    def _unproven(self, sender: AnyCaller) -> Refused:
        rule = f"not proven to be {sender.name}: expected {self._proof_of(sender)}"
        asked_for = {"WWW-Authenticate": 'Basic realm="tracker"'}  # SNS shows its password only when asked
        return Refused(EventResult.REFUSED, HTTPStatus.UNAUTHORIZED, rule, asked_for)

    def _admit(self, sender: AnyCaller) -> None:
        wait_s = self._allowances[sender.name].take(self._monotonic())
        if wait_s > 0:
            rule = f"{sender.name} may send {sender.per_minute} events a minute"
            after = {"Retry-After": str(math.ceil(wait_s))}
            raise Refused(EventResult.RATE_LIMITED, HTTPStatus.TOO_MANY_REQUESTS, rule, after)

    async def _store(self, sender: AnyCaller, body: bytes, headers: Mapping[str, str]) -> None:
        try:
            await self._slot.put(sender.name, body, self._now(), headers)
        except StoreError as error:  # not stored, so not taken: the sender tries again
            status = HTTPStatus.SERVICE_UNAVAILABLE
            raise Refused(EventResult.NOT_STORED, status, error.message) from error

    def _refuse(self, sender: AnyCaller, refused: Refused) -> Response:
        self._metrics.events.labels(self._label(sender.name), refused.result).inc()
        key, now_s = (sender.name, refused.result), self._monotonic()
        if now_s - self._said_at_s.get(key, -math.inf) >= SAID_EVERY_S:
            self._said_at_s[key] = now_s
            log.warning("event turned away", source=sender.name, result=refused.result, why=refused.message)
        return JSONResponse({"error": refused.message}, refused.status, refused.headers)

    def _label(self, name: str) -> str:
        """What the metric of events calls the sender."""
        return name if self.section == "events" else f"{self.section}/{name}"

    def _unknown(self, name: str) -> Response:
        rule = f"there is no sender {name[:40]!r} in the settings"
        hint = f"add a section [{self.section}.NAME] and restart"
        return JSONResponse({"error": rule, "hint": hint}, HTTPStatus.NOT_FOUND)


def is_of_this_machine(request: Request) -> bool:
    """Whether no network lies between."""
    if request.client is None:
        return False
    host = request.client.host
    if host == UNIX:
        return True
    try:
        address = ipaddress.ip_address(host.removeprefix("::ffff:"))  # IPv4 at a socket of IPv6
    except ValueError:  # a proxy may hand on any word as the address of whom it speaks for
        return False
    return address.is_loopback
