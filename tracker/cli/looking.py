"""What every command that only looks begins with: the database of its place, read-only."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from graph.clock import now
from graph.errors import StoreError
from tracker.cli.main import Place
from tracker.settings.written import Written, read_written
from tracker.state import State, find_config, find_state
from tracker.views.look import Look


@contextlib.contextmanager
def looking(place: Place) -> Iterator[Look]:
    """Open the database read-only and keep to one moment of it."""
    state, written = find_place(place)
    connection = state.read()
    try:
        connection.execute("BEGIN")
        yield Look(state, written, connection, now())
    except sqlite3.Error as error:
        raise _unreadable(state, error) from error
    finally:
        connection.close()


def find_place(place: Place) -> tuple[State, Written]:
    """The state folder, and the settings as written."""
    path = find_config(place.config)
    return find_state(place.state, path), read_written(path)


def _unreadable(state: State, error: sqlite3.Error) -> StoreError:
    if "no such table" in str(error) or "no such column" in str(error):
        return StoreError(
            f"the database {state.database} is of another version of tracker: {error}",
            hint="the next 'tracker build' or 'tracker serve' of this version brings it up to date",
        )
    return StoreError(
        f"cannot read the database {state.database}: {error}",
        hint="check that the folder is yours to read and that the file is tracker's",
    )
