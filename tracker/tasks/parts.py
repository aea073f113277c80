"""What is asked of the timers and credentials of one task, as values, and carried out. Asks nobody."""

from __future__ import annotations

from typing import Any

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.secrets.credentials import RegistryCredentials, registry_of
from rebuild.secrets.secret_source import Source
from rebuild.tasks.schedule import Schedule
from rebuild.tasks.timers import UTC, Timer, Timers, check_time_zone, check_timer_name
from tracker.change import Change
from tracker.views.tasks import timer_json


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerAsked:
    """What is said of a timer; None: nothing."""

    schedule: str | None = None
    enabled: bool | None = None
    time_zone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialAsked:
    """What is said of a credential; None: nothing."""

    username: Source | None = None
    password: Source | None = None


def timer_of(name: str, asked: TimerAsked) -> Timer:
    """A new timer. Raises `WrongUse`."""
    if not asked.schedule:
        raise WrongUse("a timer needs a schedule", hint="write one such as '0 21 * * *'")
    return Timer(
        check_timer_name(name),
        Schedule.parse(asked.schedule),
        asked.enabled is not False,
        check_time_zone(asked.time_zone or UTC),
    )


def add_timer(change: Change, task: str, name: str, asked: TimerAsked) -> dict[str, Any]:
    """The timer as it stands then. Raises `UnknownTask`, `WrongUse`."""
    wanted = timer_of(name, asked)
    Timers(change.sql).add(change.task(task).task_id, wanted, change.at)
    return _standing(change, task, name)


def update_timer(change: Change, task: str, name: str, asked: TimerAsked) -> dict[str, Any]:
    """The timer as it stands then. Raises `UnknownTask`, `WrongUse`, `TrackerError` where there is none."""
    Timers(change.sql).update(
        change.task(task).task_id,
        name,
        change.at,
        schedule=Schedule.parse(asked.schedule) if asked.schedule else None,
        enabled=asked.enabled,
        time_zone=asked.time_zone,
    )
    return _standing(change, task, name)


def remove_timer(change: Change, task: str, name: str) -> None:
    """Raises `UnknownTask`, `TrackerError` where there is none."""
    Timers(change.sql).remove(change.task(task).task_id, name)


def check_new(asked: CredentialAsked) -> Source:
    """The password of a new one. Raises `WrongUse`."""
    if asked.password is None:
        raise WrongUse("a credential needs a password", hint="give --password-stdin, or --password SOURCE")
    return asked.password


def add_credential(change: Change, task: str, registry: str, asked: CredentialAsked) -> None:
    """Raises `UnknownTask`, `WrongUse`."""
    password = check_new(asked)
    task_id = change.task(task).task_id
    _credentials(change).add(task_id, registry, username=asked.username, password=password, at=change.at)


def update_credential(change: Change, task: str, registry: str, asked: CredentialAsked) -> None:
    """Raises `UnknownTask`, `WrongUse`."""
    if asked.password is None and asked.username is None:
        raise WrongUse("nothing is to be changed", hint="give --username, --password or --password-stdin")
    task_id = change.task(task).task_id
    _credentials(change).update(
        task_id, registry, username=asked.username, password=asked.password, at=change.at
    )


def remove_credential(change: Change, task: str, registry: str) -> None:
    """Raises `UnknownTask`, `WrongUse`."""
    _credentials(change).remove(change.task(task).task_id, registry_of(registry))


def _credentials(change: Change) -> RegistryCredentials:
    return RegistryCredentials(change.sql, change.cipher)


def _standing(change: Change, task: str, name: str) -> dict[str, Any]:
    standing = Timers(change.sql).standing(change.task(task).task_id)
    return next(timer_json(one) for one in standing if one.timer.name == name)
