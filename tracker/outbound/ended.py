"""Reads the runs and waves whose end has still to become messages. Chooses no receiver."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from graph.clock import to_text
from rebuild.runs.record import Cause, Status
from tracker.outbound.notice import Ended, EndedWave, Notice, notices_of
from tracker.views.runs import RunRow, run_named

RUNS_MOST = 200  # in one transaction
WAVES_MOST = 10
REST_S = 3.0  # a wave in which nothing has gone on for so long waits for another try, or for somebody


class Unannounced:
    """What has ended and nobody was told. Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection, at: datetime) -> None:
        self._sql = connection
        self._rested_before = to_text(at - timedelta(seconds=REST_S))

    def runs(self, most: int = RUNS_MOST) -> list[Ended]:
        """Those that belong to no wave, oldest first."""
        rows = self._sql.execute(
            "SELECT id FROM runs WHERE unannounced AND wave_id IS NULL ORDER BY number LIMIT ?", (most,)
        ).fetchall()
        return [self._ended(run_id) for (run_id,) in rows]

    def waves(self, most: int = WAVES_MOST) -> list[EndedWave]:
        """Those that are over or have come to rest, oldest first."""
        rows = self._sql.execute(
            "SELECT id, created_at, finished_at, planned FROM waves WHERE unannounced"
            " UNION ALL SELECT id, created_at, finished_at, planned FROM waves w WHERE finished_at IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM runs INDEXED BY runs_open"
            "   WHERE finished_at IS NULL AND wave_id = w.id)"
            " AND EXISTS (SELECT 1 FROM runs WHERE wave_id = w.id AND unannounced)"
            " AND (SELECT max(finished_at) FROM runs WHERE wave_id = w.id) <= ? ORDER BY id LIMIT ?",
            (self._rested_before, most),
        ).fetchall()
        return [
            EndedWave(number, created_at, finished_at, len(json.loads(planned)), self._runs_of(number))
            for number, created_at, finished_at, planned in rows
        ]

    def set_announced(self, runs: Iterable[Ended], waves: Iterable[EndedWave]) -> None:
        self._sql.executemany(
            "UPDATE runs SET unannounced = 0 WHERE id = ?", [(ended.run.run_id,) for ended in runs]
        )
        for wave in waves:
            self._sql.execute("UPDATE waves SET unannounced = 0 WHERE id = ?", (wave.number,))
            self._sql.execute(
                "UPDATE runs SET unannounced = 0 WHERE wave_id = ? AND unannounced", (wave.number,)
            )

    def _runs_of(self, wave: int) -> tuple[Ended, ...]:
        rows = self._sql.execute(
            "SELECT id, task_id FROM runs WHERE wave_id = ? AND unannounced ORDER BY number", (wave,)
        ).fetchall()
        by_task: dict[object, list[Ended]] = {}
        for run_id, task_id in rows:
            by_task.setdefault(task_id or run_id, []).append(self._ended(run_id))
        return tuple(last_of(tries) for tries in by_task.values())

    def _ended(self, run_id: str) -> Ended:
        run = run_named(self._sql, run_id)
        return Ended(run, notices_of(run, self._before(run_id)))

    def _before(self, run_id: str) -> RunRow | None:
        """The run of its task before this one. A canceled one tells nothing, and neither does a trial."""
        row = self._sql.execute(
            "SELECT p.id FROM runs r JOIN runs p ON p.task_id = r.task_id AND p.number < r.number"
            " WHERE r.id = ?1 AND r.cause <> ?2 AND p.finished_at IS NOT NULL AND p.status <> 'Canceled'"
            " AND p.cause <> ?2 ORDER BY p.number DESC LIMIT 1",
            (run_id, Cause.PULL_REQUEST),
        ).fetchone()
        return run_named(self._sql, row[0]) if row else None


def last_of(tries: Sequence[Ended]) -> Ended:
    """What became of a task. A failure stays one to tell, though another try has failed as well."""
    last = tries[-1]
    if last.run.status is Status.SUCCEEDED:
        return last
    return Ended(last.run, last.notices | {n for each in tries for n in each.notices if n is Notice.FAILED})
