"""Keeps what arrived until it is dealt with. Knows no sender and no format."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from graph.clock import from_text, to_text


@dataclass(frozen=True, slots=True)
class Letter:
    """One stored body."""

    letter_id: int
    source: str
    received_at: datetime
    payload: bytes


class Inbox:
    """The inbox table. Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def put(self, source: str, payload: bytes, at: datetime) -> None:
        self._sql.execute(
            "INSERT INTO inbox(source, received_at, payload) VALUES (?, ?, ?)", (source, to_text(at), payload)
        )

    def oldest(self, most: int) -> list[Letter]:
        rows = self._sql.execute(
            "SELECT id, source, received_at, payload FROM inbox ORDER BY id LIMIT ?", (most,)
        )
        return [Letter(number, source, from_text(at), payload) for number, source, at, payload in rows]

    def count(self) -> int:
        return int(self._sql.execute("SELECT count(*) FROM inbox").fetchone()[0])

    def remove(self, letters: Iterable[Letter]) -> None:
        self._sql.executemany("DELETE FROM inbox WHERE id = ?", [(letter.letter_id,) for letter in letters])
