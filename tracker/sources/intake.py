"""The one way by which what happened in repositories becomes runs, in one transaction. Polls nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import structlog

from graph.database import immediate
from rebuild.sources.event import SourceEvent
from rebuild.sources.wishes import Asked, ask_for
from tracker.watching.intake import Look

log = structlog.get_logger()


def _nothing(asked: Sequence[Asked]) -> None:
    """Nothing led to the events that has to go with them."""


class SourceIntake:
    """Turns events of repositories into runs of the tasks whose source triggers they match."""

    def __init__(self, connection: sqlite3.Connection, look: Look, now: Callable[[], datetime]) -> None:
        self._sql = connection
        self._look = look
        self._now = now

    def take(
        self, events: Iterable[SourceEvent], settle: Callable[[Sequence[Asked]], None] = _nothing
    ) -> list[Asked]:
        """Ask for the runs of the events, oldest event first; `settle` is given what came of them and writes,
        in the same transaction, that they are dealt with. What was taken before, or is older than that,
        changes nothing.
        """
        with immediate(self._sql):
            asked = [one for event in events for one in ask_for(self._sql, event, self._now())]
            settle(asked)
            if any(one.wants_run for one in asked):
                self._look.look_within()
        for one in asked:
            log.info("source event", task=one.task, effect=one.effect, subject=one.subject, commit=one.commit)
        if any(one.wants_run for one in asked):
            self._look.start()
        return asked
