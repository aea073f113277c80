"""Encrypts values for the database, each bound to its row. Knows the keys, not what the values open."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from graph.errors import TrackerError, WrongUse
from rebuild.secret import Secret

CREDENTIAL = "tracker-key"  # its name in the unit: LoadCredentialEncrypted=tracker-key:…
KEY_FILE = "master.key"  # in the state folder
KEY_FILE_BYTES_MOST = 64 * 1024
_NEW_KEY = "head -c 32 /dev/urandom | basenc --base64url"


class KeyUnusable(WrongUse):
    """The key is not there, not one, or not for our eyes alone."""


class NotOurs(TrackerError):
    """A value that no key opens, or that belongs to another row."""


class Cipher:
    """The first key encrypts, every key decrypts. Neither shows in its `repr`."""

    __slots__ = ("_fernet",)

    def __init__(self, keys: Iterable[Secret]) -> None:
        self._fernet = MultiFernet([Fernet(key.reveal()) for key in keys])

    def seal(self, secret: Secret, row: str) -> str:
        """The encrypted text; `row` says where it will stand, and it is worth nothing elsewhere."""
        return self._fernet.encrypt(json.dumps([row, secret.reveal()]).encode()).decode()

    def open(self, sealed: str, row: str) -> Secret:
        """Raises `NotOurs`."""
        try:
            bound_to, text = json.loads(self._fernet.decrypt(sealed))
        except (InvalidToken, ValueError):
            raise NotOurs(
                f"the value of {row} does not open with the key of this machine",
                hint=f"put the key that it was encrypted with back, as one more line of {KEY_FILE} or of the "
                f"credential {CREDENTIAL}, or set the value anew",
            ) from None
        if bound_to != row:
            raise NotOurs(
                f"the value of {row} was encrypted for {bound_to}: somebody moved it",
                hint="set the value anew",
            )
        return Secret(text)

    def reseal(self, sealed: str, row: str) -> str:
        """The same value, encrypted with the first key."""
        return self.seal(self.open(sealed, row), row)


def find_cipher(state_folder: Path, environment: Mapping[str, str]) -> Cipher:
    """With the key of the systemd credential, else with that of the key file, which is made at first need.

    Where there is a credential, a key file opens what was encrypted without it, by a command for example.
    Raises `KeyUnusable`.
    """
    path = state_folder / KEY_FILE
    given = _credential(environment)
    if given is None:
        return Cipher(_keys(_key_file(path), path))
    keys = _keys(given[1], given[0])
    if path.exists():
        keys += _keys(_key_file(path), path)
    return Cipher(keys)


def _credential(environment: Mapping[str, str]) -> tuple[Path, bytes] | None:
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return None
    path = Path(folder) / CREDENTIAL
    try:
        return path, path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyUnusable(
            f"the credential {path} cannot be read: {error.strerror}",
            hint="systemd shows it to the user of the unit alone: run as that user",
        ) from None


def _key_file(path: Path) -> bytes:
    try:
        return _read_private(path)
    except FileNotFoundError:
        _make_key_file(path)
        return _read_private(path)


def _read_private(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeyUnusable(
            f"key file {path} cannot be read: {error.strerror}",
            hint="run as the user that tracker runs as; a link is not followed",
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KeyUnusable(f"key file {path} is not a file", hint="remove it, and a new key is made")
        if status.st_uid not in (0, os.geteuid()):
            raise KeyUnusable(f"key file {path} belongs to another user", hint=f"chown {os.geteuid()} {path}")
        if status.st_mode & 0o077:
            raise KeyUnusable(
                f"key file {path} may be read or written by others (mode {status.st_mode & 0o777:04o})",
                hint=f"chmod 600 {path}; if it may have been read, put a new key on line 1: {_NEW_KEY}",
            )
        return file.read(KEY_FILE_BYTES_MOST + 1)


def _make_key_file(path: Path) -> None:
    """As a whole or not at all; of two processes that make one at once, the first counts."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(Fernet.generate_key() + b"\n")
                file.flush()
                os.fsync(descriptor)
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
        finally:
            temporary.unlink()
    except OSError as error:
        raise KeyUnusable(
            f"cannot make the key file {path}: {error.strerror}",
            hint="the state folder must be this user's to write",
        ) from None


def _keys(content: bytes, path: Path) -> list[Secret]:
    if len(content) > KEY_FILE_BYTES_MOST:
        raise KeyUnusable(f"{path} is over {KEY_FILE_BYTES_MOST} bytes, which no list of keys is")
    keys = []
    for number, line in enumerate(content.splitlines(), start=1):
        key = line.strip()
        if not key or key.startswith(b"#"):
            continue
        try:
            Fernet(key)
        except ValueError:
            raise KeyUnusable(
                f"{path}:{number}: not a key: 32 bytes as URL-safe base64", hint=f"make one with: {_NEW_KEY}"
            ) from None
        keys.append(Secret(key.decode()))
    if not keys:
        raise KeyUnusable(f"{path} holds no key", hint=f"make one with: {_NEW_KEY}")
    return keys
