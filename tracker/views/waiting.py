"""What waits to be told to others, and what came of the last try. Sends none, and shows no address."""

from __future__ import annotations

from typing import Any

from graph.clock import to_text
from graph.record import dataclass
from rebuild.runs.outbox import Message, Outbox
from tracker.views.look import Look

_MOST = 1000


@dataclass(frozen=True, slots=True)
class WaitingMessages:
    """Oldest first, as JSON has them."""

    messages: list[dict[str, Any]]


def waiting_view(look: Look) -> WaitingMessages:
    return WaitingMessages([_plain(message) for message in Outbox(look.sql).all(_MOST)])


def _plain(message: Message) -> dict[str, Any]:
    return {
        "to": message.lane.receiver,
        "by": str(message.lane.kind),
        "delivery": message.delivery,
        "about": str(message.body.get("type", "update")),
        "since": to_text(message.created_at),
        "tries": message.tries,
        "next_try_at": to_text(message.due_at),
        "error": message.fault,
    }
