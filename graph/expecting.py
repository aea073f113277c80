"""Which bases tasks are expected to take, before a build has told. Decides nothing and starts nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from graph.database import numbers
from graph.observing import Observations
from graph.record import dataclass
from graph.reference import ImageRef
from graph.words import Role, Via


@dataclass(frozen=True, slots=True)
class ExpectedBase:
    """A base as a scan found it. `place` is the step of a task file that names it, else empty."""

    reference: ImageRef
    role: Role
    via: Via
    place: str
    line: int


class Expectations:
    """Bases watched for tasks that have built nothing yet, apart from the edges, which builds record.

    Writing methods belong inside the caller's `immediate()`.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def expect(self, task_id: int, bases: Iterable[ExpectedBase], at: datetime) -> None:
        """Watch exactly these for the task, besides what its builds recorded. A move starts no build."""
        self.forget(task_id)
        self.expect_more(task_id, bases, at)

    def expect_more(self, task_id: int, bases: Iterable[ExpectedBase], at: datetime) -> None:
        """Watch these, too."""
        store = Observations(self._sql)
        for base in _strongest_first(bases):
            base_id = store.image_id(base.reference)
            self._sql.execute(
                "INSERT OR IGNORE INTO expected_bases VALUES (?, ?, ?, ?, ?, ?)",
                (task_id, base_id, base.role, base.via, base.place, base.line),
            )
            if base.reference.digest is None:  # a name pinned by digest cannot move
                store.watch(base_id, at)

    def forget(self, task_id: int) -> None:
        """The task is gone, or another one."""
        self._sql.execute("DELETE FROM expected_bases WHERE task_id = ?", (task_id,))

    def built(self, task_id: int, base_ids: Iterable[int]) -> None:
        """A build of the task has told its bases. What containers run after it is in no build, and stays."""
        self._sql.execute(
            "DELETE FROM expected_bases WHERE task_id = ?"
            " AND (via <> ? OR base_id IN (SELECT value FROM json_each(?)))",
            (task_id, Via.CMD, numbers(base_ids)),
        )

    def of_task(self, task_id: int) -> list[ExpectedBase]:
        """By name."""
        rows = self._sql.execute(
            "SELECT i.name, x.role, x.via, x.place, x.line FROM expected_bases x"
            " JOIN images i ON i.id = x.base_id WHERE x.task_id = ? ORDER BY i.name",
            (task_id,),
        )
        return [
            ExpectedBase(ImageRef.parse(name), Role(role), Via(via), place, line)
            for name, role, via, place, line in rows
        ]


def _strongest_first(bases: Iterable[ExpectedBase]) -> list[ExpectedBase]:
    """Of several places that name one image the runtime one counts, then the first."""
    return sorted(bases, key=lambda base: base.role is not Role.RUNTIME)
