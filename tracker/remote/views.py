"""Brings what a command prints here from a service, as the same value. Knows none of these values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from msgspec import ValidationError, convert

from tracker.remote.client import Client, Unreachable

View = TypeVar("View")


def told_view(client: Client, name: str, kind: type[View], asked: Mapping[str, object]) -> View:
    """Raises `Unreachable` where the service tells of something else, and what `Client.get` does."""
    told = client.get(f"/views/{name}", **asked)
    try:
        return convert(told, kind, str_keys=True, strict=False)
    except ValidationError as error:
        raise Unreachable(
            f"{client.address} speaks of '{name}' otherwise: {error}",
            hint="use the same version of tracker here and there",
        ) from error
