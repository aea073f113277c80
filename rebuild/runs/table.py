"""The table of runs and waves: add, claim, finish, recover. Carries nothing out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from graph.clock import from_text, to_text
from graph.errors import TrackerError
from graph.staleness import Attempt
from rebuild.runs.definition import Definition
from rebuild.runs.record import Cause, Queue, Run, Status, run_id_of
from rebuild.runs.uploads import upload_id_of

__all__ = ["Cause", "Queue", "Run", "RunMoved", "Runs", "Status", "run_id_of"]


_MOVES: Mapping[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.STARTED, Status.CANCELED}),
    # Back to Queued: the process that had it is gone and another is to finish it.
    Status.STARTED: frozenset({Status.RUNNING, Status.QUEUED, *(s for s in Status if s.finished)}),
    Status.RUNNING: frozenset({Status.QUEUED, *(s for s in Status if s.finished)}),
}


class RunMoved(TrackerError):
    """Somebody else moved the run meanwhile: it was canceled, or claimed by another process."""


_COLUMNS = "number, id, task_id, wave_id, cause, definition, status, attempt, intent, created_at, started_at"

# What tries out a pull request tells nothing of the task's images, and holds nothing of the task up.
_NO_TRIAL = "cause <> 'pull-request'"


class Runs:
    """Runs on one connection. Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def add(
        self,
        definition: Definition,
        cause: Cause,
        at: datetime,
        *,
        task_id: int | None = None,
        wave_id: int | None = None,
        reason: Sequence[Mapping[str, Any]] = (),
        priority: float = 0.0,
        asked_by: str | None = None,
    ) -> Run:
        """Ask for a run. A task has at most one queued run: a second wish folds into it. What tries out a
        pull request stands beside that: it makes none of the task's images.

        `asked_by` is who asked the service for it, which then does it again after a crash; None for
        one that the process asks of itself.
        """
        queued = self.queued_for(task_id) if task_id is not None else None
        if queued is not None and cause is not Cause.PULL_REQUEST:
            self._fold(queued, definition, cause, reason, priority)
            return self.get(queued.run_id)
        number = self._sql.execute("SELECT coalesce(max(number), 0) + 1 FROM runs").fetchone()[0]
        run = Run(
            number=number,
            run_id=run_id_of(number),
            task_id=task_id,
            wave_id=wave_id,
            cause=cause,
            definition=definition,
            status=Status.QUEUED,
            attempt=1,
            intent=None,
            created_at=from_text(to_text(at)),  # as it is read again
            started_at=None,
        )
        self._insert(run, reason, priority, asked_by)
        return run

    def _insert(
        self, run: Run, reason: Sequence[Mapping[str, Any]], priority: float, asked_by: str | None
    ) -> None:
        self._sql.execute(
            "INSERT INTO runs(number, id, task_id, wave_id, cause, reason, definition, status, priority,"
            " created_at, asked_by) VALUES (?, ?, ?, ?, ?, ?, ?, 'Queued', ?, ?, ?)",
            (
                run.number,
                run.run_id,
                run.task_id,
                run.wave_id,
                run.cause,
                json.dumps(list(reason)),
                run.definition.to_json(),
                priority,
                to_text(run.created_at),
                asked_by,
            ),
        )

    def get(self, run_id: str) -> Run:
        found = self._one("id = ?", run_id)
        if found is None:
            raise TrackerError(f"there is no run {run_id!r}", hint="'tracker runs' lists them")
        return found

    def _fold(
        self,
        queued: Run,
        definition: Definition,
        cause: Cause,
        reason: Sequence[Mapping[str, Any]],
        priority: float,
    ) -> None:
        """What an interrupted attempt was about to push is not what is asked for now."""
        if queued.definition.revision is not None:
            self.want_commit_again(queued)
            self._sql.execute(
                "UPDATE runs SET cause = ?, reason = ? WHERE number = ?",
                (cause, json.dumps(list(reason)), queued.number),
            )
        self._sql.execute(
            "UPDATE runs SET definition = ?, priority = max(priority, ?), intent = NULL WHERE number = ?",
            (definition.to_json(), priority, queued.number),
        )

    def want_commit_again(self, run: Run, due_at: datetime | None = None) -> None:
        """A run for one commit does, or is taken over by, something else, or was not carried out: unless a
        newer commit of its branch or tag waits, it waits anew, until `due_at`."""
        self._sql.execute(
            "INSERT OR IGNORE INTO source_requests(task_id, subject, revision, reason, asked_at, due_at)"
            " SELECT task_id, json_extract(reason, '$[0].subject'), json_extract(definition, '$.revision'),"
            " reason, created_at, ?2 FROM runs WHERE number = ?1 AND cause = 'commit'"
            " AND task_id IS NOT NULL AND json_extract(definition, '$.revision') IS NOT NULL"
            " AND json_extract(reason, '$[0].subject') IS NOT NULL",
            (run.number, to_text(due_at) if due_at else ""),
        )

    def queued_for(self, task_id: int) -> Run | None:
        """The run of the task that waits, trials aside."""
        return self._one(f"task_id = ? AND status = 'Queued' AND {_NO_TRIAL}", task_id)

    def queued_of_subject(self, task_id: int, subject: str) -> list[Run]:
        """The runs of the task that wait to build a commit of that branch, tag or pull request."""
        rows = self._sql.execute(
            f"SELECT {_COLUMNS} FROM runs INDEXED BY runs_open WHERE finished_at IS NULL"
            " AND status = 'Queued' AND task_id = ? AND cause IN ('commit', 'pull-request')"
            " AND json_extract(reason, '$[0].subject') = ?",
            (task_id, subject),
        )
        return [_run(row) for row in rows]

    def claim(self, at: datetime, owner: str, *, run_id: str | None = None) -> Run | None:
        """Take the most urgent queued run (or that one) for this process; None if there is none."""
        row = self._sql.execute(
            "UPDATE runs SET status = 'Started', owner = ?, started_at = ? WHERE number = ("
            " SELECT number FROM runs WHERE status = 'Queued' AND finished_at IS NULL"
            " AND (?3 IS NULL OR id = ?3)"
            f" AND (task_id IS NULL OR NOT {_NO_TRIAL} OR NOT EXISTS (SELECT 1 FROM runs r"
            f"   WHERE r.task_id = runs.task_id AND r.{_NO_TRIAL}"
            "   AND r.status IN ('Started', 'Running') AND r.finished_at IS NULL))"
            f" ORDER BY priority DESC, number LIMIT 1) RETURNING {_COLUMNS}",
            (owner, to_text(at), run_id),
        ).fetchone()
        return _run(row) if row else None

    def set_running(self, run: Run) -> None:
        self._move(run, Status.RUNNING)

    def set_intent(self, run: Run, intent: str) -> None:
        """Note what is about to be pushed, so that a crash after the push can tell that it was done."""
        self._sql.execute("UPDATE runs SET intent = ? WHERE number = ?", (intent, run.number))

    def finish(
        self,
        run: Run,
        status: Status,
        at: datetime,
        *,
        error: str | None = None,
        hint: str | None = None,
        outputs: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self._move(run, status)
        self._sql.execute(
            "UPDATE runs SET finished_at = ?, error = ?, hint = ?, outputs = ?, intent = NULL, owner = NULL,"
            " unannounced = 1 WHERE number = ?",
            (to_text(at), error, hint, json.dumps(list(outputs)), run.number),
        )

    def requeue(self, run: Run) -> None:
        """The process that had the run is gone: somebody else is to do it again from the start."""
        self._move(run, Status.QUEUED)
        self._sql.execute(
            "UPDATE runs SET owner = NULL, attempt = attempt + 1, started_at = NULL WHERE number = ?",
            (run.number,),
        )

    def unfinished(self) -> list[tuple[Run, str | None]]:
        """Claimed runs that have no outcome yet, with the process that claimed each."""
        rows = self._sql.execute(
            f"SELECT {_COLUMNS}, owner FROM runs INDEXED BY runs_open"
            " WHERE finished_at IS NULL AND status IN ('Started', 'Running') ORDER BY number"
        )
        return [(_run(row[:-1]), row[-1]) for row in rows]

    def asked_of_service(self) -> frozenset[int]:
        """Numbers of the runs without outcome that somebody asked the service for."""
        rows = self._sql.execute(
            "SELECT number FROM runs INDEXED BY runs_open WHERE finished_at IS NULL AND asked_by IS NOT NULL"
        )
        return frozenset(row[0] for row in rows)

    def uploads_in_use(self) -> frozenset[str]:
        """Contexts of runs without outcome, by the id of the upload."""
        rows = self._sql.execute(
            "SELECT json_extract(definition, '$.context') FROM runs INDEXED BY runs_open"
            " WHERE finished_at IS NULL"
        )
        return frozenset(upload_id for row in rows if (upload_id := upload_id_of(row[0])))

    def busy_tasks(self) -> frozenset[int]:
        """Tasks with a run that has no outcome yet and may make their images."""
        rows = self._sql.execute(
            "SELECT task_id FROM runs INDEXED BY runs_open WHERE finished_at IS NULL AND task_id IS NOT NULL"
            f" AND {_NO_TRIAL}"
        )
        return frozenset(row[0] for row in rows)

    def failed_attempts(self) -> dict[int, Attempt]:
        """Tasks whose last run did not go well, with how often in a row. Canceled ones tell nothing."""
        told = f"f.finished_at IS NOT NULL AND f.status <> 'Canceled' AND f.{_NO_TRIAL}"
        rows = self._sql.execute(
            "SELECT r.task_id, r.id, r.started_at, r.finished_at, (SELECT count(*) FROM runs f"
            f"   WHERE f.task_id = r.task_id AND {told} AND f.number > coalesce((SELECT"
            "     max(s.number) FROM runs s WHERE s.task_id = r.task_id AND s.status = 'Succeeded'"
            f"    AND s.{_NO_TRIAL}), 0))"
            # Task by task, from its newest run: the history of runs only grows.
            " FROM tasks t CROSS JOIN runs r ON r.number = (SELECT f.number FROM runs f"
            f"   WHERE f.task_id = t.id AND {told} ORDER BY f.number DESC LIMIT 1)"
            " WHERE r.status IN ('Failed', 'Error', 'Timeout') AND r.started_at IS NOT NULL"
        )
        return {row[0]: Attempt(row[1], from_text(row[2]), from_text(row[3]), row[4]) for row in rows}

    def is_unwanted(self, run: Run) -> bool:
        """Whether somebody asked for the end of it."""
        asked = "SELECT 1 FROM runs WHERE number = ? AND cancel_requested_at IS NOT NULL"
        return self._sql.execute(asked, (run.number,)).fetchone() is not None

    def canceled_tasks(self) -> dict[int, datetime]:
        """Tasks whose last run somebody canceled, with when it ended."""
        rows = self._sql.execute(
            "SELECT r.task_id, r.finished_at FROM runs r INDEXED BY runs_canceled"
            " WHERE r.cancel_requested_at IS NOT NULL AND r.status = 'Canceled' AND r.number = ("
            "  SELECT max(n.number) FROM runs n WHERE n.task_id = r.task_id AND n.finished_at IS NOT NULL"
            f"  AND n.{_NO_TRIAL})"
        )
        return {task_id: from_text(finished_at) for task_id, finished_at in rows}

    def set_archived(self, run: Run, *, archived: bool) -> None:
        """Whether its log stays when those of its age go."""
        self._sql.execute("UPDATE runs SET archived = ? WHERE number = ?", (archived, run.number))

    def archived(self) -> frozenset[str]:
        """The ids of runs whose logs stay."""
        return frozenset(row[0] for row in self._sql.execute("SELECT id FROM runs WHERE archived"))

    def durations_s(self) -> dict[int, float]:
        """How long the last successful run of each task took."""
        rows = self._sql.execute(
            "SELECT t.id, (julianday(r.finished_at) - julianday(r.started_at)) * 86400 FROM tasks t"
            " CROSS JOIN runs r ON r.number = (SELECT f.number FROM runs f"
            f"   WHERE f.task_id = t.id AND f.status = 'Succeeded' AND f.{_NO_TRIAL}"
            "   ORDER BY f.number DESC LIMIT 1)"
        )
        return {task_id: round(seconds, 3) for task_id, seconds in rows}

    def reason(self, run: Run) -> list[dict[str, Any]]:
        """What was given as the reason when the run was asked for."""
        row = self._sql.execute("SELECT reason FROM runs WHERE number = ?", (run.number,)).fetchone()
        return [*json.loads(row[0])]

    def stale_since(self, run: Run) -> list[datetime]:
        """When the bases that caused the run first moved; none for a run that had another cause."""
        return [from_text(told["since"]) for told in self.reason(run) if "since" in told]

    def queue(self) -> Queue:
        """How much waits, since when, and how much is being done."""
        queued, oldest_at, open_runs = self._sql.execute(
            "SELECT count(*) FILTER (WHERE status = 'Queued'),"
            " min(created_at) FILTER (WHERE status = 'Queued'), count(*) FROM runs WHERE finished_at IS NULL"
        ).fetchone()
        return Queue(queued, from_text(oldest_at) if oldest_at else None, open_runs - queued)

    def add_wave(self, planned: Sequence[int], critical_path_s: float, work_s: float, at: datetime) -> int:
        added = self._sql.execute(
            "INSERT INTO waves(created_at, planned, critical_path_s, work_s) VALUES (?, ?, ?, ?)",
            (to_text(at), json.dumps(list(planned)), critical_path_s, work_s),
        )
        assert added.lastrowid is not None
        return added.lastrowid

    def open_waves(self) -> list[tuple[int, datetime, frozenset[int]]]:
        """Waves that are not over, oldest first: number, beginning, planned tasks."""
        rows = self._sql.execute(
            "SELECT id, created_at, planned FROM waves WHERE finished_at IS NULL ORDER BY id"
        )
        return [(row[0], from_text(row[1]), frozenset(json.loads(row[2]))) for row in rows]

    def finish_wave(self, wave_id: int, at: datetime) -> None:
        self._sql.execute(
            "UPDATE waves SET finished_at = ?, unannounced = 1 WHERE id = ?", (to_text(at), wave_id)
        )

    def _move(self, run: Run, status: Status) -> None:
        """The one door for a run's status."""
        allowed = [old for old, ways in _MOVES.items() if status in ways]
        marks = ", ".join("?" for _ in allowed)
        changed = self._sql.execute(
            f"UPDATE runs SET status = ? WHERE number = ? AND status IN ({marks})",
            (status, run.number, *allowed),
        )
        if changed.rowcount != 1:
            raise RunMoved(f"run {run.run_id} can no longer become {status}")

    def _one(self, condition: str, value: object) -> Run | None:
        row = self._sql.execute(f"SELECT {_COLUMNS} FROM runs WHERE {condition}", (value,)).fetchone()
        return _run(row) if row else None


def _run(row: Sequence[Any]) -> Run:
    return Run(
        number=row[0],
        run_id=row[1],
        task_id=row[2],
        wave_id=row[3],
        cause=Cause(row[4]),
        definition=Definition.from_json(row[5]),
        status=Status(row[6]),
        attempt=row[7],
        intent=row[8],
        created_at=from_text(row[9]),
        started_at=from_text(row[10]) if row[10] else None,
    )
