"""The repositories that source triggers look at: when each is due, what its refs pointed to. Asks nobody."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from graph.clock import from_text, to_text
from graph.record import dataclass
from rebuild.context.refs import RefKind
from rebuild.context.where import Git, Source
from rebuild.secrets.web_url import WebUrl
from rebuild.sources.repository_url import Repository, is_same_repository, repository
from rebuild.tasks.task import Task, Tasks
from rebuild.tasks.triggers import SourceTrigger, Triggers


@dataclass(frozen=True, slots=True)
class Follower:
    """A task that looks at a repository."""

    task: Task
    trigger: SourceTrigger
    context: Git


@dataclass(frozen=True, slots=True)
class Watched:
    """A repository as it was at the last look. `kinds` are those of the refs that were seen then."""

    repository_id: int
    url: str
    host: str
    kinds: frozenset[RefKind] = frozenset()
    failures: int = 0
    confirmed: int = 0

    @property
    def is_new(self) -> bool:
        return not self.kinds


@dataclass(frozen=True, slots=True)
class Standing:
    """How asking a repository goes, for people."""

    url: str
    due_at: datetime
    asked_at: datetime | None
    failures: int
    fault: str | None
    hint: str | None
    confirmed: int
    missed: int


def followers(connection: sqlite3.Connection) -> dict[str, list[Follower]]:
    """Who looks at which repository, by one of its URLs: the same for all tasks that look at it."""
    groups: dict[tuple[str, Repository], list[Follower]] = {}
    tasks = Tasks(connection)
    for task_id, trigger in Triggers(connection).sources():
        task = tasks.get(task_id)
        place = Source.parse(task.definition.context).place
        named = repository(place.url) if isinstance(place, Git) else None
        if isinstance(place, Git) and named is not None:
            groups.setdefault((place.scheme, named), []).append(Follower(task, trigger, place))
    return {min(one.context.url for one in group): group for group in groups.values()}


def host_of(url: str) -> str:
    """Who is asked for it; empty for a folder of this machine."""
    parsed = WebUrl.parse(url)
    if parsed is not None:
        return parsed.authority
    named = repository(url)
    return named.host if named else ""


_WATCHED = "id, url, host, kinds, failures, confirmed"


class Repositories:
    """The two tables. Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def known(self) -> frozenset[str]:
        return frozenset(row[0] for row in self._sql.execute("SELECT url FROM repositories"))

    def add(self, url: str, due_at: datetime) -> None:
        self._sql.execute(
            "INSERT INTO repositories(url, host, due_at) VALUES (?, ?, ?)",
            (url, host_of(url), to_text(due_at)),
        )

    def forget(self, urls: Iterable[str]) -> None:
        """Those that nobody looks at any more."""
        self._sql.executemany("DELETE FROM repositories WHERE url = ?", [(url,) for url in urls])

    def has(self, watched: Watched) -> bool:
        """Whether somebody still looks at it."""
        same = (watched.repository_id, watched.url)
        found = self._sql.execute("SELECT 1 FROM repositories WHERE id = ? AND url = ?", same).fetchone()
        return found is not None

    def due(self, at: datetime, most: int, but_not_of: Iterable[str] = ()) -> list[Watched]:
        """The longest due first, without those of some hosts."""
        rows = self._sql.execute(
            f"SELECT {_WATCHED} FROM repositories WHERE due_at <= ?"
            " AND host NOT IN (SELECT value FROM json_each(?)) ORDER BY due_at LIMIT ?",
            (to_text(at), json.dumps(list(but_not_of)), most),
        )
        return [_watched(row) for row in rows]

    def put_off(self, host: str, later_than: datetime) -> list[Watched]:
        """Those of a host that are due later, though they do answer."""
        rows = self._sql.execute(
            f"SELECT {_WATCHED} FROM repositories WHERE host = ? AND due_at > ? AND failures = 0",
            (host, to_text(later_than)),
        )
        return [_watched(row) for row in rows]

    def hosts(self) -> list[str]:
        return [row[0] for row in self._sql.execute("SELECT DISTINCT host FROM repositories")]

    def heads(self, watched: Watched) -> dict[str, str]:
        """Full names of refs, with the commits that they pointed to."""
        rows = self._sql.execute(
            "SELECT ref, commit_id FROM repository_heads WHERE repository_id = ?", (watched.repository_id,)
        )
        return dict(rows.fetchall())

    def set_heads(self, watched: Watched, heads: Mapping[str, str]) -> None:
        """Write what is different from what is there."""
        before = self.heads(watched)
        gone = [(watched.repository_id, ref) for ref in before if ref not in heads]
        new = [
            (watched.repository_id, ref, commit) for ref, commit in heads.items() if before.get(ref) != commit
        ]
        self._sql.executemany("DELETE FROM repository_heads WHERE repository_id = ? AND ref = ?", gone)
        self._sql.executemany("INSERT OR REPLACE INTO repository_heads VALUES (?, ?, ?)", new)

    def answered(self, watched: Watched, kinds: Iterable[RefKind], at: datetime) -> None:
        """It was asked, and told these kinds of refs."""
        self._sql.execute(
            "UPDATE repositories SET asked_at = ?, kinds = ?, failures = 0, is_host_down = 0, fault = NULL,"
            " hint = NULL WHERE id = ?",
            (to_text(at), " ".join(sorted(kinds)), watched.repository_id),
        )

    def count(self, watched: Watched, *, confirmed: int, missed: int) -> None:
        """`confirmed` changes in a row had been told by webhooks; `missed` more had not."""
        self._sql.execute(
            "UPDATE repositories SET confirmed = ?, missed = missed + ? WHERE id = ?",
            (confirmed, missed, watched.repository_id),
        )

    def failed(self, watched: Watched, fault: str, hint: str | None, *, is_host_down: bool) -> None:
        self._sql.execute(
            "UPDATE repositories SET failures = failures + 1, is_host_down = ?, fault = ?, hint = ?"
            " WHERE id = ?",
            (is_host_down, fault[:500], hint, watched.repository_id),
        )

    def schedule(self, watched: Watched, due_at: datetime) -> None:
        self._sql.execute(
            "UPDATE repositories SET due_at = ? WHERE id = ?", (to_text(due_at), watched.repository_id)
        )

    def ask_failed(self, urls: Iterable[str], at: datetime) -> None:
        """Those of these that did not answer are due, whatever their pause."""
        self._sql.executemany(
            "UPDATE repositories SET due_at = ? WHERE url = ? AND failures > 0",
            [(to_text(at), url) for url in urls],
        )

    def spare_host(self, host: str, until: datetime) -> None:
        """The host is down: its repositories are not asked before."""
        self._sql.execute(
            "UPDATE repositories SET due_at = ?2 WHERE host = ?1 AND due_at < ?2", (host, to_text(until))
        )

    def failures_of_host(self, host: str) -> int:
        """How often in a row the host was found to be down."""
        return int(
            self._sql.execute(
                "SELECT coalesce(max(failures), 0) FROM repositories WHERE host = ? AND is_host_down", (host,)
            ).fetchone()[0]
        )

    def standing_of(self, context: Git) -> Standing | None:
        """Of the repository of a task, None where it is not asked."""
        same = (one for one in self.standing() if is_same_repository(one.url, context.url))
        return next(same, None)

    def standing(self) -> list[Standing]:
        """All, by URL."""
        rows = self._sql.execute(
            "SELECT url, due_at, asked_at, failures, fault, hint, confirmed, missed FROM repositories"
            " ORDER BY url"
        )
        return [
            Standing(row[0], from_text(row[1]), from_text(row[2]) if row[2] else None, *row[3:])
            for row in rows
        ]


def _watched(row: Sequence[Any]) -> Watched:
    return Watched(row[0], row[1], row[2], _kinds(row[3]), row[4], row[5])


def _kinds(text: str) -> frozenset[RefKind]:
    return frozenset(map(RefKind, text.split()))
