"""Sends one message by its way, with the address and the secrets that belong to it. Keeps no queue."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, assert_never

from graph.record import dataclass
from rebuild.runs.outbox import Kind, Lane, Message
from rebuild.secrets.secret import Secret
from tracker.outbound.apprise_process import send_by_apprise
from tracker.outbound.channel import Channel
from tracker.outbound.delivery import Delivery, NotDelivered
from tracker.outbound.post import Parcel, Post
from tracker.outbound.signature import signed_headers
from tracker.outbound.update_trigger import UpdateTriggers
from tracker.outbound.words import words_of

UPDATE_TIMEOUT_S = 15.0
_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The ways out. Addresses are those of the settings now, not those of the time of the message."""

    channels: Mapping[str, Channel]
    now: Callable[[], datetime]
    updates: UpdateTriggers | None = None  # None: for messages of channels alone
    post: Post = field(default_factory=Post)

    async def send(self, message: Message) -> Delivery:
        lane = message.lane
        match lane.kind:
            case Kind.APPRISE | Kind.WEBHOOK:
                channel = self.channels.get(lane.receiver)
                if channel is None or lane not in channel.lanes:
                    return NotDelivered("it is no longer in the settings", is_final=True)
                return await self.tell(channel, lane, message.delivery, message.body)
            case Kind.UPDATE_TRIGGER:
                return await self._trigger(message)
            case _:
                assert_never(lane.kind)

    async def tell(
        self, channel: Channel, lane: Lane, delivery: str, document: Mapping[str, Any]
    ) -> Delivery:
        """One address of a channel."""
        address = channel.addresses[lane.target]
        if channel.kind is Kind.APPRISE:
            return await send_by_apprise(address, words_of(document), timeout_s=channel.timeout_s)
        body = json.dumps(document, ensure_ascii=False).encode()
        headers = _JSON | signed_headers(channel.keys, delivery, body, self.now())
        parcel = Parcel(address, body, headers)
        return await self.post.send(parcel, timeout_s=channel.timeout_s, ca_file=channel.ca_file)

    async def _trigger(self, message: Message) -> Delivery:
        asked = self.updates.asked_by(message) if self.updates else None
        if asked is None:
            return NotDelivered("its task has no such endpoint any more", is_final=True)
        if isinstance(asked, NotDelivered):
            return asked
        headers = signed_headers((), message.delivery, asked.body, self.now())
        parcel = Parcel(
            Secret(asked.endpoint), asked.body, {"content-type": asked.content_type, **headers}, asked.secrets
        )
        return await self.post.send(parcel, timeout_s=UPDATE_TIMEOUT_S)
