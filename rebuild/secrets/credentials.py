"""Who a task is to registries: the table, and the values at the time of a run. Sends nothing anywhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from graph.clock import from_text, to_text
from graph.errors import InvalidReference, TrackerError, WrongUse
from graph.record import dataclass
from graph.reference import ImageRef
from rebuild.secrets.kept_source import FindCipher, keep, kept, told
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_reader import Places, line_of, read_secrets
from rebuild.secrets.secret_source import Opaque, Source


class UnknownCredential(TrackerError):
    """The task has none for that registry."""


class CredentialRefused(WrongUse):
    """A credential that cannot be added, changed or removed as asked."""


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """Values for one registry. Without a user name the password is a token of the registry's token server."""

    registry: str
    username: str | None
    password: Secret


@dataclass(frozen=True, slots=True)
class StoredCredential:
    """What may be shown: sources as text, `opaque` in the place of a value."""

    registry: str
    username: str | None
    password: str
    created_at: datetime
    updated_at: datetime


class RegistryCredentials:
    """The table. Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection, cipher: FindCipher) -> None:
        self._sql = connection
        self._cipher = cipher

    def add(
        self, task_id: int, login_server: str, *, username: Source | None, password: Source, at: datetime
    ) -> None:
        """Raises `CredentialRefused` where the task has one for that registry."""
        registry = registry_of(login_server)
        if self._known(task_id, registry):
            raise CredentialRefused(
                f"the task has a credential for {registry} already",
                hint="'tracker task credential update' changes it",
            )
        self._write(task_id, registry, username, password, at)

    def update(
        self,
        task_id: int,
        login_server: str,
        *,
        username: Source | None = None,
        password: Source | None = None,
        at: datetime,
    ) -> None:
        """Change what is given and leave the rest. Raises `UnknownCredential`, `CredentialRefused`."""
        registry = registry_of(login_server)
        row = self._must(task_id, registry)
        names = (credential_row(task_id, registry, "username"), credential_row(task_id, registry, "password"))
        new_name = row[0] if username is None else keep(_checked(username), self._cipher, names[0])
        new_password = row[1] if password is None else keep(_checked(password), self._cipher, names[1])
        self._sql.execute(
            "UPDATE credentials SET username = ?, password = ?, updated_at = ?"
            " WHERE task_id = ? AND registry = ?",
            (new_name, new_password, to_text(at), task_id, registry),
        )

    def remove(self, task_id: int, login_server: str) -> None:
        """Raises `UnknownCredential`."""
        registry = registry_of(login_server)
        self._must(task_id, registry)
        self._sql.execute("DELETE FROM credentials WHERE task_id = ? AND registry = ?", (task_id, registry))

    def list(self, task_id: int) -> list[StoredCredential]:
        """All of a task, by registry, without values; needs no key."""
        rows = self._sql.execute(
            "SELECT registry, username, password, created_at, updated_at FROM credentials"
            " WHERE task_id = ? ORDER BY registry",
            (task_id,),
        )
        return [
            StoredCredential(
                row[0],
                None if row[1] is None else told(row[1]),
                told(row[2]),
                from_text(row[3]),
                from_text(row[4]),
            )
            for row in rows
        ]

    def sources(self, task_id: int) -> dict[str, Source]:
        """By what they are for: `REGISTRY user name`, `REGISTRY password`. Raises `NotOurs`."""
        rows = self._sql.execute(
            "SELECT registry, username, password FROM credentials WHERE task_id = ? ORDER BY registry",
            (task_id,),
        )
        found: dict[str, Source] = {}
        for registry, username, password in rows:
            if username is not None:
                found[f"{registry} user name"] = kept(
                    username, self._cipher, credential_row(task_id, registry, "username")
                )
            found[f"{registry} password"] = kept(
                password, self._cipher, credential_row(task_id, registry, "password")
            )
        return found

    def _write(
        self, task_id: int, registry: str, username: Source | None, password: Source, at: datetime
    ) -> None:
        name = None
        if username is not None:
            name = keep(_checked(username), self._cipher, credential_row(task_id, registry, "username"))
        secret = keep(_checked(password), self._cipher, credential_row(task_id, registry, "password"))
        self._sql.execute(
            "INSERT INTO credentials(task_id, registry, username, password, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (task_id, registry, name, secret, to_text(at), to_text(at)),
        )

    def _known(self, task_id: int, registry: str) -> tuple[str | None, str] | None:
        found: tuple[str | None, str] | None = self._sql.execute(
            "SELECT username, password FROM credentials WHERE task_id = ? AND registry = ?",
            (task_id, registry),
        ).fetchone()
        return found

    def _must(self, task_id: int, registry: str) -> tuple[str | None, str]:
        found = self._known(task_id, registry)
        if found is None:
            known = ", ".join(stored.registry for stored in self.list(task_id)) or "none"
            raise UnknownCredential(
                f"the task has no credential for {registry}", hint=f"it has these: {known}"
            )
        return found


async def read_logins(sources: Mapping[str, Source], places: Places) -> tuple[RegistryLogin, ...]:
    """The values of `RegistryCredentials.sources`. Raises `SecretUnavailable`."""
    found = await read_secrets(sources, places)
    logins = []
    for purpose, secret in found.items():
        registry, _, part = purpose.partition(" ")
        if part == "password":
            name = found.get(f"{registry} user name")
            logins.append(RegistryLogin(registry, line_of(name).reveal() if name else None, line_of(secret)))
    return tuple(logins)


def registry_of(login_server: str) -> str:
    """The host as image names have it; `https://` and a slash at the end are forgiven."""
    host = login_server.strip().removeprefix("https://").removeprefix("http://").rstrip("/").lower()
    try:
        registry = ImageRef.parse("app", default_registry=host).registry
    except InvalidReference:
        registry = ""
    if not host or registry not in (host, "docker.io"):
        raise CredentialRefused(
            f"{login_server[:200]!r} is not a registry",
            hint="write host or host:port, such as shop.azurecr.io",
        )
    return registry


def _checked(source: Source) -> Source:
    if isinstance(source, Opaque) and not source.value:
        raise CredentialRefused("the user name or the password is empty", hint="give both, or leave it out")
    return source


def credential_row(task_id: int, registry: str, column: str) -> str:
    """What a value is bound to."""
    return f"credential {task_id} {registry} {column}"
