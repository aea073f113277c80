"""Reads the runs and waves whose end has still to become messages. Chooses no receiver."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from rebuild.run_record import Cause
from tracker.outbound.notice import Ended, EndedWave, notices_of
from tracker.views.runs import RunRow, run_named

RUNS_MOST = 200  # in one transaction
WAVES_MOST = 10


class Unannounced:
    """What has ended and nobody was told. Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def is_empty(self) -> bool:
        """Asked often: one look into two indexes that hold nothing else."""
        there = (
            "SELECT EXISTS (SELECT 1 FROM runs WHERE unannounced)"
            " OR EXISTS (SELECT 1 FROM waves WHERE unannounced)"
        )
        return not self._sql.execute(there).fetchone()[0]

    def runs(self, most: int = RUNS_MOST) -> list[tuple[int, Ended | None]]:
        """By number, oldest first; None for one of a wave, which tells of it."""
        rows = self._sql.execute(
            "SELECT number, id, wave_id FROM runs WHERE unannounced ORDER BY number LIMIT ?", (most,)
        ).fetchall()
        return [(number, None if wave_id else self._ended(run_id)) for number, run_id, wave_id in rows]

    def waves(self, most: int = WAVES_MOST) -> list[EndedWave]:
        """Oldest first."""
        rows = self._sql.execute(
            "SELECT id, created_at, finished_at, planned FROM waves WHERE unannounced ORDER BY id LIMIT ?",
            (most,),
        ).fetchall()
        return [
            EndedWave(number, created_at, finished_at, len(json.loads(planned)), self._runs_of(number))
            for number, created_at, finished_at, planned in rows
        ]

    def set_announced(self, runs: Iterable[int], waves: Iterable[int]) -> None:
        self._sql.executemany("UPDATE runs SET unannounced = 0 WHERE number = ?", [(run,) for run in runs])
        self._sql.executemany("UPDATE waves SET unannounced = 0 WHERE id = ?", [(wave,) for wave in waves])

    def _runs_of(self, wave: int) -> tuple[Ended, ...]:
        """Of each task the last run."""
        rows = self._sql.execute(
            "SELECT id, task_id FROM runs WHERE wave_id = ? AND finished_at IS NOT NULL ORDER BY number",
            (wave,),
        )
        last = {task_id or run_id: run_id for run_id, task_id in rows}
        return tuple(self._ended(run_id) for run_id in last.values())

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
