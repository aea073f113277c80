"""Runs, as those who look at them see them. Changes nothing and reads no log."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from graph.clock import from_text
from graph.errors import TrackerError
from graph.record import dataclass
from rebuild.runs.table import Runs, Status
from tracker.views.look import Look
from tracker.wording import familiar

_SELECT = (
    "SELECT r.id, t.name, r.status, r.cause, r.reason, r.definition, r.outputs, r.error, r.attempt,"
    " r.created_at, r.started_at, r.finished_at, r.hint, r.wave_id"
    " FROM runs r LEFT JOIN tasks t ON t.id = r.task_id"
)

_LOOK_BACK = 2000  # quick runs know no task; only so many of the newest are searched for an image


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run; `task` is None for a quick one."""

    run_id: str
    task: str | None
    status: Status
    cause: str
    reason: Any
    definition: dict[str, Any]
    outputs: Any
    error: str | None
    attempt: int
    created_at: str
    started_at: str | None
    finished_at: str | None
    hint: str | None = None  # the way out of the error
    wave: int | None = None  # whose runs one change asked for; None where it is none of a wave

    @property
    def platform(self) -> str:
        return str(self.definition.get("platform") or "-")

    @property
    def images(self) -> list[str]:
        return [str(image) for image in self.definition["step"].get("images", ())]

    @property
    def source(self) -> dict[str, Any] | None:
        """The commit that asked for it: its branch, tag or pull request, and who told of it."""
        return next((told for told in self.reason if "commit" in told), None)

    @property
    def source_text(self) -> str:
        """That commit in words; empty where there is none."""
        told = self.source
        if told is None:
            return ""
        what = f"pull request {told['pull_request']}" if "pull_request" in told else ""
        where = what or (f"tag {told['tag']}" if "tag" in told else f"branch {told.get('branch')}")
        delivery = f", delivery {told['delivery']}" if told.get("delivery") else ""
        who = f"{told.get('provider')}{delivery}"
        return f"commit {told['commit'][:12]} of {where} in {told.get('repository')} ({who})"

    @property
    def cause_text(self) -> str:
        """The cause, with what tells one commit or pull request from another."""
        told = self.source or {}
        which = told.get("pull_request") or told.get("tag") or told.get("branch")
        return f"{self.cause} {which}" if which else self.cause

    @property
    def timers(self) -> list[str]:
        """The timers that asked for it."""
        return [told["timer"] for told in self.reason if "timer" in told]

    def duration_s(self, now: datetime) -> float | None:
        """From start to end, or to now while it goes on; None if it never started."""
        if self.started_at is None:
            return None
        end = from_text(self.finished_at) if self.finished_at else now
        return (end - from_text(self.started_at)).total_seconds()


def newest_runs(
    sql: sqlite3.Connection, *, task: str | None = None, status: str | None = None, most: int
) -> list[RunRow]:
    """Runs, newest first."""
    query = f"{_SELECT} WHERE (?1 IS NULL OR t.name = ?1) AND (?2 IS NULL OR r.status = ?2)"
    rows = sql.execute(f"{query} ORDER BY r.number DESC LIMIT ?3", (task, status, most))
    return [_run(row) for row in rows]


def run_named(sql: sqlite3.Connection, run_id: str) -> RunRow:
    row = sql.execute(f"{_SELECT} WHERE r.id = ?", (run_id,)).fetchone()
    if row is None:
        raise TrackerError(f"there is no run {run_id!r}", hint="'tracker runs' lists them")
    return _run(row)


def runs_of_image(sql: sqlite3.Connection, image_id: int, *, most: int) -> list[RunRow]:
    """Runs that were to make this image, newest first: those of its task, and quick ones not long ago."""
    rows = sql.execute(
        f"{_SELECT} WHERE r.task_id = (SELECT task_id FROM images WHERE id = ?1)"
        " OR (r.number > (SELECT max(number) FROM runs) - ?2 AND EXISTS ("
        "   SELECT 1 FROM json_each(r.definition, '$.step.images') d"
        "   JOIN images i ON i.name = d.value WHERE i.id = ?1))"
        " ORDER BY r.number DESC LIMIT ?3",
        (image_id, _LOOK_BACK, most),
    )
    return [_run(row) for row in rows]


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of a task file that is over, or was skipped; times as in `RunRow`."""

    id: str
    kind: str
    status: str
    started_at: str | None
    finished_at: str | None
    exit_code: int | None
    tries: int


@dataclass(frozen=True, slots=True)
class ShownRun:
    """One run; `archived`: it stays, with its log, when others of its age go."""

    run: RunRow
    archived: bool
    steps: list[StepRow]


@dataclass(frozen=True, slots=True)
class NewestRuns:
    """Runs, newest first."""

    runs: list[RunRow]


def runs_view(
    look: Look,
    task: str | None = None,
    status: str | None = None,
    image: str | None = None,
    top: int = 30,
) -> NewestRuns:
    if task is not None:
        check_task(look.sql, task)
    if image is None:
        return NewestRuns(newest_runs(look.sql, task=task, status=status, most=top))
    of_image = runs_of_image(look.sql, look.image(image)[0], most=1000)
    fitting = [run for run in of_image if task in (None, run.task) and status in (None, run.status)]
    return NewestRuns(fitting[:top])


def run_view(look: Look, run: str | None = None, task: str | None = None, image: str | None = None) -> RunRow:
    """The run of that id, or the newest of that task, or the newest that was to make that image."""
    if run is not None:
        return run_named(look.sql, run)
    if task is not None:
        check_task(look.sql, task)
        found, what = newest_runs(look.sql, task=task, most=1), f"task {task!r}"
    else:
        image_id, name = look.image(str(image))
        found, what = runs_of_image(look.sql, image_id, most=1), f"image {familiar(name)}"
    if not found:
        raise TrackerError(f"{what} has no run yet", hint="'tracker runs' lists the runs")
    return found[0]


def shown_run_view(look: Look, run: str) -> ShownRun:
    found = run_named(look.sql, run)
    return ShownRun(found, found.run_id in Runs(look.sql).archived(), steps_of(look.sql, found.run_id))


def steps_of(sql: sqlite3.Connection, run_id: str) -> list[StepRow]:
    """As far as they are over, in the order of the file."""
    rows = sql.execute(
        "SELECT s.id, s.kind, s.status, s.started_at, s.finished_at, s.exit_code, s.tries FROM steps s"
        " JOIN runs r ON r.number = s.run WHERE r.id = ? ORDER BY s.place",
        (run_id,),
    )
    return [StepRow(*row) for row in rows]


def run_json(run: RunRow, now: datetime) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "task": run.task,
        "platform": run.platform,
        "status": str(run.status),
        "cause": run.cause,
        "reason": run.reason,
        "wave": run.wave,
        "images": run.images,
        "outputs": run.outputs,
        "error": run.error,
        "hint": run.hint,
        "attempt": run.attempt,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "duration_s": run.duration_s(now),
    }


def check_task(sql: sqlite3.Connection, name: str) -> None:
    """Raise if no task of that name is saved."""
    names = [row[0] for row in sql.execute("SELECT name FROM tasks ORDER BY name")]
    if name not in names:
        known = f"the tasks are {', '.join(names[:8])}" if names else "no task is saved yet"
        raise TrackerError(f"there is no task {name!r}", hint=f"{known}{', …' if len(names) > 8 else ''}")


def _run(row: Sequence[Any]) -> RunRow:
    run_id, task, status, cause, reason, definition, outputs, *rest = row
    return RunRow(
        run_id,
        task,
        Status(status),
        cause,
        json.loads(reason),
        json.loads(definition),
        json.loads(outputs),
        *rest,
    )
