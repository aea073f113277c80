"""What makes a task run by itself besides its timers: a base that moved, a commit. Starts nothing."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import fields
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from graph.errors import WrongUse
from graph.record import dataclass

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,50}")


class Bases(StrEnum):
    """Which bases of a task's images count."""

    ALL = "All"
    RUNTIME = "Runtime"  # only what the final stage stands on


class Payload(StrEnum):
    """What the endpoint of a base-image trigger is told."""

    DEFAULT = "Default"
    TOKEN = "Token"


@dataclass(frozen=True, slots=True)
class BaseImageTrigger:
    """Every task has one; off, its images are rebuilt only when somebody asks."""

    name: str = "defaultBaseimageTriggerName"
    enabled: bool = True
    bases: Bases = Bases.ALL
    endpoint: str | None = None  # told when a base makes the task run
    payload: Payload = Payload.DEFAULT
    syntax: bool = True  # whether the image of a `# syntax=` line counts, where the engine reads that


@dataclass(frozen=True, slots=True)
class SourceFilters:
    """Which events of a repository count, by patterns; without any, those of the one branch."""

    branches: tuple[str, ...] = ()  # instead of the branch of the context
    tags: tuple[str, ...] = ()  # none: no tag counts
    paths: tuple[str, ...] = ()  # none: whatever changed counts
    targets: tuple[str, ...] = ()  # of pull requests, instead of the branches
    forks: bool = False  # whether pull requests from other repositories count


@dataclass(frozen=True, slots=True)
class SourceTrigger:
    """A commit or a pull request in the repository of the context."""

    name: str = "defaultSourceTriggerName"
    enabled: bool = True
    commits: bool = True
    pull_requests: bool = False
    branch: str | None = None  # None: the default branch of the repository
    filters: SourceFilters = SourceFilters()


@dataclass(frozen=True, slots=True)
class Reluctant:
    """Tasks that do not follow every base: none at all, runtime bases alone, or no image of a syntax line."""

    off: frozenset[int] = frozenset()
    runtime_only: frozenset[int] = frozenset()
    no_syntax: frozenset[int] = frozenset()


class Triggers:
    """The two tables. Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def base_image(self, task_id: int) -> BaseImageTrigger:
        row = self._sql.execute(
            f"SELECT {_BASE_IMAGE} FROM base_image_triggers WHERE task_id = ?", (task_id,)
        ).fetchone()
        if row is None:
            return BaseImageTrigger()
        return BaseImageTrigger(row[0], bool(row[1]), Bases(row[2]), row[3], Payload(row[4]), bool(row[5]))

    def set_base_image(self, task_id: int, trigger: BaseImageTrigger) -> None:
        """The usual one needs no row, so that the rows are few."""
        check_base_image(trigger)
        self._sql.execute("DELETE FROM base_image_triggers WHERE task_id = ?", (task_id,))
        if trigger == BaseImageTrigger():
            return
        self._sql.execute(
            f"INSERT INTO base_image_triggers(task_id, {_BASE_IMAGE}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                task_id,
                trigger.name,
                trigger.enabled,
                trigger.bases,
                trigger.endpoint,
                trigger.payload,
                trigger.syntax,
            ),
        )

    def source(self, task_id: int) -> SourceTrigger | None:
        row = self._sql.execute(
            f"SELECT {_SOURCE} FROM source_triggers WHERE task_id = ?", (task_id,)
        ).fetchone()
        return _source(row) if row else None

    def sources(self) -> list[tuple[int, SourceTrigger]]:
        """Those that are switched on, of tasks that are, with the number of the task."""
        rows = self._sql.execute(
            f"SELECT task_id, {_SOURCE} FROM source_triggers s WHERE s.enabled"
            " AND EXISTS (SELECT 1 FROM tasks t WHERE t.id = s.task_id AND t.enabled) ORDER BY task_id"
        )
        return [(row[0], _source(row[1:])) for row in rows]

    def set_source(self, task_id: int, trigger: SourceTrigger | None) -> None:
        """None: the task has none from now on."""
        self._sql.execute("DELETE FROM source_triggers WHERE task_id = ?", (task_id,))
        if trigger is None:
            self._sql.execute("DELETE FROM source_requests WHERE task_id = ?", (task_id,))
        if trigger is not None:
            check_trigger_name(trigger.name)
            self._sql.execute(
                f"INSERT INTO source_triggers(task_id, {_SOURCE}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    task_id,
                    trigger.name,
                    trigger.enabled,
                    trigger.commits,
                    trigger.pull_requests,
                    trigger.branch,
                    _filters_json(trigger.filters),
                ),
            )

    def reluctant(self) -> Reluctant:
        """For the decision; most tasks have no row, so this is short."""
        rows = self._sql.execute("SELECT task_id, enabled, bases, syntax FROM base_image_triggers").fetchall()
        return Reluctant(
            off=frozenset(task_id for task_id, enabled, _, _ in rows if not enabled),
            runtime_only=frozenset(
                task_id for task_id, enabled, bases, _ in rows if enabled and bases == Bases.RUNTIME
            ),
            no_syntax=frozenset(task_id for task_id, enabled, _, syntax in rows if enabled and not syntax),
        )


_BASE_IMAGE = "name, enabled, bases, endpoint, payload, syntax"
_SOURCE = "name, enabled, commits, pull_requests, branch, filters"


def _source(row: Iterable[Any]) -> SourceTrigger:
    name, enabled, commits, pull_requests, branch, filters = row
    said: dict[str, Any] = json.loads(filters)
    said |= {name: tuple(value) for name, value in said.items() if isinstance(value, list)}
    read = SourceFilters(**said)
    return SourceTrigger(name, bool(enabled), bool(commits), bool(pull_requests), branch, read)


def _filters_json(filters: SourceFilters) -> str:
    """Only what is not as usual."""
    usual = SourceFilters()
    said = {each.name: getattr(filters, each.name) for each in fields(SourceFilters)}
    return json.dumps({name: value for name, value in said.items() if value != getattr(usual, name)})


def check_base_image(trigger: BaseImageTrigger) -> None:
    check_trigger_name(trigger.name)
    if trigger.endpoint is not None:
        _check_endpoint(trigger.endpoint)


def check_trigger_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise WrongUse(
            f"trigger name {name[:80]!r} is not valid: 1 to 50 letters, digits, '_' and '-'",
            hint="write a name such as base-image",
        )
    return name


def _check_endpoint(url: str) -> None:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
        _ = parts.port  # raises where it is none
    except ValueError:
        fits = False
    if not fits or not url.isprintable() or " " in url or len(url) > 2000:
        raise WrongUse(
            "the update trigger endpoint is not an http or https URL, without user and password",
            hint="write https://HOST/PATH",
        )
