"""What the endpoint of a base-image trigger is sent: update and token, or the token. Sends nothing."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import field

from graph.errors import TrackerError
from graph.record import dataclass
from rebuild.runs.outbox import Message
from rebuild.secrets.kept_source import FindCipher
from rebuild.secrets.secret import Secret
from rebuild.secrets.update_token import kept_token
from rebuild.tasks.triggers import Payload, Triggers
from tracker.outbound.delivery import NotDelivered


@dataclass(frozen=True, slots=True)
class AskedPost:
    """One request to one endpoint."""

    endpoint: str
    body: bytes = field(repr=False)
    content_type: str
    secrets: tuple[Secret, ...] = ()


class UpdateTriggers:
    """Reads endpoints and tokens as they are now: neither lies in the queue."""

    def __init__(self, connection: sqlite3.Connection, cipher: FindCipher) -> None:
        self._triggers = Triggers(connection)
        self._sql = connection
        self._cipher = cipher

    def asked_by(self, message: Message) -> AskedPost | NotDelivered | None:
        """None where the task has no endpoint any more."""
        if message.task_id is None:
            return None
        trigger = self._triggers.base_image(message.task_id)
        if trigger.endpoint is None:
            return None
        try:
            token = kept_token(self._sql, self._cipher, message.task_id)
        except TrackerError as error:
            return NotDelivered(error.message, error.hint)
        secrets = (token,) if token else ()
        if trigger.payload is Payload.TOKEN:
            body = token.reveal().encode() if token else b""
            return AskedPost(trigger.endpoint, body, "text/plain; charset=utf-8", secrets)
        told = {"id": message.delivery, **message.body, "updateTriggerToken": token and token.reveal()}
        body = json.dumps(told, ensure_ascii=False).encode()
        return AskedPost(trigger.endpoint, body, "application/json", secrets)
