"""Sets of platforms as the database keeps them, and which manifest of an index a platform uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TypeVar

from graph.reference import Platform

_Held = TypeVar("_Held")


def joined(platforms: Iterable[Platform]) -> str:
    """`linux/amd64,linux/arm64`: sorted, each once."""
    return ",".join(str(platform) for platform in sorted(set(platforms)))


@lru_cache(maxsize=1024)
def split(text: str) -> tuple[Platform, ...]:
    """What `joined` joined."""
    return tuple(Platform.parse(part) for part in text.split(",") if part)


def pick(held: Mapping[Platform, _Held], platform: Platform) -> _Held | None:
    """What an index holds for a platform: its own entry, else that of the best variant that runs on it."""
    return next((held[candidate] for candidate in platform.compatible if candidate in held), None)
