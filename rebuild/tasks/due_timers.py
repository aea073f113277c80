"""Timers that are due, and the runs that they make, in the caller's transaction. Starts none, reads no clock.

The run and the next time of its timer are written together: whoever is killed, no time is lost and none
counts twice. Timers of one task that are due together make one run: a task never has two queued.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from itertools import groupby

from graph.clock import from_text, to_text
from graph.record import dataclass
from rebuild.runs.table import Cause, Run, Runs
from rebuild.tasks.task import Tasks
from rebuild.tasks.timers import Timers

LATE_MOST_S = 60.0  # a timer that is later than this was missed: the service was down, the machine slept


class Missed(StrEnum):
    """What becomes of a time that went by while nobody looked."""

    ONCE = "once"  # one run, however often the time came
    SKIP = "skip"


class Overlap(StrEnum):
    """What becomes of a time at which the task is being carried out."""

    SKIP = "skip"
    QUEUE = "queue"  # one run more, after it


class Effect(StrEnum):
    """What came of a timer that was due."""

    FIRED = "fired"
    BUSY = "busy"  # the task is being carried out, or waits for it already
    MISSED = "missed"  # it was due long ago
    PAUSED = "paused"  # the task has been disabled


class Activity(StrEnum):
    """What a task is doing."""

    IDLE = "idle"
    QUEUED = "queued"
    UNDER_WAY = "under way"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class TimerRules:
    """What the operator says about timers."""

    missed: Missed = Missed.ONCE
    overlap: Overlap = Overlap.SKIP
    late_most_s: float = LATE_MOST_S


@dataclass(frozen=True, slots=True)
class DueTimer:
    """A timer whose time has come."""

    task_id: int
    task: str
    name: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Fired:
    """What came of one timer; `run` is the one that it made, with others perhaps."""

    timer: DueTimer
    effect: Effect
    run: Run | None = None
    fault: str | None = None  # it rests from now on


def decide_timer(due_at: datetime, at: datetime, activity: Activity, rules: TimerRules) -> Effect:
    """What is to come of a timer that is due."""
    if activity is Activity.PAUSED:
        return Effect.PAUSED
    if rules.missed is Missed.SKIP and (at - due_at).total_seconds() > rules.late_most_s:
        return Effect.MISSED
    # A run that has not begun yet does what the timer wants.
    if activity is Activity.QUEUED or (activity is Activity.UNDER_WAY and rules.overlap is Overlap.SKIP):
        return Effect.BUSY
    return Effect.FIRED


def fire_due(connection: sqlite3.Connection, at: datetime, rules: TimerRules, *, most: int) -> list[Fired]:
    """Deal with up to so many timers, earliest first. Belongs inside `immediate()`."""
    due = sorted(_due(connection, at, most), key=lambda timer: timer.task_id)
    fired = []
    for task_id, timers in groupby(due, key=lambda timer: timer.task_id):
        fired += _fire(connection, task_id, [*timers], at, rules)
    return fired


def _due(connection: sqlite3.Connection, at: datetime, most: int) -> list[DueTimer]:
    rows = connection.execute(
        "SELECT r.task_id, t.name, r.name, r.next_at FROM timers r INDEXED BY timers_due"
        " JOIN tasks t ON t.id = r.task_id WHERE r.next_at <= ? ORDER BY r.next_at LIMIT ?",
        (to_text(at), most),
    )
    return [DueTimer(task_id, task, name, from_text(due_at)) for task_id, task, name, due_at in rows]


def _fire(
    connection: sqlite3.Connection,
    task_id: int,
    timers: Sequence[DueTimer],
    at: datetime,
    rules: TimerRules,
) -> list[Fired]:
    activity = _activity(connection, task_id)
    effects = [(timer, decide_timer(timer.due_at, at, activity, rules)) for timer in timers]
    firing = [timer for timer, effect in effects if effect is Effect.FIRED]
    run = _add_run(connection, task_id, firing, at) if firing else None
    table = Timers(connection)
    return [
        Fired(
            timer,
            effect,
            run if effect is Effect.FIRED else None,
            table.advance(task_id, timer.name, at, fired=effect is Effect.FIRED),
        )
        for timer, effect in effects
    ]


def _activity(connection: sqlite3.Connection, task_id: int) -> Activity:
    if not Tasks(connection).get(task_id).enabled:
        return Activity.PAUSED
    statuses = connection.execute(
        "SELECT status FROM runs WHERE task_id = ? AND finished_at IS NULL", (task_id,)
    ).fetchall()
    if not statuses:
        return Activity.IDLE
    return Activity.QUEUED if ("Queued",) in statuses else Activity.UNDER_WAY


def _add_run(connection: sqlite3.Connection, task_id: int, timers: Sequence[DueTimer], at: datetime) -> Run:
    """As somebody would run the task by hand."""
    return Runs(connection).add(
        Tasks(connection).get(task_id).definition,
        Cause.TIMER,
        at,
        task_id=task_id,
        reason=[{"timer": timer.name, "due_at": to_text(timer.due_at)} for timer in timers],
    )
