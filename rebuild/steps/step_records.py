"""How the steps of runs ended: the table. Light, and knows no step that is still to come."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import field
from datetime import datetime

from graph.clock import to_text
from graph.database import immediate
from graph.errors import StoreBusy
from graph.record import dataclass
from rebuild.runs.record import Run


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step that is over, or was skipped. `place` is its own in the file, from 0."""

    place: int
    id: str
    kind: str
    status: str
    started_at: datetime | None
    finished_at: datetime | None
    exit_code: int | None
    tries: int


class StepRecords:
    """The table. Writing belongs inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def write(self, run: int, steps: Iterable[StepRecord]) -> None:
        """Of the run of that number; what is known of a step already is replaced."""
        self._sql.executemany(
            "INSERT OR REPLACE INTO steps(run, place, id, kind, status, started_at, finished_at, exit_code,"
            " tries) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    run,
                    step.place,
                    step.id,
                    step.kind,
                    step.status,
                    step.started_at and to_text(step.started_at),
                    step.finished_at and to_text(step.finished_at),
                    step.exit_code,
                    step.tries,
                )
                for step in steps
            ],
        )


@dataclass(slots=True)
class KeptSteps:
    """The steps of one run, written down as they end: a run that is killed has told of those before."""

    connection: sqlite3.Connection
    run: Run
    waiting: list[StepRecord] = field(default_factory=list)

    def keep(self, step: StepRecord) -> None:
        """At once; where somebody else holds the database, with the next one, or at the end."""
        self.waiting.append(step)
        with suppress(StoreBusy), immediate(self.connection):
            self.write()

    def write(self) -> None:
        """All that waits. Belongs inside `immediate()`."""
        StepRecords(self.connection).write(self.run.number, self.waiting)
        self.waiting.clear()
