"""Judges of each change, a little after it, whether an event has told of it. Asks no registry."""

from __future__ import annotations

import random
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import assert_never

import structlog

from graph.clock import from_text
from graph.database import immediate
from graph.record import dataclass
from graph.reference import ImageRef
from graph.store import GraphStore
from tracker.events.kind import is_for_whole_registry
from tracker.events.sender import Sender
from tracker.metrics import Metrics
from tracker.watching.event_path import EventPath, places_of
from tracker.watching.event_paths import EventPaths
from tracker.watching.watch import Intervals

GRACE = timedelta(minutes=1)  # by which an event may come later than the change, or sooner

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Seen:
    """A change of a watched reference as it was seen here. `heard`: place and time of the last word of it."""

    image_id: int
    reference: ImageRef
    at: datetime
    heard: tuple[str, datetime] | None


class Verdict(Enum):
    """What a change says about the events."""

    TOLD = auto()
    MISSED = auto()
    NOTHING = auto()  # nobody could have told: no event is expected there, or nobody listened


def judge(seen: Seen, *, is_expected: bool, listened: bool) -> Verdict:
    """`is_expected`: the place has a sender; `listened`: this process ran when the event was due."""
    if seen.heard is not None and seen.heard[1] >= seen.at - GRACE:
        return Verdict.TOLD
    return Verdict.MISSED if is_expected and listened else Verdict.NOTHING


class EventReview:
    """Keeps the paths, and with them the intervals, as the changes say. Call `go_on` now and then."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        intervals: Intervals,
        doublings: dict[str, int],
        senders: Mapping[str, Sender],
        metrics: Metrics,
        *,
        now: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`doublings` are those of the intervals; they are kept up to date from here."""
        self._sql = connection
        self._store = EventPaths(connection)
        self._intervals = intervals
        self._doublings = doublings
        self._senders = senders
        self._metrics = metrics
        self._now = now
        self._chance = chance
        self._began_at = now()
        self._judged_to = self._newest()
        self._noted: deque[tuple[datetime, int]] = deque()  # the newest change at that time
        self._is_begun = False

    def go_on(self) -> None:
        """Judge what is due. Raises `StoreBusy`."""
        if not self._is_begun:
            self._begin()
        now, newest = self._now(), self._newest()
        if newest > (self._noted[-1][1] if self._noted else self._judged_to):
            self._noted.append((now, newest))
        while self._noted and now - self._noted[0][0] >= GRACE:
            seen_at, up_to = self._noted[0]
            self._judge_all(up_to, seen_at)
            self._noted.popleft()

    def _begin(self) -> None:
        """Nobody listened before: what is asked about seldom is asked about soon, once."""
        paths = self._paths()
        with immediate(self._sql):
            for path in paths.values():
                if path.doublings:
                    self._ask_soon(path.place)
        self._stretch(paths.values())
        self._is_begun = True

    def _judge_all(self, up_to: int, seen_at: datetime) -> None:
        """In one transaction what all changes so far say."""
        missed: list[tuple[EventPath, Seen]] = []
        paths = self._paths()
        with immediate(self._sql):
            for seen in self._changes(up_to):
                missed += [(path, seen) for path in self._learn(seen, paths, seen_at)]
            for path, _ in missed:
                self._ask_soon(path.place)
        self._judged_to = up_to
        self._stretch(paths.values())
        for path, seen in missed:
            self._metrics.missed(seen.reference.registry)
            log.warning("an event was missed", reference=str(seen.reference), source=path.source)

    def _learn(self, seen: Seen, paths: dict[str, EventPath], seen_at: datetime) -> Iterable[EventPath]:
        """Change the paths that a change speaks of; those that missed it."""
        concerned = [paths[place] for place in places_of(seen.reference) if place in paths]
        usual_s = self._intervals.of(seen.reference.registry)
        caught_up_at = self._began_at + timedelta(seconds=usual_s * (1 + self._intervals.jitter)) + GRACE
        match judge(seen, is_expected=bool(concerned), listened=seen_at > caught_up_at):
            case Verdict.NOTHING:
                return []
            case Verdict.TOLD:
                changed = [path.after_told(seen.at) for path in concerned if path.place == _word_of(seen)]
                missed = []
            case Verdict.MISSED:
                missed = changed = [path.after_missed(str(seen.reference), seen.at) for path in concerned]
            case other:
                assert_never(other)
        for path in changed:
            paths[path.place] = path
            self._store.keep(path)
        return missed

    def _paths(self) -> dict[str, EventPath]:
        """By place: those of today's senders, and those that the settings let expect."""
        known = {path.place: path for path in self._store.all() if path.source in self._senders}
        expected = {
            sender.naming.registry: EventPath(sender.naming.registry, sender.name)
            for sender in self._senders.values()
            if sender.naming.registry and is_for_whole_registry(sender.kind)
        }
        return expected | known

    def _changes(self, up_to: int) -> list[Seen]:
        rows = self._sql.execute(
            "SELECT h.image_id, i.name, h.observed_at FROM observation_history h JOIN images i"
            " ON i.id = h.image_id JOIN observations o ON o.image_id = h.image_id WHERE h.id > ?"
            " AND h.id <= ? AND h.previous_id IS NOT NULL AND o.due_at IS NOT NULL ORDER BY h.id",
            (self._judged_to, up_to),
        ).fetchall()
        return [
            Seen(image_id, ImageRef.parse(name), from_text(at), self._store.heard(image_id))
            for image_id, name, at in rows
        ]

    def _ask_soon(self, place: str) -> None:
        """Spread over the usual interval what the longer one has put off."""
        usual_s = self._intervals.of(place.partition("/")[0])
        now = self._now()
        store = GraphStore(self._sql)
        for image_id in store.watched_in(place, due_after=now + timedelta(seconds=usual_s)):
            store.schedule([image_id], now + timedelta(seconds=usual_s * self._chance()))

    def _stretch(self, paths: Iterable[EventPath]) -> None:
        self._doublings.clear()
        self._doublings.update({path.place: path.doublings for path in paths if path.doublings})

    def _newest(self) -> int:
        row = self._sql.execute("SELECT coalesce(max(id), 0) FROM observation_history").fetchone()
        return int(row[0])


def _word_of(seen: Seen) -> str:
    return seen.heard[0] if seen.heard is not None else ""
