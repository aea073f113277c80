"""The file with the keys that encrypt stored values: read, made and replaced as a whole. Encrypts nothing."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from cryptography.fernet import Fernet

from graph.errors import WrongUse
from rebuild.secrets.secret import Secret

KEY_FILE = "master.key"  # in the state folder
KEY_FILE_BYTES_MOST = 64 * 1024
_NEW_KEY = "head -c 32 /dev/urandom | basenc --base64url"


class KeyUnusable(WrongUse):
    """The key is not there, not one, or not for our eyes alone."""


def new_key() -> Secret:
    return Secret(Fernet.generate_key().decode())


def read_keys(path: Path) -> list[Secret]:
    """The first encrypts, every one opens; none where there is no such file. Raises `KeyUnusable`."""
    try:
        content = _read_private(path)
    except FileNotFoundError:
        return []
    return parse_keys(content, path)


def make_key_file(path: Path) -> list[Secret]:
    """With a new key, as a whole or not at all; of two processes that make one at once, the first counts."""
    try:
        temporary = _write_private(path, _lines([new_key()]))
        try:
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
        finally:
            temporary.unlink()
    except OSError as error:
        raise _cannot("make", path, error) from None
    return read_keys(path)


def replace_key_file(path: Path, keys: Iterable[Secret]) -> None:
    """Whoever reads it, and whatever is killed, finds the old keys or the new ones. Raises `KeyUnusable`."""
    try:
        temporary = _write_private(path, _lines(keys))
        os.chown(temporary, path.stat().st_uid, path.stat().st_gid)
        temporary.rename(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _cannot("replace", path, error) from None


def _lines(keys: Iterable[Secret]) -> bytes:
    return "".join(f"{key.reveal()}\n" for key in keys).encode()


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


def _write_private(path: Path, content: bytes) -> Path:
    """A file beside it with that content, on the disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    return temporary


def _cannot(verb: str, path: Path, error: OSError) -> KeyUnusable:
    return KeyUnusable(
        f"cannot {verb} the key file {path}: {error.strerror}",
        hint="the state folder must be this user's to write",
    )


def parse_keys(content: bytes, path: Path) -> list[Secret]:
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
