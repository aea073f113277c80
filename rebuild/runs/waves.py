"""Turns decisions into waves and runs, in the caller's transaction. Starts nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from graph.clock import to_text
from graph.plan import Plan, plan
from graph.record import dataclass
from graph.snapshot import TaskStates, read_snapshot
from graph.staleness import BaseMoved, Decision, Limits, Snapshot, decide, select
from rebuild.runs.definition import Definition
from rebuild.runs.table import Cause, Run, Runs
from rebuild.runs.update_notice import tell_endpoints
from rebuild.sources.requests import Request, Requests, at_revision
from rebuild.tasks.task import Tasks
from rebuild.tasks.triggers import Triggers


@dataclass(frozen=True, slots=True)
class Wave:
    """A set of runs that was not over when it was looked at."""

    wave_id: int
    created_at: datetime
    tasks: frozenset[int]


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What one look at the graph led to."""

    runs: tuple[Run, ...]
    finished: tuple[Wave, ...]  # waves that are over with this look
    wake_at: datetime | None  # when time alone will change a decision


def task_states(connection: sqlite3.Connection, now: datetime) -> TaskStates:
    """What the runs say of the tasks, for the snapshot."""
    runs, reluctant = Runs(connection), Triggers(connection).reluctant()
    return TaskStates(
        busy=runs.busy_tasks(),
        paused=Tasks(connection).paused(),
        failed=runs.failed_attempts(),
        canceled=runs.canceled_tasks(),
        off=reluctant.off,
        runtime_only=reluctant.runtime_only,
        no_syntax=reluctant.no_syntax,
        requested=Requests(connection).tasks(now),
    )


def enqueue_due(connection: sqlite3.Connection, now: datetime, limits: Limits, *, workers: int) -> Enqueued:
    """Look at the graph and ask for the runs that are to start now. Belongs inside `immediate()`."""
    snapshot = read_snapshot(connection, task_states(connection, now))
    decisions = decide(snapshot, now, limits)
    chosen = select(decisions.values(), snapshot.tasks) | _without_images(snapshot)
    added = _add_runs(connection, chosen, decisions, snapshot, now, workers) if chosen else ()
    return Enqueued(
        runs=tuple(added),
        finished=_close_waves(connection, decisions, snapshot, now),
        wake_at=min(_changes(connection, decisions, now), default=None),
    )


def _changes(
    connection: sqlite3.Connection, decisions: Mapping[int, Decision], now: datetime
) -> Iterator[datetime]:
    """The times at which time alone changes what is to be done."""
    yield from (decision.until for decision in decisions.values() if decision.until is not None)
    if (due_at := Requests(connection).next_due(now)) is not None:
        yield due_at


def _without_images(snapshot: Snapshot) -> dict[int, list[Decision]]:
    """Requested tasks of which no image is known: nothing is known of bases either, so nothing holds them."""
    with_images = frozenset(snapshot.tasks.values())
    return {task_id: [] for task_id in snapshot.requested - with_images - snapshot.busy - snapshot.paused}


def _add_runs(
    connection: sqlite3.Connection,
    chosen: Mapping[int, Sequence[Decision]],
    decisions: Mapping[int, Decision],
    snapshot: Snapshot,
    now: datetime,
    workers: int,
) -> list[Run]:
    runs, requests = Runs(connection), Requests(connection)
    requested = requests.first_of_each_task()
    planned = _plan_pending(decisions, snapshot, runs.durations_s(), workers)
    tails_s = {step.task_id: step.tail_s for step in planned.steps}
    waves = _waves_for(runs, chosen, planned, now)
    reasons: dict[tuple[BaseMoved, ...], list[dict[str, Any]]] = {}  # images on one base share theirs
    added, told = [], []
    for task_id, asking in chosen.items():
        evidence = tuple(moved for decision in asking for moved in decision.evidence)
        if evidence not in reasons:
            reasons[evidence] = reason_of(connection, evidence)
        wish = _wish(connection, task_id, requested.get(task_id), evidence, snapshot)
        added.append(
            runs.add(
                wish.definition,
                wish.cause,
                now,
                task_id=task_id,
                wave_id=waves.get(task_id),
                reason=[*wish.reason, *reasons[evidence]],
                priority=tails_s.get(task_id, 0.0),
            )
        )
        told.append((added[-1], reasons[evidence]))
        if task_id in requested:
            requests.remove(requested[task_id])
    tell_endpoints(connection, told, now)
    return added


def _plan_pending(
    decisions: Mapping[int, Decision], snapshot: Snapshot, durations_s: Mapping[int, float], workers: int
) -> Plan:
    pending = [image_id for image_id, decision in decisions.items() if decision.pending]
    return plan(pending, bases=snapshot.bases, tasks=snapshot.tasks, durations_s=durations_s, workers=workers)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a task is to do, and why."""

    definition: Definition
    cause: Cause
    reason: Sequence[Mapping[str, Any]] = ()


def _wish(
    connection: sqlite3.Connection,
    task_id: int,
    request: Request | None,
    evidence: Iterable[BaseMoved],
    snapshot: Snapshot,
) -> _Wish:
    """A commit that waits goes before bases that moved: it is built on what they are now."""
    definition = Tasks(connection).get(task_id).definition
    if request is not None:
        return _Wish(at_revision(definition, request.revision), Cause.COMMIT, request.reason)
    ours = any(moved.base_id in snapshot.tasks for moved in evidence)
    return _Wish(definition.rebuilt(), Cause.UPSTREAM if ours else Cause.BASE_IMAGE)


def _waves_for(runs: Runs, chosen: Iterable[int], planned: Plan, now: datetime) -> dict[int, int]:
    """The wave of each chosen task: the open one that planned it, else a new one for all that is pending."""
    waves = {}
    open_waves = [(wave_id, tasks) for wave_id, _, tasks in runs.open_waves()]
    planned_tasks = {step.task_id for step in planned.steps}
    for task_id in planned_tasks.intersection(chosen):
        known = next((wave_id for wave_id, tasks in open_waves if task_id in tasks), None)
        if known is None:
            order = [step.task_id for step in planned.steps]
            known = runs.add_wave(order, planned.critical_path_s, planned.work_s, now)
            open_waves.append((known, frozenset(order)))
        waves[task_id] = known
    return waves


def _close_waves(
    connection: sqlite3.Connection, decisions: Mapping[int, Decision], snapshot: Snapshot, now: datetime
) -> tuple[Wave, ...]:
    """A wave is over when none of its tasks has anything left to do."""
    runs = Runs(connection)
    waves = [Wave(*row) for row in runs.open_waves()]
    if not waves:
        return ()
    pending = {
        snapshot.tasks[image_id]
        for image_id, decision in decisions.items()
        if decision.pending and image_id in snapshot.tasks
    }
    pending |= runs.busy_tasks()
    over = tuple(wave for wave in waves if not wave.tasks & pending)
    for wave in over:
        runs.finish_wave(wave.wave_id, now)
    return over


def reason_of(connection: sqlite3.Connection, evidence: Iterable[BaseMoved]) -> list[dict[str, Any]]:
    """The evidence with names instead of numbers, as runs keep it."""
    told = []
    for moved in dict.fromkeys(evidence):
        base, recorded, observed = connection.execute(
            "SELECT (SELECT name FROM images WHERE id = ?), (SELECT value FROM digests WHERE id = ?),"
            " (SELECT value FROM digests WHERE id = ?)",
            (moved.base_id, moved.recorded_id, moved.observed_id),
        ).fetchone()
        told.append(
            {
                "base": base,
                "platform": moved.platform,
                "from": recorded,
                "to": observed,
                "since": to_text(moved.since),
                **_newer_tag(connection, moved),
            }
        )
    return told


def _newer_tag(connection: sqlite3.Connection, moved: BaseMoved) -> dict[str, str]:
    """The tag that takes the place of the base, where one does."""
    if moved.seen_at_id is None:
        return {}
    query = "SELECT name FROM images WHERE id = ?"
    return {"newer_tag": connection.execute(query, (moved.seen_at_id,)).fetchone()[0]}
