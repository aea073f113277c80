"""What every command that changes tasks begins with: the database, one transaction, the time."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from graph.clock import now
from graph.database import immediate
from rebuild.kept_source import FindCipher
from rebuild.task import Task, Tasks
from tracker.cli.looking import find_place
from tracker.cli.main import Place
from tracker.equipping import cipher_of
from tracker.state import State


@dataclass(frozen=True, slots=True)
class Change:
    """One transaction on the state: all that is written through `sql` counts, or nothing."""

    state: State
    sql: sqlite3.Connection
    cipher: FindCipher
    at: datetime

    def task(self, name: str) -> Task:
        """Raises `rebuild.task.UnknownTask`."""
        return Tasks(self.sql).named(name)


@contextlib.contextmanager
def changing(place: Place) -> Iterator[Change]:
    """Open the database for writing, and commit at the end if nothing was raised."""
    state, _ = find_place(place)
    connection = state.write()
    try:
        with immediate(connection):
            yield Change(state, connection, cipher_of(state.folder, os.environ), now())
    finally:
        connection.close()
