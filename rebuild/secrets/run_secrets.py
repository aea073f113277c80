"""The secrets that came with the wish for one run: kept encrypted until it has an outcome, then gone.

A trigger of the database deletes them when the run ends, whoever ends it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from rebuild.secrets.context_secrets import ContextSecrets
from rebuild.secrets.kept_source import FindCipher, keep, kept
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_source import Opaque, Source
from rebuild.secrets.task_secrets import SecretUse, check_secret_name


class RunSecrets:
    """The table. Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection, cipher: FindCipher) -> None:
        self._sql = connection
        self._cipher = cipher

    def replace(self, run: int, use: SecretUse, secrets: Mapping[str, Secret]) -> None:
        """Make these the only ones of that use, for the run of that number. Raises `WrongUse` for names."""
        self._sql.execute("DELETE FROM run_secrets WHERE run = ? AND use = ?", (run, use))
        for name, secret in secrets.items():
            check_secret_name(use, name)
            self._sql.execute(
                "INSERT INTO run_secrets(run, use, name, source) VALUES (?, ?, ?, ?)",
                (run, use, name, keep(Opaque(secret), self._cipher, run_secret_row(run, use, name))),
            )

    def open_context(self, run: int, secrets: ContextSecrets) -> None:
        """Keep what fetches the context of this run alone."""
        for use, secret in secrets.uses.items():
            self.replace(run, use, {"": secret})

    def sources(self, run: int, use: SecretUse) -> dict[str, Source]:
        """By name. Raises `rebuild.secrets.cipher.NotOurs`."""
        rows = self._sql.execute(
            "SELECT name, source FROM run_secrets WHERE run = ? AND use = ? ORDER BY name", (run, use)
        )
        return {name: kept(text, self._cipher, run_secret_row(run, use, name)) for name, text in rows}


def run_secret_row(run: int, use: SecretUse, name: str) -> str:
    """What a value is bound to."""
    return f"secret of run {run} {use} {name}"
