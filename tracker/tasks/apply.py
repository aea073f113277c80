"""Makes the saved tasks equal to declared ones: what would change, and the change. Prints nothing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Any

from graph.clock import now
from graph.database import immediate
from graph.errors import TrackerError
from graph.record import dataclass
from rebuild.secrets.credentials import RegistryCredentials
from rebuild.secrets.secret_source import Opaque, Source
from rebuild.secrets.task_secrets import TaskSecrets
from rebuild.tasks.stored_task import StoredTasks, described
from rebuild.tasks.task import Task, Tasks
from rebuild.tasks.task_scan import Scanned
from tracker.sources.webhooks import Webhooks
from tracker.tasks.declared import DeclaredCredential, DeclaredTask
from tracker.tasks.saving import Archive


class Action(StrEnum):
    """What becomes of one task."""

    CREATE = "create"
    CHANGE = "change"
    REMOVE = "remove"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Difference:
    """One task, what becomes of it, and each property that changes: name → before and after."""

    name: str
    action: Action
    changes: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is told of tasks that were declared: the differences, bases that nobody knows yet, and webhooks
    that stay."""

    differences: Sequence[Difference]
    unknown: Mapping[str, Sequence[str]] = field(default_factory=dict)
    left: Sequence[TrackerError] = ()


ScanAll = Callable[[Sequence[DeclaredTask]], Awaitable[Mapping[str, Scanned]]]


def differences(archive: Archive, declared: Sequence[DeclaredTask], *, prune: bool) -> list[Difference]:
    """By name. `prune` removes the tasks that are not declared."""
    stored = {task.name: task for task in Tasks(archive.connection).all()}
    found = [_difference(archive, one, stored.get(one.task.name)) for one in declared]
    names = {one.task.name for one in declared}
    found += [Difference(name, Action.REMOVE, {}) for name in stored if prune and name not in names]
    return sorted(found, key=lambda one: one.name)


async def apply(
    archive: Archive,
    webhooks: Webhooks,
    declared: Sequence[DeclaredTask],
    *,
    prune: bool,
    scan_all: ScanAll | None = None,
) -> Outcome:
    """Make it so, in one transaction; webhooks of tasks that are removed go before it."""
    found = differences(archive, declared, prune=prune)
    changing = {one.name for one in found if one.action is not Action.KEEP}
    wanted = [one for one in declared if one.task.name in changing]
    if scan_all is None:
        scanned: Mapping[str, Scanned] = {
            one.task.name: await archive.scan(one.task, one.secrets) for one in wanted
        }
    else:
        scanned = await scan_all(wanted)
    stored = StoredTasks.of_reader(archive.connection)
    going = [stored.deletable(one.name) for one in found if one.action is Action.REMOVE]
    stays = [await webhooks.withdraw(task) for task in going]
    with immediate(archive.connection):
        for difference in differences(archive, declared, prune=prune):  # others may have written meanwhile
            if difference.action is Action.REMOVE:
                StoredTasks(archive.connection, archive.cipher).delete(difference.name, now())
        for one in declared:
            if one.task.name in scanned:
                bases = scanned[one.task.name]
                archive.write(one.task, one.secrets, bases, credentials=one.credentials)
    unknown = {name: one.unknown for name, one in scanned.items() if one.unknown}
    return Outcome(found, unknown, [fault for fault in stays if fault is not None])


def _difference(archive: Archive, declared: DeclaredTask, stored: Task | None) -> Difference:
    wanted = _flat(_described(archive, declared, stored))
    if stored is None:
        return Difference(declared.task.name, Action.CREATE, {key: (None, wanted[key]) for key in wanted})
    before = _flat(_stored(archive, stored))
    keys = [*wanted, *(key for key in before if key not in wanted)]
    changes = {
        key: (before.get(key), wanted.get(key))
        for key in keys
        if before.get(key) != wanted.get(key) and key not in _FOR_MESSAGES
    }
    return Difference(stored.name, Action.CHANGE if changes else Action.KEEP, changes)


def _stored(archive: Archive, task: Task) -> dict[str, Any]:
    secrets = TaskSecrets(archive.connection, archive.cipher).list(task.task_id)
    return described(
        StoredTasks(archive.connection, archive.cipher).whole(task),
        [(one.use, one.name, one.source) for one in secrets],
        _stored_credentials(archive, task),
    )


def _described(archive: Archive, declared: DeclaredTask, stored: Task | None) -> dict[str, Any]:
    """As it will be: secrets and credentials of which nothing is said stay."""
    kept = TaskSecrets(archive.connection, archive.cipher).list(stored.task_id) if stored else []
    said = archive.fitting(declared.task, declared.secrets)
    secrets = [(one.use, one.name, one.source) for one in kept if one.use not in said]
    secrets += [(use, name, str(source)) for use, sources in said.items() for name, source in sources.items()]
    credentials = _stored_credentials(archive, stored) if stored else []
    if declared.credentials is not None:
        credentials = _declared_credentials(archive, declared.credentials, stored)
    return described(declared.task, secrets, credentials)


def _stored_credentials(archive: Archive, task: Task) -> list[dict[str, str | None]]:
    kept = RegistryCredentials(archive.connection, archive.cipher).list(task.task_id)
    return [{"registry": one.registry, "username": one.username, "password": one.password} for one in kept]


def _declared_credentials(
    archive: Archive, declared: Sequence[DeclaredCredential], stored: Task | None
) -> list[dict[str, str | None]]:
    known: Mapping[str, Source] = {}
    if stored is not None:
        known = RegistryCredentials(archive.connection, archive.cipher).sources(stored.task_id)

    def told(source: Source | None, purpose: str) -> str | None:
        """A value is compared and never shown."""
        if isinstance(source, Opaque):
            return "opaque" if known.get(purpose, source) == source else "opaque, another"
        return None if source is None else str(source)

    return [
        {
            "registry": one.registry,
            "username": told(one.username, f"{one.registry} user name"),
            "password": told(one.password, f"{one.registry} password"),
        }
        for one in sorted(declared, key=lambda one: one.registry)
    ]


def plain_difference(one: Difference) -> dict[str, Any]:
    """As JSON has it."""
    return {
        "name": one.name,
        "action": str(one.action),
        "changes": {key: {"before": before, "after": after} for key, (before, after) in one.changes.items()},
    }


_FOR_MESSAGES = frozenset({"step.path", "step.values_path"})  # what a file was called when it was read
_NAMING = ("use", "name", "registry")


def _flat(plain: Mapping[str, Any], before: str = "", naming: Iterable[str] = ("name",)) -> dict[str, Any]:
    """Nested maps as dotted names, and lists of maps by what names each; what is empty is left out."""
    found: dict[str, Any] = {}
    for key, value in plain.items():
        if key in naming:
            continue
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{key}.", ())
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for one in value:
                name = " ".join(str(one[part]) for part in _NAMING if part in one)
                found |= _flat(one, f"{before}{key}.{name.strip()}.", _NAMING)
        elif value not in (None, "", []):
            found[f"{before}{key}"] = value
    return found


def shown(value: Any) -> str:
    """A value of a difference, on one line."""
    return "nothing" if value is None else value if isinstance(value, str) else json.dumps(value)
