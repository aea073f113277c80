"""All encrypted values of the database: which keys open them, and encrypting them anew. Shows none."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from graph.errors import TrackerError
from graph.record import dataclass
from rebuild.secrets.cipher import Cipher, NotOurs
from rebuild.secrets.credentials import credential_row
from rebuild.secrets.kept_source import SEALED
from rebuild.secrets.run_secrets import run_secret_row
from rebuild.secrets.task_secrets import SecretUse, task_secret_row


@dataclass(frozen=True, slots=True)
class _Column:
    """Values of one kind. `select` gives the text, the name of whom it is of, and the key of its row."""

    select: str
    update: str  # takes the text and the key
    row: Callable[..., str]  # by the key: what a value is bound to
    place: Callable[..., str]  # by the name and the key: where it stands, for people


@dataclass(frozen=True, slots=True)
class SealedValue:
    """One encrypted value: what it is bound to, where it stands, and where that is for people."""

    sealed: str
    row: str
    place: str
    update: str
    key: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """How many values the first key opens, how many only another one, and which ones none opens."""

    current: int
    older: int
    closed: tuple[str, ...]


def sealed_values(sql: sqlite3.Connection) -> list[SealedValue]:
    """Every one there is, in an order that stays."""
    return [
        SealedValue(text, column.row(*key), column.place(name, *key), column.update, tuple(key))
        for column in _COLUMNS
        for text, name, *key in sql.execute(column.select)
        if text is not None and text.startswith(SEALED)
    ]


def check_sealed(sql: sqlite3.Connection, cipher: Cipher) -> Opened:
    """Try the keys on every value."""
    current, older, closed = 0, 0, []
    for value in sealed_values(sql):
        text = value.sealed.removeprefix(SEALED)
        try:
            cipher.open(text, value.row)
        except NotOurs:
            closed.append(value.place)
        else:
            is_current = cipher.is_current(text)
            current, older = current + is_current, older + (not is_current)
    return Opened(current, older, tuple(closed))


def reseal(sql: sqlite3.Connection, cipher: Cipher) -> int:
    """Encrypt every value with the first key, so that the others may go; answers how many.

    Belongs inside `immediate()`: all or none. Raises `TrackerError` where one does not open.
    """
    values = sealed_values(sql)
    for value in values:
        try:
            sealed = SEALED + cipher.reseal(value.sealed.removeprefix(SEALED), value.row)
        except NotOurs as error:
            raise TrackerError(
                f"no key opens the {value.place}: nothing was changed",
                hint=f"set it anew or remove it, then try again; {error.hint}",
            ) from None
        sql.execute(value.update, (sealed, *value.key))
    return len(values)


def _of_credentials(column: str) -> _Column:
    return _Column(
        f"SELECT c.{column}, t.name, c.task_id, c.registry FROM credentials c"
        " JOIN tasks t ON t.id = c.task_id ORDER BY c.task_id, c.registry",
        f"UPDATE credentials SET {column} = ? WHERE task_id = ? AND registry = ?",
        row=lambda task_id, registry: credential_row(task_id, registry, column),
        place=lambda task, task_id, registry: f"{column} of task {task} for {registry}",
    )


_COLUMNS = (
    _of_credentials("username"),
    _of_credentials("password"),
    _Column(
        "SELECT s.source, t.name, s.task_id, s.use, s.name FROM task_secrets s"
        " JOIN tasks t ON t.id = s.task_id ORDER BY s.task_id, s.use, s.name",
        "UPDATE task_secrets SET source = ? WHERE task_id = ? AND use = ? AND name = ?",
        row=lambda task_id, use, name: task_secret_row(task_id, SecretUse(use), name),
        place=lambda task, task_id, use, name: f"secret {name or use} of task {task}",
    ),
    _Column(
        "SELECT s.source, r.id, s.run, s.use, s.name FROM run_secrets s JOIN runs r ON r.number = s.run"
        " ORDER BY s.run, s.use, s.name",
        "UPDATE run_secrets SET source = ? WHERE run = ? AND use = ? AND name = ?",
        row=lambda run, use, name: run_secret_row(run, SecretUse(use), name),
        place=lambda run_id, run, use, name: f"secret {name or use} of run {run_id}",
    ),
)
