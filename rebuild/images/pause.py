"""A registry that is not asked at once: why, until when, and one line of it for whoever waits."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from graph.record import dataclass

TOLD_FROM_S = 2.0  # a shorter pause is over before it is read
_SAME_S = 1.0  # requests that are refused together wait for the same moment


@dataclass(frozen=True, slots=True)
class Pause:
    """`why` begins with the registry. One that is `standing` holds for every request, as a pace does."""

    why: str
    seconds: float
    until: datetime
    standing: bool = False

    def __str__(self) -> str:
        at = self.until.astimezone(UTC)
        return f"waiting until {at:%H:%M:%S} UTC, {math.ceil(self.seconds)} s: {self.why}"


OnPause = Callable[[Pause], None]


class PauseTeller:
    """Says every pause once, however many requests wait for its end."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._until: dict[str, datetime] = {}  # by registry
        self._standing: set[str] = set()

    def __call__(self, pause: Pause) -> None:
        if pause.seconds < TOLD_FROM_S or pause.why in self._standing:
            return
        registry = pause.why.partition(": ")[0]
        told = self._until.get(registry)
        if told is not None and pause.until <= told + timedelta(seconds=_SAME_S):
            return
        if pause.standing:
            self._standing.add(pause.why)
        else:
            self._until[registry] = pause.until
        self._say(str(pause))
