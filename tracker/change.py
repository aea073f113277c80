"""One transaction in which something of the state changes, whoever asked for it. Opens no database."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from graph.record import dataclass
from rebuild.secrets.kept_source import FindCipher
from rebuild.tasks.task import Task, Tasks


@dataclass(frozen=True, slots=True)
class Change:
    """All that is written through `sql` counts, or nothing; `at` is the time of all of it."""

    sql: sqlite3.Connection
    cipher: FindCipher
    at: datetime

    def task(self, name: str) -> Task:
        """Raises `rebuild.tasks.task.UnknownTask`."""
        return Tasks(self.sql).named(name)
