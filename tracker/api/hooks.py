"""The door for events of repositories: who may send, how much; stores before it says yes."""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tracker.api.letter_door import LetterDoor, Refused, is_of_this_machine, read_body, unproven
from tracker.events.push import BadEvent
from tracker.hooks.reading import kept_headers, read_events
from tracker.hooks.sender import HookSender, is_proven_before_body, is_proven_by_signature
from tracker.metrics import EventResult

HOOK_BYTES_MOST = 26 * 1024 * 1024  # GitHub sends up to 25 MB


class HookDoor(LetterDoor[HookSender]):
    """Answers `/hooks/NAME` for the senders of the settings."""

    section = "hooks"

    async def post(self, request: Request) -> Response:
        """One body: 202 once it is stored, or tells of nothing that starts a run, as a ping."""
        return await self._answer(request, self._take)

    async def _take(self, sender: HookSender, request: Request) -> Response:
        body = await _proven_body(sender, request)
        self._admit(sender)
        headers = kept_headers(request.headers)
        try:
            events = read_events(sender.provider, body, headers)
        except BadEvent as error:
            raise Refused(EventResult.MALFORMED, HTTPStatus.BAD_REQUEST, error.message) from None
        if events:
            await self._store(sender, body, headers)
        else:
            self._metrics.events.labels(self._label(sender.name), EventResult.IRRELEVANT).inc()
        return JSONResponse({"events": len(events)}, HTTPStatus.ACCEPTED)


async def _proven_body(sender: HookSender, request: Request) -> bytes:
    """The body of who is known to be the sender; who has to sign nothing is turned away before it is read."""
    proven = is_proven_before_body(sender, request.headers) if sender.secrets else is_of_this_machine(request)
    if proven is False:
        raise unproven(sender.name, sender.proof)
    body = await read_body(request, HOOK_BYTES_MOST)
    if proven is None and not is_proven_by_signature(sender, request.headers, body):
        raise unproven(sender.name, sender.proof)
    return body
