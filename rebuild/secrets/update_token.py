"""The token that the endpoint of a base-image trigger is handed: kept encrypted with its task. Sends none."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from rebuild.secrets.kept_source import FindCipher
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_source import Opaque, Source
from rebuild.secrets.task_secrets import SecretUse, TaskSecrets


def remember_token(
    connection: sqlite3.Connection, cipher: FindCipher, task_id: int, token: Secret, at: datetime
) -> None:
    """What the endpoint is handed from now on; an empty one is none. Belongs inside `immediate()`."""
    kept: dict[str, Source] = {"": Opaque(token)} if token else {}
    TaskSecrets(connection, cipher).replace(task_id, SecretUse.UPDATE, kept, at)


def kept_token(connection: sqlite3.Connection, cipher: FindCipher, task_id: int) -> Secret | None:
    """Raises `rebuild.secrets.cipher.NotOurs`."""
    source = TaskSecrets(connection, cipher).sources(task_id, SecretUse.UPDATE).get("")
    return source.value if isinstance(source, Opaque) else None
