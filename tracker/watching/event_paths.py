"""Keeps what events told of, and what came of the paths that they take. Judges nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from graph.clock import from_text, to_text
from graph.record import dataclass
from tracker.watching.event_path import EventPath


@dataclass(frozen=True, slots=True)
class Word:
    """An event that told of a watched image."""

    image_id: int
    place: str
    source: str
    heard_at: datetime


class EventPaths:
    """The tables of words and paths. Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def note(self, words: Iterable[Word]) -> None:
        """Remember the newest word of each image; the first of a place makes its path."""
        newest = {word.image_id: word for word in words}.values()  # a storm tells the same many times
        self._sql.executemany(
            "INSERT INTO event_words(image_id, place, heard_at) VALUES (?, ?, ?) ON CONFLICT(image_id)"
            " DO UPDATE SET place = excluded.place, heard_at = max(heard_at, excluded.heard_at)",
            [(word.image_id, word.place, to_text(word.heard_at)) for word in newest],
        )
        self._sql.executemany(
            "INSERT INTO event_paths(place, source) VALUES (?, ?) ON CONFLICT(place)"
            " DO UPDATE SET source = excluded.source WHERE source <> excluded.source",
            {(word.place, word.source) for word in newest},
        )

    def heard(self, image_id: int) -> tuple[str, datetime] | None:
        """Of which path, and when, an event last told of the image."""
        row = self._sql.execute(
            "SELECT place, heard_at FROM event_words WHERE image_id = ?", (image_id,)
        ).fetchone()
        return (row[0], from_text(row[1])) if row else None

    def all(self) -> list[EventPath]:
        rows = self._sql.execute(
            "SELECT place, source, told, told_since, told_at, missed, missed_at, missed_name"
            " FROM event_paths ORDER BY place"
        )
        return [
            EventPath(place, source, told, _time(since), _time(told_at), missed, _time(missed_at), name)
            for place, source, told, since, told_at, missed, missed_at, name in rows
        ]

    def keep(self, path: EventPath) -> None:
        """Write a path as it is now."""
        times = [at and to_text(at) for at in (path.told_since, path.told_at, path.missed_at)]
        self._sql.execute(
            "INSERT OR REPLACE INTO event_paths(place, source, told, told_since, told_at, missed, missed_at,"
            " missed_name) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (path.place, path.source, path.told, *times[:2], path.missed, times[2], path.missed_name),
        )


def _time(text: str | None) -> datetime | None:
    return from_text(text) if text else None
