"""The door for events of repositories: who may send, how much; stores before it says yes."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tracker.api.letter_body import Refused
from tracker.api.letter_door import LetterDoor, is_of_this_machine
from tracker.events.push import BadEvent
from tracker.hooks.reading import kept_headers, read_events
from tracker.hooks.sender import HookSender, is_proven_before_body, is_proven_by_signature
from tracker.metrics import EventResult

HOOK_BYTES_MOST = 26 * 1024 * 1024  # GitHub sends up to 25 MB


class HookDoor(LetterDoor[HookSender]):
    """Answers `/hooks/NAME` for the senders of the settings."""

    section = "hooks"
    bytes_most = HOOK_BYTES_MOST

    async def post(self, request: Request) -> Response:
        """One body: 202 once it is stored, or tells of nothing that starts a run, as a ping."""
        return await self._answer(request, self._take)

    async def _take(self, sender: HookSender, request: Request) -> Response:
        body = await self._proven_body(sender, request)
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

    def _is_proven(self, sender: HookSender, request: Request) -> bool | None:
        if sender.secrets:
            return is_proven_before_body(sender, request.headers)
        return is_of_this_machine(request)

    def _is_signed(self, sender: HookSender, headers: Mapping[str, str], body: bytes) -> bool:
        return is_proven_by_signature(sender, headers, body)

    def _proof_of(self, sender: HookSender) -> str:
        return sender.proof
