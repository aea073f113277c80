"""A task with all that belongs to it, as one value: read, written, deleted, described. Runs nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, NoReturn

from graph.errors import TrackerError, WrongUse
from graph.expecting import Expectations
from graph.record import dataclass
from graph.store import GraphStore
from rebuild.runs.cancel import cancel_run
from rebuild.runs.definition import Definition
from rebuild.runs.table import Runs
from rebuild.secrets.kept_source import FindCipher
from rebuild.secrets.secret_source import Source
from rebuild.secrets.task_secrets import SecretUse, TaskSecrets
from rebuild.tasks.task import Task, Tasks
from rebuild.tasks.timers import Timer, Timers
from rebuild.tasks.triggers import BaseImageTrigger, SourceFilters, SourceTrigger, Triggers

Secrets = Mapping[SecretUse, Mapping[str, Source]]  # the uses that are said; each as a whole


@dataclass(frozen=True, slots=True)
class WholeTask:
    """What a person says of a task, its secrets aside."""

    name: str
    definition: Definition
    enabled: bool = True
    base_images: BaseImageTrigger = field(default_factory=BaseImageTrigger)
    source: SourceTrigger | None = None
    timers: tuple[Timer, ...] = ()


def no_cipher() -> NoReturn:
    """The cipher of those who read no value."""
    raise AssertionError("a value of a secret was asked for by someone who only looks")


class StoredTasks:
    """The tables of tasks, triggers and timers together. Writing methods belong inside `immediate()`."""

    def __init__(self, connection: sqlite3.Connection, cipher: FindCipher) -> None:
        self._sql = connection
        self._tasks = Tasks(connection)
        self._triggers = Triggers(connection)
        self._timers = Timers(connection)
        self._secrets = TaskSecrets(connection, cipher)

    @classmethod
    def of_reader(cls, connection: sqlite3.Connection) -> StoredTasks:
        """For looking only."""
        return cls(connection, no_cipher)

    def whole(self, task: Task) -> WholeTask:
        return WholeTask(
            task.name,
            task.definition,
            task.enabled,
            self._triggers.base_image(task.task_id),
            self._triggers.source(task.task_id),
            self._timers.of_task(task.task_id),
        )

    def create(self, wanted: WholeTask, secrets: Secrets, at: datetime) -> Task:
        """Raises `WrongUse` where there is a task of that name."""
        if self._tasks.exists(wanted.name):
            raise WrongUse(
                f"there is a task {wanted.name} already",
                hint="'tracker task update' changes it, 'tracker task delete' removes it",
            )
        return self.save(wanted, secrets, at)

    def save(self, wanted: WholeTask, secrets: Secrets, at: datetime) -> Task:
        """Make the task so, whether it is there or not. Secrets of uses that are not said stay."""
        task = self._tasks.save(wanted.name, wanted.definition, at)
        self._tasks.set_enabled(task.task_id, enabled=wanted.enabled)
        self._triggers.set_base_image(task.task_id, wanted.base_images)
        self._triggers.set_source(task.task_id, wanted.source)
        self._timers.replace(task.task_id, wanted.timers, at)
        for use, sources in secrets.items():
            self._secrets.replace(task.task_id, use, sources, at)
        return Task(task.task_id, task.name, task.definition, wanted.enabled)

    def deletable(self, name: str) -> Task:
        """Raises `TrackerError` while a run of it is under way."""
        task = self._tasks.named(name)
        for run, _ in Runs(self._sql).unfinished():
            if run.task_id == task.task_id:
                raise TrackerError(
                    f"task {name} is being carried out: run {run.run_id}",
                    hint=f"wait for it, or 'tracker task cancel-run --run-id {run.run_id}'",
                )
        return task

    def delete(self, name: str, at: datetime) -> None:
        """Remove the task with its triggers, timers, credentials and secrets. What it built, its runs and
        their logs stay. Raises `TrackerError` while a run of it is under way."""
        task = self.deletable(name)
        queued = Runs(self._sql).queued_for(task.task_id)
        if queued is not None:
            cancel_run(self._sql, queued.run_id, at)
        Expectations(self._sql).forget(task.task_id)
        GraphStore(self._sql).release_images(task.task_id)
        self._tasks.delete(task.task_id)


def described(
    task: WholeTask, secrets: Iterable[tuple[SecretUse, str, str]] = (), credentials: Iterable[Any] = ()
) -> dict[str, Any]:
    """The task in plain values, as JSON has them; `secrets` are use, name and source, never a value."""
    base, source = task.base_images, task.source
    plain = json.loads(task.definition.to_json())
    follow = plain.pop("follow", [])  # told with the trigger, where people say it
    return {
        "name": task.name,
        "status": "Enabled" if task.enabled else "Disabled",
        **plain,
        "base_image_trigger": {
            "name": base.name,
            "enabled": base.enabled,
            "type": str(base.bases),
            "update_endpoint": base.endpoint,
            "update_payload": str(base.payload),
            "syntax": base.syntax,
            "follow": follow,
        },
        "source_trigger": source
        and {
            "name": source.name,
            "enabled": source.enabled,
            "commit": source.commits,
            "pull_request": source.pull_requests,
            "branch": source.branch,
            **_filters_plain(source.filters),
        },
        "timers": [
            {
                "name": timer.name,
                "schedule": str(timer.schedule),
                "enabled": timer.enabled,
                "time_zone": timer.time_zone,
            }
            for timer in sorted(task.timers, key=lambda timer: timer.name)
        ],
        "secrets": [{"use": str(use), "name": name, "source": told} for use, name, told in sorted(secrets)],
        "credentials": list(credentials),
    }


def _filters_plain(filters: SourceFilters) -> dict[str, Any]:
    """Those that are set."""
    patterns = (("branches", filters.branches), ("tags", filters.tags), ("paths", filters.paths),
                ("targets", filters.targets))  # fmt: skip
    told: dict[str, Any] = {name: list(of_it) for name, of_it in patterns if of_it}
    return {**told, "forks": True} if filters.forks else told


def kinds_of_triggers(task: WholeTask) -> str:
    """What makes the task run by itself, as a list of the kinds that are switched on."""
    on = {
        "BASE_IMAGE": task.base_images.enabled,
        "SOURCE": task.source is not None and task.source.enabled,
        "TIMER": any(timer.enabled for timer in task.timers),
    }
    return ", ".join(kind for kind, is_on in on.items() if is_on)
