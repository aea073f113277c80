"""Commits that wait for their run: the table, and what a task does at a commit. Chooses nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from graph.clock import from_text, to_text
from graph.record import dataclass
from rebuild.context.where import Git, Source
from rebuild.runs.definition import Definition, DockerStep, Revision


@dataclass(frozen=True, slots=True)
class Request:
    """A commit that waits for its run."""

    request_id: int
    task_id: int
    revision: Revision
    reason: list[dict[str, Any]]


class Requests:
    """The table of commits that wait for their run. Writing methods belong inside `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def put(
        self, task_id: int, subject: str, revision: Revision, reason: Mapping[str, Any], at: datetime
    ) -> None:
        """The newest commit of a subject takes the place of the one that waits; it keeps its turn."""
        self._sql.execute(
            "INSERT INTO source_requests(task_id, subject, revision, reason, asked_at)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT(task_id, subject) DO UPDATE SET"
            " revision = excluded.revision, reason = excluded.reason, asked_at = excluded.asked_at,"
            " due_at = ''",
            (task_id, subject, json.dumps(revision.to_plain()), json.dumps([dict(reason)]), to_text(at)),
        )

    def drop(self, task_id: int, subject: str) -> None:
        self._sql.execute("DELETE FROM source_requests WHERE task_id = ? AND subject = ?", (task_id, subject))

    def remove(self, request: Request) -> None:
        """It has its run."""
        self._sql.execute("DELETE FROM source_requests WHERE id = ?", (request.request_id,))

    def tasks(self, at: datetime) -> frozenset[int]:
        """Those that have something to build by now: with the first that is tried again all of its commit,
        or an image would be built before its base, and then anew."""
        due = (
            "SELECT task_id FROM source_requests WHERE json_extract(revision, '$.commit') IN"
            " (SELECT json_extract(revision, '$.commit') FROM source_requests WHERE due_at <= ?)"
        )
        return frozenset(row[0] for row in self._sql.execute(due, (to_text(at),)))

    def next_due(self, at: datetime) -> datetime | None:
        """When the next of those comes up whose time has not come."""
        later = "SELECT min(due_at) FROM source_requests WHERE due_at > ?"
        (due_at,) = self._sql.execute(later, (to_text(at),)).fetchone()
        return from_text(due_at) if due_at else None

    def later_of(self, task_id: int, at: datetime) -> list[tuple[str, str, datetime]]:
        """Its commits that are to be tried again: the branch or tag, the commit, and when; soonest first."""
        rows = self._sql.execute(
            "SELECT subject, json_extract(revision, '$.commit'), due_at FROM source_requests"
            " WHERE task_id = ? AND due_at > ? ORDER BY due_at, id",
            (task_id, to_text(at)),
        )
        return [(subject, commit, from_text(due_at)) for subject, commit, due_at in rows]

    def first_of_each_task(self) -> dict[int, Request]:
        """Task → what it is to build next, due or not: a base that moves takes it along."""
        rows = self._sql.execute(
            "SELECT id, task_id, revision, reason FROM source_requests ORDER BY due_at, id"
        )
        first: dict[int, Request] = {}
        for number, task_id, revision, reason in rows:
            if task_id not in first:
                told = Revision(**json.loads(revision))
                first[task_id] = Request(number, task_id, told, json.loads(reason))
        return first


def at_revision(definition: Definition, revision: Revision) -> Definition:
    """What the task does, at that commit and no other; a pull request is only tried out."""
    place = Source.parse(definition.context).place
    assert isinstance(place, Git)
    pinned = replace(definition, context=str(Source(replace(place, ref=revision.commit))), revision=revision)
    if not pinned.is_trial or not isinstance(pinned.step, DockerStep):
        return pinned.rebuilt()
    return replace(pinned, step=replace(pinned.step, images=(), push=False))
