"""The timers of tasks: the table, with when each is due next. Makes no run and reads no clock.

A timer has its next time from the moment that it is said, whoever says it: what is due is a fact that the
service finds, not something that it has to remember. A timer that is off, or of a disabled task, rests.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone, tzinfo

from graph.clock import from_text, to_text
from graph.errors import TrackerError, WrongUse
from graph.record import dataclass
from rebuild.tasks.next_fire import next_fire
from rebuild.tasks.schedule import Schedule

UTC = "UTC"
TIMERS_MOST = 100  # of one task
SET_BACK_S = 3 * 3600.0  # a clock that is set back further was wrong before, and what it said is void

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,50}")
# A capital first: the folders `right` and `posix` hold zones that count leap seconds, and the same again.
_ZONE = re.compile(r"[A-Z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z0-9_+-]{1,32}){0,2}")


@dataclass(frozen=True, slots=True)
class Timer:
    """When a task is to run, besides everything else that makes it run."""

    name: str
    schedule: Schedule
    enabled: bool = True
    time_zone: str = UTC


@dataclass(frozen=True, slots=True)
class Standing:
    """A timer with when it is due next, None while it rests, and when it last made a run."""

    timer: Timer
    next_at: datetime | None
    fired_at: datetime | None


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

    def standing(self, task_id: int) -> tuple[Standing, ...]:
        """By name."""
        rows = self._sql.execute(
            "SELECT next_at, fired_at FROM timers WHERE task_id = ? ORDER BY name", (task_id,)
        )
        pairs = zip(self.of_task(task_id), rows, strict=True)
        return tuple(Standing(timer, _moment(row[0]), _moment(row[1])) for timer, row in pairs)

    def next_at(self) -> datetime | None:
        """When the first of all timers is due."""
        due = "SELECT min(next_at) FROM timers INDEXED BY timers_due WHERE next_at IS NOT NULL"
        return _moment(self._sql.execute(due).fetchone()[0])

    def add(self, task_id: int, timer: Timer, at: datetime) -> None:
        """Raises `WrongUse` where the task has one of that name, or one for the same times."""
        known = self.of_task(task_id)
        if any(one.name == timer.name for one in known):
            raise WrongUse(
                f"the task has a timer {timer.name} already", hint="'tracker task timer update' changes it"
            )
        self.replace(task_id, (*known, timer), at)

    def update(
        self,
        task_id: int,
        name: str,
        at: datetime,
        *,
        schedule: Schedule | None = None,
        enabled: bool | None = None,
        time_zone: str | None = None,
    ) -> None:
        """Change what is given and leave the rest. Raises `TrackerError` where there is none."""
        old = self._named(task_id, name)
        new = replace(
            old,
            schedule=schedule or old.schedule,
            enabled=old.enabled if enabled is None else enabled,
            time_zone=time_zone or old.time_zone,
        )
        self.replace(task_id, [new if one.name == name else one for one in self.of_task(task_id)], at)

    def remove(self, task_id: int, name: str) -> None:
        """Raises `TrackerError` where there is none."""
        self._named(task_id, name)
        self._sql.execute("DELETE FROM timers WHERE task_id = ? AND name = ?", (task_id, name))

    def replace(self, task_id: int, timers: Sequence[Timer], at: datetime) -> None:
        """Make these the only ones. Those that stay as they are keep the time at which they are due."""
        check_timers(timers)
        names = json.dumps([one.name for one in timers])
        self._sql.execute(
            "DELETE FROM timers WHERE task_id = ? AND name NOT IN (SELECT value FROM json_each(?))",
            (task_id, names),
        )
        self._sql.executemany(
            "INSERT INTO timers(task_id, name, schedule, enabled, time_zone) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT(task_id, name) DO UPDATE SET next_at = CASE WHEN schedule = excluded.schedule"
            "   AND enabled = excluded.enabled AND time_zone = excluded.time_zone THEN next_at END,"
            " schedule = excluded.schedule, enabled = excluded.enabled, time_zone = excluded.time_zone",
            [(task_id, one.name, str(one.schedule), one.enabled, one.time_zone) for one in timers],
        )
        self._rest(task_id)
        self._plan(at, task_id)

    def plan_all(self, at: datetime) -> tuple[str, ...]:
        """Give a next time to all that lack one or have it from a clock that was wrong; answers faults.

        A timer whose zone the machine no longer knows, say, rests, and holds up no other.
        """
        wrong = to_text(at + timedelta(seconds=SET_BACK_S))
        self._sql.execute("UPDATE timers SET next_at = NULL WHERE planned_at > ?", (wrong,))
        return self._plan(at)

    def advance(self, task_id: int, name: str, at: datetime, *, fired: bool) -> str | None:
        """The timer has had its time: find the next one after `at`. Answers a fault that lets it rest."""
        if fired:
            self._sql.execute(
                "UPDATE timers SET fired_at = ? WHERE task_id = ? AND name = ?", (to_text(at), task_id, name)
            )
        schedule, time_zone = self._sql.execute(
            "SELECT schedule, time_zone FROM timers WHERE task_id = ? AND name = ?", (task_id, name)
        ).fetchone()
        return self._set_next((task_id, name, schedule, time_zone), at)

    def _rest(self, task_id: int) -> None:
        self._sql.execute(
            "UPDATE timers SET next_at = NULL WHERE task_id = ?1"
            " AND NOT (enabled AND (SELECT enabled FROM tasks WHERE id = ?1))",
            (task_id,),
        )

    def _plan(self, at: datetime, task_id: int | None = None) -> tuple[str, ...]:
        rows = self._sql.execute(
            "SELECT r.task_id, r.name, r.schedule, r.time_zone FROM timers r JOIN tasks t ON t.id = r.task_id"
            " WHERE r.next_at IS NULL AND r.enabled AND t.enabled AND (?1 IS NULL OR r.task_id = ?1)",
            (task_id,),
        ).fetchall()
        faults = (self._set_next(row, at) for row in rows)
        return tuple([fault for fault in faults if fault is not None])

    def _set_next(self, row: tuple[int, str, str, str], at: datetime) -> str | None:
        task_id, name, schedule, time_zone = row
        upcoming, fault = None, None
        try:
            upcoming = next_fire(Schedule.parse(schedule), at, zone_of(time_zone))
        except WrongUse as error:
            fault = f"timer {name} rests: {error.message}"
        self._sql.execute(
            "UPDATE timers SET next_at = ?, planned_at = ? WHERE task_id = ? AND name = ?",
            (to_text(upcoming) if upcoming else None, to_text(at), task_id, name),
        )
        return fault

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
    zone_of(name)
    return name


def zone_of(name: str) -> tzinfo:
    """Names come from outside and become paths in the database of zones. Raises `WrongUse`."""
    if name == UTC:
        return timezone.utc  # noqa: UP017 - UTC is a name here; a machine without the database has it too
    # Not there; another kind of file; a folder.
    with contextlib.suppress(zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        if _ZONE.fullmatch(name):
            return zoneinfo.ZoneInfo(name)
    raise WrongUse(f"there is no time zone {name[:80]!r}", hint="write UTC or one like Europe/Berlin")


def _moment(text: str | None) -> datetime | None:
    return from_text(text) if text else None


def timers_of(texts: Iterable[str], time_zone: str = UTC) -> tuple[Timer, ...]:
    """`SCHEDULE` or `NAME:SCHEDULE` each, as they are typed; the unnamed are t1, t2, … by their place."""
    timers = []
    for place, text in enumerate(texts, 1):
        name, colon, schedule = text.partition(":")
        named = (name, schedule) if colon else (f"t{place}", text)
        timers.append(Timer(named[0], Schedule.parse(named[1]), time_zone=time_zone))
    check_timers(timers)
    return tuple(timers)
