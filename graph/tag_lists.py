"""Keeps which tags registries list, and which repositories to ask next. Compares no tags, asks nobody."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from graph.clock import from_text, to_text
from graph.record import dataclass


@dataclass(frozen=True, slots=True)
class KnownList:
    """The tags of a repository, as they were listed last."""

    tags: tuple[str, ...]
    checked_at: datetime
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class ListedRepository:
    """A repository whose tags are asked for. `name` has its registry."""

    name: str
    known: KnownList | None = None
    failures: int = 0  # in a row

    @property
    def registry(self) -> str:
        return self.name.partition("/")[0]


class TagLists:
    """One table. Methods that write belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def watch(self, repository: str, at: datetime) -> None:
        """Ask for its tags from now on; for one that is asked already nothing changes."""
        self._sql.execute(
            "INSERT OR IGNORE INTO tag_lists(repository, due_at) VALUES (?, ?)", (repository, to_text(at))
        )

    def known(self, repository: str) -> KnownList | None:
        found = self._listed("repository = ?", repository)
        return found[0].known if found else None

    def due(self, now: datetime, limit: int, but_not_of: Iterable[str] = ()) -> list[ListedRepository]:
        """Those whose time has come, longest overdue first, without those of some registries."""
        return self._listed(
            "due_at <= ? AND substr(repository, 1, instr(repository, '/') - 1) NOT IN"
            " (SELECT value FROM json_each(?)) ORDER BY due_at, repository LIMIT ?",
            to_text(now),
            json.dumps([*but_not_of]),
            limit,
        )

    def all(self) -> list[ListedRepository]:
        return self._listed("1 ORDER BY repository")

    def observe(self, repository: str, tags: Sequence[str], etag: str | None, at: datetime) -> bool:
        """Note what the registry listed; answers whether that is another list than before."""
        text, moment = json.dumps(tags), to_text(at)
        row = self._sql.execute("SELECT tags FROM tag_lists WHERE repository = ?", (repository,)).fetchone()
        if row is None:  # nobody follows it any more
            return False
        self._sql.execute(
            "UPDATE tag_lists SET changed_at = CASE WHEN tags IS ?1 THEN changed_at ELSE ?3 END, tags = ?1,"
            " etag = ?2, checked_at = ?3, failures = 0, error = NULL WHERE repository = ?4",
            (text, etag, moment, repository),
        )
        return bool(row[0] != text)

    def note_failure(self, repository: str, error: str) -> None:
        self._sql.execute(
            "UPDATE tag_lists SET failures = failures + 1, error = ? WHERE repository = ?",
            (error, repository),
        )

    def schedule(self, repository: str, due_at: datetime) -> None:
        self._sql.execute(
            "UPDATE tag_lists SET due_at = ? WHERE repository = ?", (to_text(due_at), repository)
        )

    def hasten(self, repositories: Iterable[str], due_at: datetime) -> int:
        """Ask no later than then for the lists of those in which something is followed; answers how many."""
        hastened = self._sql.execute(
            "UPDATE tag_lists SET due_at = ?1 WHERE due_at > ?1"
            " AND repository IN (SELECT value FROM json_each(?2))",
            (to_text(due_at), json.dumps(sorted(repositories))),
        )
        return hastened.rowcount

    def forget_unused(self) -> None:
        """Those in which nothing is followed any more."""
        self._sql.execute(
            "DELETE FROM tag_lists WHERE NOT EXISTS"
            " (SELECT 1 FROM followings f WHERE f.repository = tag_lists.repository)"
        )

    def _listed(self, condition: str, *values: object) -> list[ListedRepository]:
        rows = self._sql.execute(
            f"SELECT repository, failures, tags, checked_at, etag FROM tag_lists WHERE {condition}", values
        )
        return [
            ListedRepository(
                name,
                KnownList(tuple(json.loads(tags)), from_text(checked_at), etag) if tags is not None else None,
                failures,
            )
            for name, failures, tags, checked_at, etag in rows
        ]
