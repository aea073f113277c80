"""Fetches secrets from where they are, several at once and each within a time. Knows no task and no run."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Protocol, assert_never

from graph.errors import TrackerError
from graph.record import dataclass
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_source import (
    FromCredential,
    FromEnvironment,
    FromFile,
    FromKeyVault,
    FromVault,
    Opaque,
    Source,
    mapped,
)

SECRET_BYTES_MOST = 64 * 1024
AT_ONCE = 5
TIMEOUT_S = 120.0


class SecretUnavailable(TrackerError):
    """A secret that cannot be had; names its id and its source."""


class Vault(Protocol):
    """HashiCorp Vault."""

    async def read(self, path: str, key: str) -> Secret:
        """Raises `SecretUnavailable`."""


@dataclass(frozen=True, slots=True)
class Places:
    """What whoever names a source may reach, and by which means."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    folders: tuple[Path, ...] | None = ()  # of `file:`; None: anywhere
    credentials: Path | None = None  # $CREDENTIALS_DIRECTORY
    hidden: frozenset[str] = frozenset()  # names in there that are the service's own
    keyvaults: Mapping[str, str] = field(default_factory=dict)
    vault: Vault | None = None
    prefix: str = ""  # of the variables that are given on, all others are not there

    @classmethod
    def of_user(
        cls,
        environment: Mapping[str, str],
        *,
        vault: Vault | None = None,
        keyvaults: Mapping[str, str] | None = None,
    ) -> Places:
        """For a command: who types it may read these files and variables anyway."""
        return cls(environment, None, _credentials(environment), frozenset(), keyvaults or {}, vault)

    @classmethod
    def of_service(
        cls,
        environment: Mapping[str, str],
        *,
        prefix: str,
        folders: tuple[Path, ...],
        vault: Vault | None = None,
        keyvaults: Mapping[str, str] | None = None,
    ) -> Places:
        """For the service, whose own environment, files and credentials are no task's: of its variables those
        that begin with `prefix`, of files those in `folders`."""
        lent = {name: text for name, text in environment.items() if name.startswith(prefix)}
        own = frozenset({"tracker-key", "vault-token", "vault-secret-id"})
        return cls(lent, folders, _credentials(environment), own, keyvaults or {}, vault, prefix)


async def read_secrets(
    wanted: Mapping[str, Source], places: Places, *, timeout_s: float = TIMEOUT_S
) -> dict[str, Secret]:
    """Every value by its id. Raises `SecretUnavailable` with all that failed, a line each."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(source: Source) -> Secret | SecretUnavailable:
        async with turns:
            try:
                async with asyncio.timeout(timeout_s):
                    return await read_secret(source, places)
            except TimeoutError:
                return SecretUnavailable(f"no answer within {timeout_s:g} s")
            except TrackerError as error:
                return SecretUnavailable(error.message, hint=error.hint)

    answers = await asyncio.gather(*(one(source) for source in wanted.values()))
    found, faults = {}, []
    for (secret_id, source), answer in zip(wanted.items(), answers, strict=True):
        if isinstance(answer, Secret):
            found[secret_id] = answer
        else:
            faults.append((f"secret {secret_id} from {source}: {answer.message}", answer.hint))
    if faults:
        raise SecretUnavailable("\n".join(message for message, _ in faults), hint=faults[0][1])
    return found


async def read_secret(source: Source, places: Places) -> Secret:
    """The value, byte for byte; whoever wants one line takes `line_of`. Raises `SecretUnavailable`."""
    match source:
        case Opaque(value=value):
            return value
        case FromFile(path=path):
            return await asyncio.to_thread(_read_file, _allowed(path, places))
        case FromEnvironment(name=name):
            return _variable(name, places)
        case FromCredential(name=name):
            return await asyncio.to_thread(_read_file, _credential(name, places))
        case FromVault(path=path, key=key):
            return await _vault(places).read(path, key)
        case FromKeyVault():
            return await read_secret(mapped(source, places.keyvaults), places)
        case _:
            assert_never(source)


def line_of(secret: Secret) -> Secret:
    """A password or a name without the line end that editors put behind it in a file."""
    return Secret(secret.reveal().rstrip("\r\n"))


def text_of(secret: Secret) -> Secret:
    """What a template is given: one line as a line, so that YAML does not fold its end into a space; several,
    as those of a key, as they are."""
    line = line_of(secret)
    return secret if "\n" in line.reveal() else line


def _allowed(path: Path, places: Places) -> Path:
    if places.folders is None:
        return path
    real = path.resolve()
    if any(real.is_relative_to(folder.resolve()) for folder in places.folders):
        return real
    allowed = ", ".join(map(str, places.folders)) or "none"
    raise SecretUnavailable(
        "tasks may not read that file",
        hint=f"put it into a folder that the setting secrets.folders names ({allowed})",
    )


def _variable(name: str, places: Places) -> Secret:
    value = places.environment.get(name)
    if value is not None:
        return Secret(value)
    if not name.startswith(places.prefix):
        raise SecretUnavailable(
            f"the service gives tasks only variables whose names begin with {places.prefix}",
            hint=f"set {places.prefix}{name} where the service runs, and name that",
        )
    raise SecretUnavailable("there is no such variable", hint="set it where tracker runs")


def _credential(name: str, places: Places) -> Path:
    if places.credentials is None or name in places.hidden:
        raise SecretUnavailable(
            "there is no such credential", hint=f"add LoadCredential={name}:PATH to the unit, and restart it"
        )
    return places.credentials / name


def _vault(places: Places) -> Vault:
    if places.vault is None:
        raise SecretUnavailable("no Vault is configured", hint="set VAULT_ADDR where tracker runs")
    return places.vault


def _read_file(path: Path) -> Secret:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SecretUnavailable("it is not a file")
            content = file.read(SECRET_BYTES_MOST + 1)
    except OSError as error:
        raise SecretUnavailable(f"it cannot be read: {error.strerror}") from None
    if len(content) > SECRET_BYTES_MOST:
        raise SecretUnavailable(f"it is over {SECRET_BYTES_MOST} bytes, which no secret may be")
    try:
        return Secret(content.decode())
    except UnicodeDecodeError:
        raise SecretUnavailable(
            "it is not UTF-8 text", hint="write it as base64, and decode it in the step"
        ) from None


def _credentials(environment: Mapping[str, str]) -> Path | None:
    folder = environment.get("CREDENTIALS_DIRECTORY")
    return Path(folder) if folder else None
