"""The timers of tasks: the table, and names for those that have none. Goes off never: it is no clock."""

from __future__ import annotations

import re
import sqlite3
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from graph.errors import TrackerError, WrongUse
from rebuild.schedule import Schedule

UTC = "UTC"
TIMERS_MOST = 100  # of one task

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,50}")
_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){0,2}")


@dataclass(frozen=True, slots=True)
class Timer:
    """When a task is to run, besides everything else that makes it run."""

    name: str
    schedule: Schedule
    enabled: bool = True
    time_zone: str = UTC


class Timers:
    """The table. Writing methods belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def of_task(self, task_id: int) -> tuple[Timer, ...]:
        """By name."""
        rows = self._sql.execute(
            "SELECT name, schedule, enabled, time_zone FROM timers WHERE task_id = ? ORDER BY name",
            (task_id,),
        )
        return tuple(Timer(row[0], Schedule.parse(row[1]), bool(row[2]), row[3]) for row in rows)

    def add(self, task_id: int, timer: Timer) -> None:
        """Raises `WrongUse` where the task has one of that name, or one for the same times."""
        known = self.of_task(task_id)
        if any(one.name == timer.name for one in known):
            raise WrongUse(
                f"the task has a timer {timer.name} already", hint="'tracker task timer update' changes it"
            )
        self.replace(task_id, (*known, timer))

    def update(
        self,
        task_id: int,
        name: str,
        *,
        schedule: Schedule | None = None,
        enabled: bool | None = None,
        time_zone: str | None = None,
    ) -> Timer:
        """Change what is given and leave the rest. Raises `TrackerError` where there is none."""
        old = self._named(task_id, name)
        new = replace(
            old,
            schedule=schedule or old.schedule,
            enabled=old.enabled if enabled is None else enabled,
            time_zone=time_zone or old.time_zone,
        )
        self.replace(task_id, [new if one.name == name else one for one in self.of_task(task_id)])
        return new

    def remove(self, task_id: int, name: str) -> None:
        """Raises `TrackerError` where there is none."""
        self._named(task_id, name)
        self._sql.execute("DELETE FROM timers WHERE task_id = ? AND name = ?", (task_id, name))

    def replace(self, task_id: int, timers: Sequence[Timer]) -> None:
        """Make these the only ones."""
        check_timers(timers)
        self._sql.execute("DELETE FROM timers WHERE task_id = ?", (task_id,))
        self._sql.executemany(
            "INSERT INTO timers(task_id, name, schedule, enabled, time_zone) VALUES (?, ?, ?, ?, ?)",
            [(task_id, one.name, str(one.schedule), one.enabled, one.time_zone) for one in timers],
        )

    def _named(self, task_id: int, name: str) -> Timer:
        known = self.of_task(task_id)
        for one in known:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in known) or "none"
        raise TrackerError(f"the task has no timer {name}", hint=f"it has these: {names}")


def check_timers(timers: Sequence[Timer]) -> None:
    """Names of their own, and times of their own: two timers that go off together would run a task twice."""
    if len(timers) > TIMERS_MOST:
        raise WrongUse(f"a task has at most {TIMERS_MOST} timers", hint="one schedule may list several hours")
    for place, one in enumerate(timers):
        check_timer_name(one.name)
        check_time_zone(one.time_zone)
        for other in timers[:place]:
            if one.name == other.name:
                raise WrongUse(f"there are two timers {one.name}", hint="give each a name of its own")
            if one.time_zone == other.time_zone and one.schedule.fires_with(other.schedule):
                raise WrongUse(
                    f"timers {other.name} and {one.name} have the same schedule, {one.schedule}",
                    hint="leave one of them out",
                )


def check_timer_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise WrongUse(
            f"timer name {name[:80]!r} is not valid: 1 to 50 letters, digits, '_' and '-'",
            hint="write a name such as nightly",
        )
    return name


def check_time_zone(name: str) -> str:
    """Names come from outside and become paths in the database of zones."""
    if name != UTC and (not _ZONE.fullmatch(name) or name not in zoneinfo.available_timezones()):
        raise WrongUse(f"there is no time zone {name[:80]!r}", hint="write UTC or one like Europe/Berlin")
    return name


def timers_of(texts: Iterable[str], time_zone: str = UTC) -> tuple[Timer, ...]:
    """`SCHEDULE` or `NAME:SCHEDULE` each, as they are typed; the unnamed are t1, t2, … by their place."""
    timers = []
    for place, text in enumerate(texts, 1):
        name, colon, schedule = text.partition(":")
        named = (name, schedule) if colon else (f"t{place}", text)
        timers.append(Timer(named[0], Schedule.parse(named[1]), time_zone=time_zone))
    check_timers(timers)
    return tuple(timers)
