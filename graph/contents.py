"""Remembers what digests hold: manifests of platforms, layers. A digest never changes its content."""

from __future__ import annotations

import json
import sqlite3

from graph.model import BaseContent, Manifests
from graph.reference import Digest, Platform


class Contents:
    """Numbers of digests, and what is in them, on one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    @property
    def connection(self) -> sqlite3.Connection:
        """That of the graph, for who reads other tables of it."""
        return self._sql

    def digest_id(self, digest: Digest) -> int:
        """The number of a digest, giving it one if it is new."""
        row = self._sql.execute("SELECT id FROM digests WHERE value = ?", (str(digest),)).fetchone()
        return int(row[0]) if row else self._insert("INSERT INTO digests(value) VALUES (?)", (str(digest),))

    def remember_manifests(self, manifests: Manifests) -> int:
        """Keep what a digest holds, once for ever; answers its number."""
        index_id = self.digest_id(manifests.digest)
        row = self._sql.execute("SELECT looked_into FROM digests WHERE id = ?", (index_id,)).fetchone()
        if not row[0]:
            held = [(index_id, str(p), self.digest_id(d)) for p, d in manifests.platforms.items()]
            self._sql.executemany("INSERT OR IGNORE INTO manifests VALUES (?, ?, ?)", held)
            self._sql.execute("UPDATE digests SET looked_into = 1 WHERE id = ?", (index_id,))
        return index_id

    def known_manifests(self, digest: Digest) -> Manifests | None:
        """What a digest holds; None if nobody has looked into it."""
        row = self._sql.execute(
            "SELECT id FROM digests WHERE value = ? AND looked_into = 1", (str(digest),)
        ).fetchone()
        if row is None:
            return None
        rows = self._sql.execute(
            "SELECT m.platform, d.value FROM manifests m JOIN digests d ON d.id = m.digest_id"
            " WHERE m.index_id = ?",
            row,
        )
        return Manifests(digest, {Platform.parse(platform): Digest.parse(held) for platform, held in rows})

    def remember_content(self, digest: Digest, content: BaseContent) -> None:
        """Keep what one platform's manifest leads to."""
        diff_ids = json.dumps([str(diff_id) for diff_id in content.diff_ids])
        self._sql.execute(
            "INSERT INTO layers(digest_id, diff_ids, of_docker) VALUES (?, ?, ?)"
            " ON CONFLICT(digest_id) DO UPDATE SET of_docker = excluded.of_docker",
            (self.digest_id(digest), diff_ids, content.of_docker),
        )

    def content_of(self, digest: Digest) -> BaseContent | None:
        """The content of a platform's manifest; None if it was never asked for, or not for all of it."""
        row = self._sql.execute(
            "SELECT l.diff_ids, l.of_docker FROM layers l JOIN digests d ON d.id = l.digest_id"
            " WHERE d.value = ? AND l.of_docker IS NOT NULL",
            (str(digest),),
        ).fetchone()
        if row is None:
            return None
        return BaseContent(tuple(Digest.parse(text) for text in json.loads(row[0])), bool(row[1]))

    def _insert(self, statement: str, values: tuple[object, ...]) -> int:
        added = self._sql.execute(statement, values)
        assert added.lastrowid is not None
        return added.lastrowid
