"""Saved definitions with their names: the table of tasks. Carries nothing out."""

from __future__ import annotations

import re
import sqlite3
from datetime import datetime

from graph.clock import from_text, to_text
from graph.errors import TrackerError, WrongUse
from graph.following import Followings
from graph.record import dataclass
from graph.store import GraphStore
from rebuild.runs.definition import Definition
from rebuild.sources.repository_url import key_of

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,50}")


class UnknownTask(TrackerError):
    """No task of that name is saved."""


@dataclass(frozen=True, slots=True)
class Task:
    """A saved definition with its name."""

    task_id: int
    name: str
    definition: Definition
    enabled: bool = True


def check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise WrongUse(
            f"task name {name!r} is not valid: 1 to 50 letters, digits, '_' and '-'",
            hint=f"write {re.sub(r'[^a-zA-Z0-9_-]+', '-', name)[:50] or 'my-task'!r}",
        )
    return name


class Tasks:
    """The table of tasks. Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def save(self, name: str, definition: Definition, at: datetime) -> Task:
        """Add the task, or give the one of that name a new definition; its images are its own from now on.

        Where the definition does not tell them all, those of earlier runs stay until the next one has told.
        """
        check_name(name)
        self._forget_commits(name, definition)
        moment = to_text(at)
        row = self._sql.execute(
            "INSERT INTO tasks(name, definition, repository, created_at, updated_at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT(name) DO UPDATE SET definition = excluded.definition,"
            " repository = excluded.repository, updated_at = excluded.updated_at RETURNING id, enabled",
            (name, definition.to_json(), key_of(definition.context), moment, moment),
        ).fetchone()
        store = GraphStore(self._sql)
        if definition.tells_all_images:
            store.release_images(row[0])
        store.claim_images(row[0], definition.images)
        Followings(self._sql).retell(row[0], definition.follow, at)
        return Task(row[0], name, definition, bool(row[1]))

    def _forget_commits(self, name: str, definition: Definition) -> None:
        """What was seen of another repository, or wanted of it, says nothing of this one."""
        for table in ("source_requests", "source_commits"):
            self._sql.execute(
                f"DELETE FROM {table} WHERE task_id = (SELECT id FROM tasks WHERE name = ?"
                " AND json_extract(definition, '$.context') <> ?)",
                (name, definition.context),
            )

    def exists(self, name: str) -> bool:
        return self._sql.execute("SELECT 1 FROM tasks WHERE name = ?", (name,)).fetchone() is not None

    def set_enabled(self, task_id: int, *, enabled: bool) -> None:
        """A task that is disabled runs only when somebody asks for it."""
        self._sql.execute("UPDATE tasks SET enabled = ? WHERE id = ?", (enabled, task_id))

    def delete(self, task_id: int) -> None:
        """Remove the row, and what belongs to it alone. Its runs stay, and know no task from now on."""
        self._sql.execute("UPDATE runs SET task_id = NULL WHERE task_id = ?", (task_id,))
        # The number may be given to another task.
        self._sql.execute("UPDATE builds SET task_id = NULL WHERE task_id = ?", (task_id,))
        self._sql.execute("DELETE FROM tasks WHERE id = ?", (task_id,))

    def times(self, task_id: int) -> tuple[datetime, datetime]:
        """When it was first saved, and last."""
        row = self._sql.execute(
            "SELECT created_at, updated_at FROM tasks WHERE id = ?", (task_id,)
        ).fetchone()
        return from_text(row[0]), from_text(row[1])

    def get(self, task_id: int) -> Task:
        return self._one("id = ?", task_id)

    def name_of(self, task_id: int | None) -> str | None:
        """None for the task of a quick run, and for one that is removed."""
        row = self._sql.execute("SELECT name FROM tasks WHERE id = ?", (task_id,)).fetchone()
        return str(row[0]) if row else None

    def named(self, name: str) -> Task:
        return self._one("name = ?", name)

    def of_run(self, run_id: str) -> Task | None:
        """The task that a run belongs to; None for a quick run, and once the task is removed."""
        row = self._sql.execute("SELECT task_id FROM runs WHERE id = ?", (run_id,)).fetchone()
        return self.get(row[0]) if row and row[0] is not None else None

    def all(self) -> list[Task]:
        rows = self._sql.execute("SELECT id, name, definition, enabled FROM tasks ORDER BY name")
        return [_task(row) for row in rows]

    def paused(self) -> frozenset[int]:
        return frozenset(row[0] for row in self._sql.execute("SELECT id FROM tasks WHERE NOT enabled"))

    def _one(self, condition: str, value: object) -> Task:
        row = self._sql.execute(
            f"SELECT id, name, definition, enabled FROM tasks WHERE {condition}", (value,)
        ).fetchone()
        if row is None:
            raise UnknownTask(
                f"there is no task {value}",
                hint="'tracker task list' shows those that there are, 'tracker task create' makes one",
            )
        return _task(row)


def _task(row: tuple[int, str, str, int]) -> Task:
    return Task(row[0], row[1], Definition.from_json(row[2]), bool(row[3]))
