"""The form in which a source of a secret stands in the database: only a value itself is encrypted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rebuild.secrets.secret_source import Opaque, Source, parse_source

if TYPE_CHECKING:  # most commands need no cipher, and loading one takes longer than they do
    from rebuild.secrets.cipher import Cipher

FindCipher = Callable[[], "Cipher"]  # asked only where a value is at hand: no key is made before

SEALED = "sealed:"


def keep(source: Source, cipher: FindCipher, row: str) -> str:
    """The text for the database; `row` names the place where it will stand."""
    if isinstance(source, Opaque):
        return SEALED + cipher().seal(source.value, row)
    return str(source)


def kept(text: str, cipher: FindCipher, row: str) -> Source:
    """Raises `rebuild.secrets.cipher.NotOurs`."""
    if text.startswith(SEALED):
        return Opaque(cipher().open(text.removeprefix(SEALED), row))
    return parse_source(text)


def told(text: str) -> str:
    """What may be shown of it, without a key."""
    return "opaque" if text.startswith(SEALED) else text
