"""The one form in which what is asked of a service travels: records as JSON, with what is not said left out.

Values of secrets are in it in the clear: it is for the body of a request and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from rebuild.secrets.secret_source import (
    FromCredential,
    FromEnvironment,
    FromFile,
    FromKeyVault,
    FromVault,
    Opaque,
)
from rebuild.tasks.schedule import Schedule


class Route(NamedTuple):
    """A request: its path below /api/v1, and its body as JSON."""

    method: str
    path: str
    body: object = None


def quoted(part: str) -> str:
    """A name as one part of a path, or several where it has slashes."""
    return quote(part, safe="/:@")


def asked_json(asked: object) -> Any:
    """A record of what is asked, its values and those in it, as JSON has them."""
    match asked:
        case Opaque(value=secret):
            return f"opaque:{secret.reveal()}"
        case FromFile() | FromEnvironment() | FromCredential() | FromVault() | FromKeyVault() | Schedule():
            return str(asked)
        case Enum():
            return asked.value
        case Mapping():
            return {str(asked_json(name)): asked_json(value) for name, value in asked.items()}
        case Set():
            return sorted(asked_json(one) for one in asked)
        case Path():
            return str(asked)
        case list() | tuple():
            return [asked_json(one) for one in asked]
        case _ if is_dataclass(asked):
            said = ((field.name, getattr(asked, field.name)) for field in fields(asked))
            return {name: asked_json(value) for name, value in said if value is not None}
        case _:
            return asked
