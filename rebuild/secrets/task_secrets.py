"""The secrets that are kept with a task, by what they are for: the table. Knows no values of sources."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from graph.clock import from_text, to_text
from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.secrets.kept_source import FindCipher, keep, kept, told
from rebuild.secrets.secret_source import Opaque, Source

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class SecretUse(StrEnum):
    """What a secret of a task is for."""

    BUILD = "build"  # its name is the id of `RUN --mount=type=secret`
    VALUE = "value"  # `.Values.NAME` of a template
    GIT = "git"  # the token or USER:PASSWORD that fetches the context; one a task
    SSH = "ssh"  # the private key that does so over ssh; one a task
    QUERY = "query"  # of the URL of the context, which may be a signature; one a task
    UPDATE = "update-trigger"  # handed to the endpoint of the base-image trigger; one a task
    HOOK = "hook"  # what a sender of events proves itself with; one a task


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """What may be shown: the source as text, `opaque` in the place of a value."""

    use: SecretUse
    name: str
    source: str
    updated_at: datetime


class TaskSecrets:
    """The table. Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection, cipher: FindCipher) -> None:
        self._sql = connection
        self._cipher = cipher

    def set(self, task_id: int, use: SecretUse, name: str, source: Source, at: datetime) -> None:
        """Add it, or replace the one of that name; the name is empty for the uses of one a task."""
        check_secret_name(use, name)
        if isinstance(source, Opaque) and not source.value:
            raise WrongUse(
                f"the secret {name or use} is empty", hint="give a value or a source, or leave it out"
            )
        self._sql.execute(
            "INSERT INTO task_secrets(task_id, use, name, source, updated_at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT(task_id, use, name) DO UPDATE SET source = excluded.source,"
            " updated_at = excluded.updated_at",
            (
                task_id,
                use,
                name,
                keep(source, self._cipher, task_secret_row(task_id, use, name)),
                to_text(at),
            ),
        )

    def replace(self, task_id: int, use: SecretUse, sources: Mapping[str, Source], at: datetime) -> None:
        """Make these the only ones of that use."""
        self._sql.execute("DELETE FROM task_secrets WHERE task_id = ? AND use = ?", (task_id, use))
        for name, source in sources.items():
            self.set(task_id, use, name, source, at)

    def remove(self, task_id: int, use: SecretUse, name: str = "") -> bool:
        """Whether there was one."""
        done = self._sql.execute(
            "DELETE FROM task_secrets WHERE task_id = ? AND use = ? AND name = ?", (task_id, use, name)
        )
        return done.rowcount > 0

    def list(self, task_id: int) -> list[StoredSecret]:
        """All of a task, without values; needs no key."""
        rows = self._sql.execute(
            "SELECT use, name, source, updated_at FROM task_secrets WHERE task_id = ? ORDER BY use, name",
            (task_id,),
        )
        return [StoredSecret(SecretUse(row[0]), row[1], told(row[2]), from_text(row[3])) for row in rows]

    def sources(self, task_id: int, use: SecretUse) -> dict[str, Source]:
        """By name; for the uses of one a task that is empty. Raises `rebuild.secrets.cipher.NotOurs`."""
        rows = self._sql.execute(
            "SELECT name, source FROM task_secrets WHERE task_id = ? AND use = ? ORDER BY name",
            (task_id, use),
        )
        return {name: kept(text, self._cipher, task_secret_row(task_id, use, name)) for name, text in rows}


def check_secret_name(use: SecretUse, name: str) -> str:
    """Names become file names and parts of options of the engine. Raises `WrongUse`."""
    match use:
        case SecretUse.GIT | SecretUse.SSH | SecretUse.QUERY | SecretUse.UPDATE | SecretUse.HOOK:
            fits = name == ""
        case SecretUse.BUILD | SecretUse.VALUE:
            fits = _NAME.fullmatch(name) is not None
    if not fits:
        raise WrongUse(
            f"secret name {name[:80]!r} is not valid: up to 128 letters, digits, '_', '-' and '.'",
            hint="write a name such as npm_token",
        )
    return name


def task_secret_row(task_id: int, use: SecretUse, name: str) -> str:
    """What a value is bound to."""
    return f"secret {task_id} {use} {name}"
