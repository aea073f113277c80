"""Which runs are forgotten, and when: by age, and never one that anything still rests on. Deletes no file."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from graph.clock import to_text
from graph.record import dataclass

BATCH = 500  # runs looked at in one transaction: some milliseconds

# Kept whatever their age: what is not over, what somebody archived, runs of a wave that is not over, the
# newest of all (the next id counts on from it), and of each task its last success, every failure since (they
# are counted before the next try), and its last run, canceled or not.
_FORGETTABLE = """
  r.finished_at < :before AND NOT r.archived
  AND r.number < (SELECT max(number) FROM runs)
  AND NOT EXISTS (SELECT 1 FROM waves w WHERE w.id = r.wave_id AND w.finished_at IS NULL)
  AND (r.task_id IS NULL
    OR EXISTS (SELECT 1 FROM runs s WHERE s.task_id = r.task_id AND s.number > r.number
               AND s.finished_at IS NOT NULL AND (s.status = 'Succeeded' OR r.status = 'Canceled')))
"""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What one batch forgot, by id, and the number to go on from; None where there is no more."""

    run_ids: tuple[str, ...]
    go_on_from: int | None


def forget_runs(
    connection: sqlite3.Connection, *, before: datetime, start: int = 0, most: int = BATCH
) -> Forgotten:
    """Forget what ended before that moment, of at most so many runs from that number on.

    Belongs inside `immediate()`; call it again with `go_on_from`, each time in a transaction of its own, so
    that others can write in between.
    """
    values = {"before": to_text(before), "start": start, "most": most}
    # Numbers grow with time: where one run is too young, so are all that follow.
    looked_at = connection.execute(
        f"SELECT r.number, r.id, ({_FORGETTABLE}) FROM runs r"
        " WHERE r.number >= :start AND r.created_at < :before ORDER BY r.number LIMIT :most",
        values,
    ).fetchall()
    gone = [(number, run_id) for number, run_id, forgettable in looked_at if forgettable]
    connection.executemany("DELETE FROM runs WHERE number = ?", [(number,) for number, _ in gone])
    return Forgotten(
        tuple(run_id for _, run_id in gone), looked_at[-1][0] + 1 if len(looked_at) == most else None
    )


def forget_waves(connection: sqlite3.Connection, *, before: datetime, most: int = BATCH) -> int:
    """At most so many of the waves that were over before that moment and have no runs any more; how many."""
    done = connection.execute(
        "DELETE FROM waves WHERE id IN (SELECT w.id FROM waves w WHERE w.finished_at < ?"
        " AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.wave_id = w.id) LIMIT ?)",
        (to_text(before), most),
    )
    return done.rowcount
