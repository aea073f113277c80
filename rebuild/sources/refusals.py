"""What forges do not let tasks do, until they do: the table. Asks no forge."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from enum import StrEnum

from graph.clock import to_text


class Refused(StrEnum):
    """What a forge was asked for."""

    STATUSES = "statuses"
    PULL_REQUESTS = "pull requests"


class Refusals:
    """Why a forge does not let a task do something, until it does. Writing belongs inside `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def note(self, task_id: int, what: Refused, message: str, hint: str | None, at: datetime) -> bool:
        """Whether it is news: it is told once, and shown until it is over."""
        known = self._sql.execute(
            "SELECT message FROM forge_refusals WHERE task_id = ? AND what = ?", (task_id, what)
        ).fetchone()
        self._sql.execute(
            "INSERT INTO forge_refusals VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT(task_id, what)"
            " DO UPDATE SET message = ?3, hint = ?4, at = ?5",
            (task_id, what, message, hint, to_text(at)),
        )
        return known is None or known[0] != message

    def clear(self, task_id: int, what: Refused) -> None:
        self._sql.execute("DELETE FROM forge_refusals WHERE task_id = ? AND what = ?", (task_id, what))

    def of_task(self, task_id: int) -> list[tuple[str, str, str | None]]:
        """What is refused, why, and the way out."""
        return self._sql.execute(
            "SELECT what, message, hint FROM forge_refusals WHERE task_id = ? ORDER BY what", (task_id,)
        ).fetchall()
