"""Encrypts values for the database, each bound to its row. Knows the keys, not what the values open."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from graph.errors import TrackerError
from rebuild.secrets.key_file import KEY_FILE, KeyUnusable, make_key_file, parse_keys, read_keys
from rebuild.secrets.secret import Secret

__all__ = ["CREDENTIAL", "KEY_FILE", "Cipher", "KeyUnusable", "NotOurs", "credential_keys", "find_cipher"]

CREDENTIAL = "tracker-key"  # its name in the unit: LoadCredentialEncrypted=tracker-key:…


class NotOurs(TrackerError):
    """A value that no key opens, or that belongs to another row."""


class Cipher:
    """The first key encrypts, every key decrypts. Neither shows in its `repr`."""

    __slots__ = ("_fernet", "_first")

    def __init__(self, keys: Iterable[Secret]) -> None:
        fernets = [Fernet(key.reveal()) for key in keys]
        self._fernet, self._first = MultiFernet(fernets), fernets[0]

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
                f"credential {CREDENTIAL}, or set the value anew; 'tracker key check' tells whose it is",
            ) from None
        if bound_to != row:
            raise NotOurs(
                f"the value of {row} was encrypted for {bound_to}: somebody moved it",
                hint="set the value anew",
            )
        return Secret(text)

    def is_current(self, sealed: str) -> bool:
        """Whether the first key opens it, so that it needs none of the others."""
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            return False
        return True

    def reseal(self, sealed: str, row: str) -> str:
        """The same value, encrypted with the first key."""
        return self.seal(self.open(sealed, row), row)


def find_cipher(state_folder: Path, environment: Mapping[str, str]) -> Cipher:
    """With the key of the systemd credential, else with that of the key file, which is made at first need.

    Where there is a credential, a key file opens what was encrypted without it, by a command for example.
    Raises `KeyUnusable`.
    """
    path = state_folder / KEY_FILE
    given = credential_keys(environment)
    if given is None:
        return Cipher(read_keys(path) or make_key_file(path))
    return Cipher([*given, *read_keys(path)])


def credential_keys(environment: Mapping[str, str]) -> list[Secret] | None:
    """None where systemd hands no key to this process."""
    found = _credential(environment)
    return None if found is None else parse_keys(found[1], found[0])


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
