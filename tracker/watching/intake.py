"""Writes answers of registries together with the runs that they cause, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from graph.database import immediate
from graph.store import GraphStore, Source
from tracker.metrics import Metrics
from tracker.watching.event_paths import EventPaths, Word
from tracker.watching.inbox import Inbox, Letter
from tracker.watching.watch import Answer, Intervals, next_due

log = structlog.get_logger()


class Look(Protocol):
    """Whoever turns a changed graph into runs."""

    def look_within(self) -> None:
        """Ask for the runs that are due now, inside the open transaction."""

    def start(self) -> None:
        """Start what was asked for, after the transaction."""


class Intake:
    """The one way by which observations enter the database of the service."""

    def __init__(
        self, connection: sqlite3.Connection, look: Look, metrics: Metrics, intervals: Intervals
    ) -> None:
        self._sql = connection
        self._store = GraphStore(connection)
        self._look = look
        self._metrics = metrics
        self._intervals = intervals

    def take(
        self,
        answers: Sequence[Answer],
        source: Source,
        letters: Sequence[Letter] = (),
        words: Sequence[Word] = (),
    ) -> int:
        """Write answers and what events told, remove the letters; answers how many references moved."""
        with immediate(self._sql):
            moved = [answer for answer in answers if self._write(answer, source)]
            EventPaths(self._sql).note(words)
            Inbox(self._sql).remove(letters)
            if moved:
                _tell(moved, source)
                self._look.look_within()
        if moved:
            self._metrics.changes.labels(source).inc(len(moved))
            self._look.start()
        return len(moved)

    def note(self, write: Callable[[], int]) -> int:
        """Another observation: `write` it, with the runs that it causes; answers what `write` does."""
        with immediate(self._sql):
            changed = write()
            if changed:
                self._look.look_within()
        if changed:
            self._look.start()
        return changed

    def _write(self, answer: Answer, source: Source) -> bool:
        watched = answer.watched
        self._store.schedule([watched.image_id], next_due(answer, self._intervals))
        if answer.error is not None:
            self._store.note_failure(watched.image_id, answer.error.message)
            return False
        if answer.manifests is None:
            self._store.confirm(watched.image_id, answer.at)
            return False
        return self._store.observe(watched.reference, answer.manifests, answer.at, source) is not None


def _tell(moved: Sequence[Answer], source: Source) -> None:
    for answer in moved:
        reference, before = answer.watched.reference, answer.watched.observed
        log.info(
            "reference moved",
            reference=str(reference),
            before=str(before) if before else None,
            after=str(answer.digest),
            source=source,
        )
