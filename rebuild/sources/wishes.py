"""From an event of a repository to the wishes of the tasks that it matches, in the caller's transaction.

A commit waits as a request until the look at the graph finds that its time has come; what tries out a pull
request is a run at once, for no image depends on it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from graph.clock import to_text
from graph.record import dataclass
from rebuild.context.where import Git
from rebuild.runs.record import Cause
from rebuild.runs.table import Runs, Status
from rebuild.sources.event import SourceEvent
from rebuild.sources.match import cause_of, follows, is_of, needs_default_branch, revision_of, wants
from rebuild.sources.repository_url import key_of
from rebuild.sources.requests import Requests, at_revision
from rebuild.tasks.task import Task, Tasks
from rebuild.tasks.task_edit import repository_of
from rebuild.tasks.triggers import SourceTrigger, Triggers

COMMITS_KEPT = 200  # of each subject: what is older than all of them is taken for new
KEPT = timedelta(days=400)  # a pull request that has not moved for so long is forgotten


class Effect(StrEnum):
    """What came of an event for one task whose repository it is of."""

    ASKED = "asked"  # a run is wanted
    KNOWN = "known"  # this commit was taken before
    LATE = "late"  # the ref has gone on since
    DELETED = "deleted"
    UNWANTED = "unwanted"  # the trigger does not want it; the reason says why


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of an event for one task."""

    task_id: int
    task: str
    effect: Effect
    subject: str
    commit: str
    reason: str = ""

    @property
    def wants_run(self) -> bool:
        return self.effect is Effect.ASKED


def ask_for(connection: sqlite3.Connection, event: SourceEvent, at: datetime) -> list[Asked]:
    """What becomes of the event, for each task whose repository it is of. Belongs inside `immediate()`."""
    return [_ask(connection, event, task, trigger, at) for task, trigger in _tasks_of(connection, event)]


def lacks_default_branch(connection: sqlite3.Connection, event: SourceEvent) -> list[tuple[Task, Git]]:
    """Tasks for which the event says too little: they follow the default branch, and it does not say."""
    return [
        (task, context)
        for task, trigger in _tasks_of(connection, event)
        if needs_default_branch(event, trigger) and (context := repository_of(task.definition.context))
    ]


def in_doubt(connection: sqlite3.Connection, event: SourceEvent) -> list[tuple[Task, Git]]:
    """Tasks for which the event does not tell whether it is older than what they know: it does not move the
    ref from where it stood. Its server can tell."""
    return [
        (task, context)
        for task, trigger in _tasks_of(connection, event)
        if follows(event, trigger) is None
        and _Seen(connection, task.task_id, event.subject).is_in_doubt(event)
        and (context := repository_of(task.definition.context))
    ]


def lacks_message(connection: sqlite3.Connection, event: SourceEvent) -> list[tuple[Task, Git]]:
    """Tasks that would run for the event. Its commit may say that no run is wanted, which nobody has told.

    None for what a fork proposes: that is never fetched with the login of a task.
    """
    if event.message or event.deleted or (event.pull is not None and event.pull.from_fork):
        return []
    return [
        (task, context)
        for task, trigger in _tasks_of(connection, event)
        if follows(event, trigger) is None
        and wants(event, trigger) is None
        and _Seen(connection, task.task_id, event.subject).effect_of(event) is None
        and (context := repository_of(task.definition.context))
    ]


def _tasks_of(connection: sqlite3.Connection, event: SourceEvent) -> Iterator[tuple[Task, SourceTrigger]]:
    """Those that are switched on."""
    tasks, triggers = Tasks(connection), Triggers(connection)
    rows = connection.execute(
        "SELECT t.id, json_extract(t.definition, '$.context') FROM tasks t JOIN source_triggers s"
        " ON s.task_id = t.id WHERE s.enabled AND t.enabled"
        " AND t.repository IN (SELECT value FROM json_each(?)) ORDER BY t.id",
        (json.dumps([key for key in map(key_of, event.urls) if key]),),
    ).fetchall()
    for task_id, context in rows:
        trigger = triggers.source(task_id) if is_of(event, context) else None  # the port may be another
        if trigger is not None:
            yield tasks.get(task_id), trigger


def _ask(
    connection: sqlite3.Connection, event: SourceEvent, task: Task, trigger: SourceTrigger, at: datetime
) -> Asked:
    def came_of(effect: Effect, reason: str = "") -> Asked:
        return Asked(task.task_id, task.name, effect, event.subject, event.commit, reason)

    if refusal := follows(event, trigger):
        return came_of(Effect.UNWANTED, refusal.reason)
    seen = _Seen(connection, task.task_id, event.subject)
    effect = seen.effect_of(event)
    if effect in (Effect.KNOWN, Effect.LATE):
        return came_of(effect)
    seen.note(event, at)
    if not event.deleted and (refusal := wants(event, trigger)):  # what waits is still to be built
        return came_of(Effect.UNWANTED, refusal.reason)
    _supersede(connection, task, event, at)
    if event.deleted:
        return came_of(Effect.DELETED)
    _want(connection, task, event, at)
    return came_of(Effect.ASKED)


def _want(connection: sqlite3.Connection, task: Task, event: SourceEvent, at: datetime) -> None:
    cause, revision, reason = cause_of(event), revision_of(event), evidence_of(event)
    if cause is Cause.PULL_REQUEST:
        definition = at_revision(task.definition, revision)
        Runs(connection).add(definition, cause, at, task_id=task.task_id, reason=[reason])
    else:
        Requests(connection).put(task.task_id, event.subject, revision, reason, at)


def _supersede(connection: sqlite3.Connection, task: Task, event: SourceEvent, at: datetime) -> None:
    """What waits for an older commit of the same branch or pull request is not wanted any more."""
    Requests(connection).drop(task.task_id, event.subject)
    runs = Runs(connection)
    what = f"is at {event.commit[:12]} now" if event.commit else "was deleted"
    for run in runs.queued_of_subject(task.task_id, event.subject):
        runs.finish(run, Status.CANCELED, at, error=f"superseded: {event.subject} {what}")


def evidence_of(event: SourceEvent) -> dict[str, Any]:
    """What a run keeps of the event."""
    pull = event.pull
    told = {
        "subject": event.subject,
        "commit": event.commit,
        "provider": str(event.provider),
        "delivery": event.delivery,
        "repository": event.urls[0] if event.urls else "",
        "branch": "" if event.happening == "tag" else event.ref,
        "tag": event.ref if event.happening == "tag" else "",
        "pull_request": pull.number if pull else None,
        "target": pull.base if pull else "",
        "from_fork": pull.from_fork if pull else False,
    }
    return {name: value for name, value in told.items() if value}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of one subject for one task. The newest row says where it stands."""

    sql: sqlite3.Connection
    task_id: int
    subject: str

    def effect_of(self, event: SourceEvent) -> Effect | None:
        """Whether the event tells what is known, or what is past; None: it is news."""
        head = self._head()
        if head is None:
            return None
        if event.commit == head:
            return Effect.KNOWN
        if event.as_of is not None:  # the server itself was asked: only what came since is newer
            return Effect.LATE if self._newest_at() >= to_text(event.as_of) else None
        if event.old_commit == head:  # whatever it points to, it does so now
            return None
        # It moved from somewhere that was left before: that move is older than what we know.
        if self._knows(event.commit) or (event.old_commit and self._knows(event.old_commit)):
            return Effect.LATE
        return None

    def is_in_doubt(self, event: SourceEvent) -> bool:
        head = self._head()
        if head is None or head in (event.commit, event.old_commit) or event.deleted:
            return False
        return not self._knows(event.commit)

    def note(self, event: SourceEvent, at: datetime) -> None:
        if event.old_commit and not self._knows(event.old_commit):
            self._add(event.old_commit, at)
        self._add(event.commit, at)
        self.sql.execute(
            "DELETE FROM source_commits WHERE task_id = ?1 AND subject = ?2 AND id <= (SELECT id"
            " FROM source_commits WHERE task_id = ?1 AND subject = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)",
            (self.task_id, self.subject, COMMITS_KEPT),
        )
        self.sql.execute(
            "DELETE FROM source_commits WHERE task_id = ? AND seen_at < ?", (self.task_id, to_text(at - KEPT))
        )

    def _head(self) -> str | None:
        row = self.sql.execute(
            "SELECT commit_id FROM source_commits WHERE task_id = ? AND subject = ? ORDER BY id DESC LIMIT 1",
            (self.task_id, self.subject),
        ).fetchone()
        return str(row[0]) if row else None

    def _newest_at(self) -> str:
        newest = (
            "SELECT seen_at FROM source_commits WHERE task_id = ? AND subject = ? ORDER BY id DESC LIMIT 1"
        )
        return str(self.sql.execute(newest, (self.task_id, self.subject)).fetchone()[0])

    def _knows(self, commit: str) -> bool:
        known = "SELECT 1 FROM source_commits WHERE task_id = ? AND subject = ? AND commit_id = ?"
        return self.sql.execute(known, (self.task_id, self.subject, commit)).fetchone() is not None

    def _add(self, commit: str, at: datetime) -> None:
        self.sql.execute(
            "INSERT OR REPLACE INTO source_commits(task_id, subject, commit_id, seen_at) VALUES (?, ?, ?, ?)",
            (self.task_id, self.subject, commit, to_text(at)),
        )
