"""Tasks with all that belongs to them, as those who look at them see them. Changes nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from graph.clock import now, to_text
from graph.expecting import Expectations
from graph.record import dataclass
from graph.words import Via
from rebuild.runs.definition import Definition
from rebuild.secrets.credentials import RegistryCredentials
from rebuild.secrets.task_secrets import TaskSecrets
from rebuild.sources.refusals import Refusals
from rebuild.sources.repositories import Repositories
from rebuild.sources.requests import Requests
from rebuild.tasks.stored_task import StoredTasks, described, kinds_of_triggers, no_cipher
from rebuild.tasks.task import Task, Tasks
from rebuild.tasks.task_edit import repository_of
from rebuild.tasks.task_webhooks import TaskWebhooks
from rebuild.tasks.timers import Standing, Timers
from rebuild.tasks.triggers import BaseImageTrigger, SourceTrigger
from tracker.views.look import Look
from tracker.views.runs import RunRow, newest_runs


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task. `plain` is all that may be shown of it, as JSON has it; `triggers` names the kinds that are
    switched on."""

    plain: dict[str, Any]
    base_images: BaseImageTrigger
    source: SourceTrigger | None
    triggers: str
    last_run: RunRow | None = None

    @property
    def name(self) -> str:
        return str(self.plain["name"])

    @property
    def enabled(self) -> bool:
        return bool(self.plain["status"] == "Enabled")

    @property
    def definition(self) -> Definition:
        return Definition.from_json(json.dumps(self.plain))


@dataclass(frozen=True, slots=True)
class SavedTasks:
    """By name, without their runs."""

    tasks: list[TaskView]


@dataclass(frozen=True, slots=True)
class TaskTimers:
    """As `timer_json` has them, by name."""

    timers: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class TaskCredentials:
    """By registry: sources, never values."""

    credentials: list[dict[str, Any]]


def tasks_view(look: Look) -> SavedTasks:
    return SavedTasks([_view(look.sql, task) for task in Tasks(look.sql).all()])


def task_view(look: Look, task: str) -> TaskView:
    """With its newest run. Raises `rebuild.tasks.task.UnknownTask`."""
    newest = newest_runs(look.sql, task=task, most=1)
    return _view(look.sql, Tasks(look.sql).named(task), newest[0] if newest else None)


def timers_view(look: Look, task: str) -> TaskTimers:
    task_id = Tasks(look.sql).named(task).task_id
    return TaskTimers([timer_json(one) for one in Timers(look.sql).standing(task_id)])


def credentials_view(look: Look, task: str) -> TaskCredentials:
    kept = RegistryCredentials(look.sql, no_cipher).list(Tasks(look.sql).named(task).task_id)
    return TaskCredentials(
        [
            {
                "registry": one.registry,
                "username": one.username,
                "password": one.password,
                "updated_at": to_text(one.updated_at),
            }
            for one in kept
        ]
    )


def task_json(connection: sqlite3.Connection, task: Task) -> dict[str, Any]:
    """All that may be shown of a task."""
    credentials = RegistryCredentials(connection, no_cipher).list(task.task_id)
    secrets = TaskSecrets(connection, no_cipher).list(task.task_id)
    created_at, updated_at = Tasks(connection).times(task.task_id)
    return {
        **described(
            StoredTasks.of_reader(connection).whole(task),
            [(one.use, one.name, one.source) for one in secrets],
            [
                {"registry": one.registry, "username": one.username, "password": one.password}
                for one in credentials
            ],
        ),
        "timers": [timer_json(one) for one in Timers(connection).standing(task.task_id)],
        **_repository(connection, task),
        "bases": _bases(connection, task.task_id),
        "created_at": to_text(created_at),
        "updated_at": to_text(updated_at),
    }


def timer_json(one: Standing) -> dict[str, Any]:
    """All that may be shown of a timer."""
    return {
        "name": one.timer.name,
        "schedule": str(one.timer.schedule),
        "enabled": one.timer.enabled,
        "time_zone": one.timer.time_zone,
        "next_at": to_text(one.next_at) if one.next_at else None,
        "fired_at": to_text(one.fired_at) if one.fired_at else None,
    }


def _view(connection: sqlite3.Connection, task: Task, last_run: RunRow | None = None) -> TaskView:
    whole = StoredTasks.of_reader(connection).whole(task)
    plain = task_json(connection, task)
    return TaskView(plain, whole.base_images, whole.source, kinds_of_triggers(whole), last_run)


def _repository(connection: sqlite3.Connection, task: Task) -> dict[str, Any]:
    """How its repository is heard of, and what its forge does not let it do."""
    context = repository_of(task.definition.context)
    standing = Repositories(connection).standing_of(context) if context else None
    webhook = TaskWebhooks(connection).of_task(task.task_id)
    return {
        "polling": standing
        and {
            "url": standing.url,
            "asked_at": to_text(standing.asked_at) if standing.asked_at else None,
            "due_at": to_text(standing.due_at),
            "failures": standing.failures,
            "fault": standing.fault,
            "hint": standing.hint,
            "missed": standing.missed,
        },
        "webhook": webhook and {"url": webhook.url, "registered_at": to_text(webhook.registered_at)},
        "refusals": [
            {"what": what, "message": message, "hint": hint}
            for what, message, hint in Refusals(connection).of_task(task.task_id)
        ],
        "tried_again": [
            {"subject": subject, "commit": commit, "at": to_text(due_at)}
            for subject, commit, due_at in Requests(connection).later_of(task.task_id, now())
        ],
    }


def _bases(connection: sqlite3.Connection, task_id: int) -> list[dict[str, Any]]:
    """Those that builds have recorded, and of those that a scan expects the others."""
    recorded = list(_recorded(connection, task_id))
    known = {base["reference"] for base in recorded}
    return [*recorded, *(base for base in _expected(connection, task_id) if base["reference"] not in known)]


def _recorded(connection: sqlite3.Connection, task_id: int) -> Iterator[dict[str, Any]]:
    rows = connection.execute(
        "SELECT b.name, min(e.role = 'buildtime'), e.via, e.line, iif(e.via = ?, e.stage, made.step)"
        " FROM images i JOIN builds made ON made.id = i.build_id"
        " JOIN edges e ON e.image_id = i.id JOIN images b ON b.id = e.base_id"
        " WHERE i.task_id = ? GROUP BY b.id ORDER BY b.name",
        (Via.CMD, task_id),
    )
    for name, is_buildtime, via, line, step in rows:
        role = "buildtime" if is_buildtime else "runtime"
        yield {"reference": name, "role": role, "via": via, "step": step, "line": line, "expected": False}


def _expected(connection: sqlite3.Connection, task_id: int) -> Iterator[dict[str, Any]]:
    for base in Expectations(connection).of_task(task_id):
        yield {
            "reference": str(base.reference),
            "role": str(base.role),
            "via": str(base.via),
            "step": base.place,
            "line": base.line,
            "expected": True,
        }
