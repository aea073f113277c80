"""What forges are still to be told of commits: the table, which triggers fill as runs change. Tells nobody.

Of each task and commit there is one row, with the newest state: a state that was overtaken is never told.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from graph.clock import from_text, to_text
from graph.record import dataclass
from rebuild.runs.record import Status, run_id_of

REPLACED = "Replaced"  # the run builds something else now


@dataclass(frozen=True, slots=True)
class Pending:
    """A state to tell. `told` is the one that was told last; both are statuses of runs, or `REPLACED`."""

    row_id: int
    task_id: int
    commit: str
    run: int
    status: str
    told: str | None
    since_at: datetime | None  # when it was first tried
    attempts: int
    provider: str  # of the event that the run came from
    ref: str | None  # the branch or tag
    duration_s: float | None

    @property
    def run_id(self) -> str:
        return run_id_of(self.run)

    @property
    def is_final(self) -> bool:
        return self.status == REPLACED or Status(self.status).finished


class CommitStatuses:
    """Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def due(self, at: datetime, most: int, but_not_of: Iterable[int] = ()) -> list[Pending]:
        """Those to tell now, the longest due first, without those of some tasks."""
        rows = self._sql.execute(
            "SELECT s.id, s.task_id, s.commit_id, s.run, s.status, s.told, s.since_at, s.attempts,"
            " coalesce(json_extract(r.reason, '$[0].provider'), ''),"
            " coalesce(json_extract(r.definition, '$.revision.branch'),"
            "   json_extract(r.definition, '$.revision.tag')),"
            " (julianday(r.finished_at) - julianday(r.started_at)) * 86400"
            " FROM commit_statuses s LEFT JOIN runs r ON r.number = s.run"
            " WHERE s.due_at <= ? AND s.task_id NOT IN (SELECT value FROM json_each(?))"
            " ORDER BY s.due_at, s.id LIMIT ?",
            (to_text(at), json.dumps([*but_not_of]), most),
        )
        return [_pending(row) for row in rows]

    def told(self, one: Pending) -> None:
        """The forge knows it. What the run has become meanwhile is still to be told."""
        if one.is_final:
            self.drop(one)
            return
        self._sql.execute(
            "UPDATE commit_statuses SET told = ?2, attempts = 0, since_at = NULL,"
            " due_at = CASE WHEN status = ?2 AND run = ?3 THEN NULL ELSE due_at END WHERE id = ?1",
            (one.row_id, one.status, one.run),
        )

    def put_off(self, one: Pending, due_at: datetime, tried_at: datetime) -> None:
        """It could not be told now. A state that came meanwhile is due as it is."""
        self._sql.execute(
            "UPDATE commit_statuses SET due_at = ?, since_at = coalesce(since_at, ?), attempts = attempts + 1"
            " WHERE id = ? AND status = ? AND run = ?",
            (to_text(due_at), to_text(tried_at), one.row_id, one.status, one.run),
        )

    def drop(self, one: Pending) -> None:
        """It is told, or will not be: a later state of the run may be."""
        self._sql.execute(
            "DELETE FROM commit_statuses WHERE id = ?1 AND status = ?2 AND run = ?3 AND ?4",
            (one.row_id, one.status, one.run, one.is_final),
        )
        self._sql.execute(
            "UPDATE commit_statuses SET due_at = NULL WHERE id = ? AND status = ? AND run = ?",
            (one.row_id, one.status, one.run),
        )

    def waiting(self) -> int:
        """How many are still to be told."""
        count = "SELECT count(*) FROM commit_statuses WHERE due_at IS NOT NULL"
        return int(self._sql.execute(count).fetchone()[0])


def _pending(row: Sequence[Any]) -> Pending:
    return Pending(
        row_id=row[0],
        task_id=row[1],
        commit=row[2],
        run=row[3],
        status=row[4],
        told=row[5],
        since_at=from_text(row[6]) if row[6] else None,
        attempts=row[7],
        provider=row[8],
        ref=row[9],
        duration_s=row[10],
    )
