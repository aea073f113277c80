"""Which tasks have had a webhook registered for them: the table. Asks no forge."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from graph.clock import from_text, to_text
from graph.record import dataclass


@dataclass(frozen=True, slots=True)
class Registered:
    """A webhook of a task's repository, and the URL that its forge calls."""

    repository: str
    url: str
    registered_at: datetime


class TaskWebhooks:
    """The table. Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def of_task(self, task_id: int) -> Registered | None:
        row = self._sql.execute(
            "SELECT repository, url, registered_at FROM task_webhooks WHERE task_id = ?", (task_id,)
        ).fetchone()
        return Registered(row[0], row[1], from_text(row[2])) if row else None

    def is_shared(self, task_id: int) -> bool:
        """Whether another task rests on the same one."""
        others = (
            "SELECT 1 FROM task_webhooks mine JOIN task_webhooks theirs USING (repository, url)"
            " WHERE theirs.task_id <> mine.task_id AND mine.task_id = ?"
        )
        return self._sql.execute(others, (task_id,)).fetchone() is not None

    def set(self, task_id: int, webhook: Registered) -> None:
        self._sql.execute(
            "INSERT OR REPLACE INTO task_webhooks VALUES (?, ?, ?, ?)",
            (task_id, webhook.repository, webhook.url, to_text(webhook.registered_at)),
        )

    def remove(self, task_id: int) -> None:
        self._sql.execute("DELETE FROM task_webhooks WHERE task_id = ?", (task_id,))
