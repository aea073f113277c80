"""How far events about a place have proved to come, and how much less it is polled for that. All pure.

A change is told if an event named the reference at about the time when anybody here saw it move, our own
pushes included; if only a poll or a build saw it, the event was missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from graph.record import dataclass
from graph.reference import ImageRef
from tracker.events.kind import Kind, is_for_whole_registry

TOLD_LEAST = 3  # changes in a row, the first and the last of them so far apart:
PROVED_OVER = timedelta(days=1)
DOUBLINGS_MOST = 20


@dataclass(frozen=True, slots=True)
class EventPath:
    """What came of the changes in a place: a registry, or one repository of it."""

    place: str
    source: str  # the sender that told last
    told: int = 0  # in a row
    told_since: datetime | None = None  # the first of them
    told_at: datetime | None = None  # the last of them
    missed: int = 0  # in all
    missed_at: datetime | None = None
    missed_name: str | None = None  # what moved then

    @property
    def doublings(self) -> int:
        """How often the interval is doubled: with the last change of the proof, and with each since."""
        if self.told < TOLD_LEAST or self.told_since is None or self.told_at is None:
            return 0
        if self.told_at - self.told_since < PROVED_OVER:
            return 0
        return min(self.told - TOLD_LEAST + 1, DOUBLINGS_MOST)

    def after_told(self, at: datetime) -> EventPath:
        return replace(self, told=self.told + 1, told_since=self.told_since or at, told_at=at)

    def after_missed(self, name: str, at: datetime) -> EventPath:
        """One miss, and all that was proved counts no more."""
        return replace(
            self,
            told=0,
            told_since=None,
            told_at=None,
            missed=self.missed + 1,
            missed_at=at,
            missed_name=name,
        )


def place_of(kind: Kind, reference: ImageRef) -> str:
    """What one subscription of the kind tells about, so that what comes of one change speaks for it.

    A distribution registry sends its events of every repository. With the others somebody chose
    repositories, and a webhook of one's own on Docker Hub says nothing of the official images.
    """
    return reference.registry if is_for_whole_registry(kind) else reference.name


def places_of(reference: ImageRef) -> Iterator[str]:
    """Every place whose path may be one of the reference."""
    yield reference.registry
    yield reference.name
