"""Opens the one SQLite file and gives transactions on it. Knows no table."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from graph.errors import StoreError

BUSY_TIMEOUT_S = 10.0


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open or create the file; the tables are those of the migrations that the caller applies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = _connect(f"file:{_quoted(path)}?mode=rwc", path)
    connection.execute("PRAGMA journal_mode=WAL")
    # Killed processes lose nothing with NORMAL; a power cut may lose the last moments, which polling repairs.
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open an existing file without being able to change it."""
    if not path.exists():
        raise StoreError(
            f"no database at {path}: nothing has been recorded yet",
            hint="record a build with 'tracker build CONTEXT -t NAME', or name the folder with --state",
        )
    return _connect(f"file:{_quoted(path)}?mode=ro", path)


def _connect(uri: str, path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"cannot open the database {path}: {error}",
            hint="check that the folder is yours to read and that the file is tracker's",
        ) from error
    return connection


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


@contextlib.contextmanager
def immediate(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: all of it or nothing.

    BEGIN alone takes the lock at the first write, and fails at once if another process wrote in between;
    BEGIN IMMEDIATE waits for its turn.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
