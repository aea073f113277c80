"""When a commit is tried again whose run could not be carried out. Writes nothing."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from graph.clock import from_text
from graph.staleness import Limits
from rebuild.runs.record import Cause, Run, Status

TRIED_FOR = timedelta(days=1)  # counted from the first try


def next_try(
    connection: sqlite3.Connection, run: Run, status: Status, at: datetime, limits: Limits
) -> datetime | None:
    """None for a run that nobody repeats: `Failed` is the commit's own fault, and the next one mends it.

    `Error` is that of a server that is down, of the machine, of a login. Nothing else would bring the commit
    back: its event is dealt with, and the poll knows it.
    """
    if run.cause is not Cause.COMMIT or run.definition.revision is None or status is not Status.ERROR:
        return None
    before, first_at = _tries_before(connection, run, run.definition.revision.commit)
    if at - (first_at or run.created_at) > TRIED_FOR or _was_deleted(connection, run):
        return None
    return at + timedelta(seconds=limits.retry_delay_s(before + 1))


def _tries_before(connection: sqlite3.Connection, run: Run, commit: str) -> tuple[int, datetime | None]:
    """How many runs of the task have ended so for this commit, and when the first was asked for."""
    count, first_at = connection.execute(
        "SELECT count(*), min(created_at) FROM runs WHERE task_id = ? AND number < ? AND cause = ?"
        " AND status = ? AND json_extract(definition, '$.revision.commit') = ?",
        (run.task_id, run.number, Cause.COMMIT, Status.ERROR, commit),
    ).fetchone()
    return count, from_text(first_at) if first_at else None


def _was_deleted(connection: sqlite3.Connection, run: Run) -> bool:
    """Whether the branch or tag of the commit has gone meanwhile."""
    row = connection.execute(
        "SELECT c.commit_id FROM source_commits c JOIN runs r ON r.number = ? AND c.task_id = r.task_id"
        " AND c.subject = json_extract(r.reason, '$[0].subject') ORDER BY c.id DESC LIMIT 1",
        (run.number,),
    ).fetchone()
    return row is not None and not row[0]
