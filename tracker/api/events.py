"""The door for push events: who may send, how much, what it means; stores it before it says yes."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tracker.api.letter_body import Refused
from tracker.api.letter_door import LetterDoor, is_of_this_machine
from tracker.events.azure import validation_code
from tracker.events.body import parse
from tracker.events.ecr import confirmation_url
from tracker.events.kind import EVENT_HEADERS, Kind
from tracker.events.push import BadEvent
from tracker.events.reading import read_pushes
from tracker.events.sender import Sender, is_proven_before_body, is_proven_by_signature
from tracker.metrics import EventResult

EVENT_BYTES_MOST = 4 * 1024 * 1024

log = structlog.get_logger()


class EventDoor(LetterDoor[Sender]):
    """Answers `/events/NAME` and `/events/NAME/TOKEN` for the senders of the settings."""

    bytes_most = EVENT_BYTES_MOST

    async def post(self, request: Request) -> Response:
        """One body: 202 once it is stored, or does not tell of a push."""
        return await self._answer(request, self._take)

    async def options(self, request: Request) -> Response:
        """The handshake of CloudEvents: a sender asks whether it may send here."""
        return await self._answer(request, self._allow)

    async def _allow(self, sender: Sender, request: Request) -> Response:
        origin = request.headers.get("webhook-request-origin")
        if origin is None or self._is_proven(sender, request) is not True:
            raise self._unproven(sender)
        allowed = {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": str(sender.per_minute)}
        return Response(headers={"Allow": "POST, OPTIONS", **allowed})

    async def _take(self, sender: Sender, request: Request) -> Response:
        body = await self._proven_body(sender, request)
        self._admit(sender)
        headers = {name: value for name, value in request.headers.items() if name in EVENT_HEADERS}
        try:
            if (answer := _handshake(sender, body)) is not None:
                return answer
            pushes = read_pushes(sender, body, headers)
        except BadEvent as error:
            raise Refused(EventResult.MALFORMED, HTTPStatus.BAD_REQUEST, error.message) from None
        if pushes:
            await self._store(sender, body, headers)
        else:
            self._metrics.events.labels(sender.name, EventResult.IRRELEVANT).inc()
        return _accepted(len(pushes))

    def _is_proven(self, sender: Sender, request: Request) -> bool | None:
        if sender.secrets:
            return is_proven_before_body(sender, request.headers, request.path_params.get("token", ""))
        return is_of_this_machine(request)

    def _is_signed(self, sender: Sender, headers: Mapping[str, str], body: bytes) -> bool:
        return is_proven_by_signature(sender, headers, body)

    def _proof_of(self, sender: Sender) -> str:
        return sender.proof("the address that 'tracker config events' shows")


@functools.lru_cache
def _accepted(pushes: int) -> Response:
    return JSONResponse({"pushes": pushes}, HTTPStatus.ACCEPTED)


def _handshake(sender: Sender, body: bytes) -> Response | None:
    """What some kinds want before they send anything. Raises `BadEvent`."""
    if sender.kind is Kind.EVENTGRID and (code := validation_code(parse(body))):
        return JSONResponse({"validationResponse": code})  # only 200 is taken for this
    if sender.kind is Kind.ECR and (url := confirmation_url(parse(body))):
        # Not opened from here: whoever can send could choose what this machine asks for.
        log.warning("a topic of SNS waits for its subscription to be confirmed", source=sender.name, url=url)
    return None
