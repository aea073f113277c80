"""The queue of messages to others: a table that one leaves when it is taken or given up. Sends none."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from graph.clock import from_text, to_text
from graph.record import dataclass


class Kind(StrEnum):
    """By what a message goes out."""

    APPRISE = "apprise"
    WEBHOOK = "webhook"
    UPDATE_TRIGGER = "update-trigger"


@dataclass(frozen=True, slots=True)
class Lane:
    """One receiver: its messages go out one after another, and hold up those of no other."""

    kind: Kind
    receiver: str  # a section of the settings; of an update trigger the server
    target: int = 0  # which of the receiver's addresses


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one receiver. `body` holds no secret: those come in when it is sent."""

    number: int
    delivery: str  # the same each time it is sent
    lane: Lane
    task_id: int | None
    body: Mapping[str, Any]
    created_at: datetime
    due_at: datetime
    tries: int
    fault: str | None  # of the last try


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits to go out, and since when."""

    count: int
    oldest_at: datetime | None


_COLUMNS = "id, delivery, kind, receiver, target, task_id, body, created_at, due_at, tries, fault"


class Outbox:
    """The table. Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def put(self, lane: Lane, body: Mapping[str, Any], at: datetime, *, task_id: int | None = None) -> None:
        """Due at once."""
        self._sql.execute(
            "INSERT INTO outbox(kind, receiver, target, task_id, body, created_at, due_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                lane.kind,
                lane.receiver,
                lane.target,
                task_id,
                json.dumps(body, ensure_ascii=False),
                to_text(at),
                to_text(at),
            ),
        )

    def next_of_each_lane(self, at: datetime) -> list[Message]:
        """Of each lane in which something is due, what has been due for longest."""
        rows = self._sql.execute(
            f"SELECT {_COLUMNS}, min(due_at) FROM outbox WHERE due_at <= ?"
            " GROUP BY kind, receiver, target ORDER BY min(due_at), id",
            (to_text(at),),
        )
        return [_message(row[:-1]) for row in rows]

    def all(self, most: int) -> list[Message]:
        """What waits, oldest first."""
        rows = self._sql.execute(f"SELECT {_COLUMNS} FROM outbox ORDER BY id LIMIT ?", (most,))
        return [_message(row) for row in rows]

    def put_off(self, message: Message, due_at: datetime, fault: str) -> None:
        """Another try, then."""
        self._sql.execute(
            "UPDATE outbox SET due_at = ?, tries = ?, fault = ? WHERE id = ?",
            (to_text(due_at), message.tries + 1, fault, message.number),
        )

    def remove(self, message: Message) -> None:
        """It was taken, or is given up."""
        self._sql.execute("DELETE FROM outbox WHERE id = ?", (message.number,))

    def waiting(self) -> Waiting:
        count, oldest_at = self._sql.execute("SELECT count(*), min(created_at) FROM outbox").fetchone()
        return Waiting(count, from_text(oldest_at) if oldest_at else None)


def update_lane(server: str) -> Lane:
    """Update triggers of all tasks for one server share a lane."""
    return Lane(Kind.UPDATE_TRIGGER, server)


def notify_lanes(kind: Kind, channel: str, addresses: int) -> Iterable[Lane]:
    """One for each address, so that one that works is not told again because another does not."""
    return (Lane(kind, channel, target) for target in range(addresses))


def _message(row: Sequence[Any]) -> Message:
    number, delivery, kind, receiver, target, task_id, body, created_at, due_at, tries, fault = row
    return Message(
        number,
        delivery,
        Lane(Kind(kind), receiver, target),
        task_id,
        json.loads(body),
        from_text(created_at),
        from_text(due_at),
        tries,
        fault,
    )
