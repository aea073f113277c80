"""Keeps what arrived until it is dealt with. Knows no sender and no format."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from graph.clock import from_text, to_text
from graph.database import immediate
from graph.errors import StoreBusy, StoreError
from graph.record import dataclass

_NONE: Mapping[str, str] = MappingProxyType({})
_Arrival = tuple[str, bytes, datetime, Mapping[str, str]]  # source, payload, when, headers


class Box(StrEnum):
    """Letters lie apart by who deals with them; the words are those of the tables."""

    EVENTS = "inbox"
    HOOKS = "hook_inbox"


@dataclass(frozen=True, slots=True)
class Letter:
    """One stored body, and the headers without which it could not be read again."""

    letter_id: int
    source: str
    received_at: datetime
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)


class Inbox:
    """The table of one box. Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection, box: Box = Box.EVENTS) -> None:
        self._sql = connection
        self._box = box

    def put(self, source: str, payload: bytes, at: datetime, headers: Mapping[str, str] = _NONE) -> None:
        self._sql.execute(
            f"INSERT INTO {self._box}(source, received_at, payload, headers) VALUES (?, ?, ?, ?)",
            (source, to_text(at), payload, json.dumps(dict(headers)) if headers else "{}"),
        )

    def sources(self) -> list[str]:
        """Everybody of whom something is there."""
        rows = self._sql.execute(  # one step in the index for each, however many letters there are
            f"WITH RECURSIVE each(source) AS (SELECT min(source) FROM {self._box} UNION ALL"
            f" SELECT (SELECT min(source) FROM {self._box} WHERE source > each.source) FROM each"
            " WHERE each.source IS NOT NULL) SELECT source FROM each WHERE source IS NOT NULL"
        )
        return [source for (source,) in rows]

    def oldest(self, most: int, but_not: Iterable[int] = ()) -> list[Letter]:
        """The oldest of each source, as many of one as of another, so that none is held up by others.

        `but_not` are the numbers of letters to leave where they are.
        """
        sources, left = self.sources(), json.dumps([*but_not])
        share = max(1, most // max(1, len(sources)))
        letters = (letter for source in sources for letter in self._oldest_of(source, share, left))
        return sorted(letters, key=lambda letter: letter.letter_id)

    def holds_more_than(self, number: int) -> bool:
        return (
            self._sql.execute(f"SELECT 1 FROM {self._box} LIMIT 1 OFFSET ?", (number,)).fetchone() is not None
        )

    def count(self) -> int:
        return int(self._sql.execute(f"SELECT count(*) FROM {self._box}").fetchone()[0])

    def remove(self, letters: Iterable[Letter]) -> None:
        self._sql.executemany(
            f"DELETE FROM {self._box} WHERE id = ?", [(letter.letter_id,) for letter in letters]
        )

    def _oldest_of(self, source: str, most: int, left: str) -> list[Letter]:
        rows = self._sql.execute(
            f"SELECT id, received_at, payload, headers FROM {self._box} WHERE source = ?"
            " AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?",
            (source, left, most),
        )
        return [
            Letter(number, source, from_text(at), payload, json.loads(headers))
            for number, at, payload, headers in rows
        ]


class Slot:
    """Where letters are put in: those that arrive together share one transaction.

    Every writer waits for its own letter to be stored; under load one commit serves many of them.
    """

    def __init__(
        self, connection: sqlite3.Connection, arrived: Callable[[], None], box: Box = Box.EVENTS
    ) -> None:
        self._sql = connection
        self._inbox = Inbox(connection, box)
        self._arrived = arrived
        self._waiting: list[tuple[asyncio.Future[None], _Arrival]] = []

    async def put(
        self, source: str, payload: bytes, at: datetime, headers: Mapping[str, str] = _NONE
    ) -> None:
        """Store a letter; it survives a crash from then on. Raises `StoreError` where that cannot be."""
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._empty)
        self._waiting.append((stored, (source, payload, at, headers)))
        await stored

    def _empty(self) -> None:
        waiting, self._waiting = self._waiting, []
        fault = self._write([letter for _, letter in waiting])
        for stored, _ in waiting:
            if stored.done():  # its request is gone
                continue
            if fault is None:
                stored.set_result(None)
            else:
                stored.set_exception(fault)
        if fault is None:
            self._arrived()

    def _write(self, letters: Iterable[_Arrival]) -> StoreError | None:
        try:
            with immediate(self._sql):
                for source, payload, at, headers in letters:
                    self._inbox.put(source, payload, at, headers)
        except StoreBusy as error:
            return error
        except sqlite3.Error as error:
            return StoreError(f"the database cannot be written: {error}", hint="see whether the disk is full")
        return None
