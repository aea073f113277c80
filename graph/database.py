"""Opens the one SQLite file and gives transactions on it. Knows no table."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from graph.errors import StoreBusy, StoreError

BUSY_TIMEOUT_S = 10.0
SCHEMA = 12  # the number of steps in graph.migrations, which a file carries once they are applied


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open or create the file; the tables are those of the migrations that the caller applies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = _connect(f"file:{_quoted(path)}?mode=rwc", path)
    with _writing(connection):
        connection.execute("PRAGMA journal_mode=WAL")
    # Killed processes lose nothing with NORMAL; a power cut may lose the last moments, which polling repairs.
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open an existing file without being able to change it."""
    if not path.exists():
        raise StoreError(
            f"no database at {path}: nothing has been recorded yet",
            hint="record a build with 'tracker build CONTEXT -t NAME', save a task with"
            " 'tracker task create', or name the folder with --state",
        )
    connection = _connect(f"file:{_quoted(path)}?mode=ro", path)
    if schema_of(connection) != SCHEMA:
        release = "a newer release" if schema_of(connection) > SCHEMA else "an older release"
        connection.close()
        raise StoreError(
            f"the database {path} was written by {release} of tracker",
            hint="'tracker check' or starting the service brings an older one up to date",
        )
    return connection


def schema_of(connection: sqlite3.Connection) -> int:
    """How many steps of the graph's migrations the file has been through."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def steps_applied(connection: sqlite3.Connection) -> dict[str, int]:
    """How many steps of each set of migrations the file has been through, as sqlite-utils notes them."""
    noted = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlite_migrations'"
    if connection.execute(noted).fetchone() == (0,):
        return {}
    return dict(
        connection.execute("SELECT migration_set, count(*) FROM _sqlite_migrations GROUP BY migration_set")
    )


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
    BEGIN IMMEDIATE waits for its turn; `StoreBusy` is raised where that does not come.
    """
    _begin(connection)
    try:
        yield
    except BaseException as error:
        connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.OperationalError) and _is_read_only(error):
            raise _read_only(connection) from error
        raise
    connection.execute("COMMIT")


def _begin(connection: sqlite3.Connection) -> None:
    with _writing(connection):
        connection.execute("BEGIN IMMEDIATE")


@contextlib.contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[None]:
    """Says why nothing can be written, and what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if _is_read_only(error):
            raise _read_only(connection) from error
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        raise StoreBusy(
            "another process holds the database and does not let go of it",
            hint="a backup or an open sqlite3 shell may do so: end it, and try again",
        ) from error


def _is_read_only(error: sqlite3.OperationalError) -> bool:
    return bool(getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY)


def _read_only(connection: sqlite3.Connection) -> StoreError:
    file = connection.execute("PRAGMA database_list").fetchone()[2]
    return StoreError(
        f"the database {file} is not this user's to write",
        hint="do it as the user that owns it, as with 'sudo -u tracker', or ask the service with --server;"
        " the folder around it must be writable, too",
    )


@contextlib.contextmanager
def consistent(connection: sqlite3.Connection) -> Iterator[None]:
    """Several reads of one moment, whatever others write meanwhile. May stand inside `immediate()`."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")  # nothing was written


def numbers(values: Iterable[int]) -> str:
    """A list of numbers as one parameter, for `json_each`."""
    return "[" + ",".join(map(str, values)) + "]"
