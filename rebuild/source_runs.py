"""From an event of a repository to the wishes of the tasks that it matches, in the caller's transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rebuild.source_event import SourceEvent


class Effect(StrEnum):
    """What came of an event for one task whose repository it is of."""

    ASKED = "asked"  # a run is wanted
    KNOWN = "known"  # this commit was taken before
    LATE = "late"  # the ref has gone on since
    DELETED = "deleted"
    UNWANTED = "unwanted"  # the trigger does not want it; the reason says why


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of an event for one task."""

    task_id: int
    task: str
    effect: Effect
    subject: str
    commit: str
    reason: str = ""

    @property
    def wants_run(self) -> bool:
        return self.effect is Effect.ASKED


def ask_for(connection: sqlite3.Connection, event: SourceEvent, at: datetime) -> list[Asked]:
    """What becomes of the event, for each task whose repository it is of. Belongs inside `immediate()`."""
    raise NotImplementedError
