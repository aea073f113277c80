"""Decides what is to become of each image. Pure: it compares what was recorded with what was observed.

Images, bases, digests and tasks are numbers here; who prints a decision looks their names up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Verdict(StrEnum):
    """What to do with an image now."""

    KEEP = "keep"  # nothing to do
    REBUILD = "rebuild"  # start now
    WAIT = "wait"  # something else comes first; looked at again when it is done
    BLOCKED = "blocked"  # stale, and nothing that tracker does by itself will change that


class Reason(StrEnum):
    """Why, one for each way to come to a verdict."""

    FRESH = "fresh"
    BASE_MOVED = "base-moved"
    BASE_PENDING = "base-pending"  # a base of it is being rebuilt, or will be
    BASE_FAILED = "base-failed"  # a base of it could not be rebuilt
    RUNNING = "running"  # its own run is queued or under way
    RETRY_LATER = "retry-later"  # its rebuild failed; the next try has its time
    SETTLING = "settling"  # the base moved a moment ago and may move again
    NO_TASK = "no-task"  # nobody said how to build it
    PAUSED = "paused"  # its task is disabled
    PLATFORM_GONE = "platform-gone"  # the base no longer has a platform of the image


@dataclass(frozen=True, slots=True)
class BaseMoved:
    """Evidence: for this platform the base is another than the one recorded."""

    base_id: int
    platform: str
    recorded_id: int  # digest of the platform's manifest as recorded
    observed_id: int | None  # and as observed; None: the index no longer has the platform
    since: datetime  # when it first moved away from what is recorded
    moved_at: datetime  # when it last moved


@dataclass(frozen=True, slots=True)
class Attempt:
    """The last rebuild of a task, which failed; `count` failures in a row."""

    run_id: str
    started_at: datetime
    finished_at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The part of the graph that may need something: stale and busy images and all that stand on them."""

    moved: Mapping[int, tuple[BaseMoved, ...]]  # stale image → its evidence
    bases: Mapping[int, Sequence[int]]  # image → those of its bases that are in this part too
    tasks: Mapping[int, int]  # image → the task that makes it
    busy: Set[int] = frozenset()  # tasks with a run that is queued or under way
    paused: Set[int] = frozenset()
    failed: Mapping[int, Attempt] = field(default_factory=dict)  # task → its failed last attempt

    @property
    def images(self) -> Iterator[int]:
        yield from self.bases


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to hold back."""

    settle_s: float = 0.0  # quiet time that a base outside our own needs before it counts
    settle_most_s: float = 3600.0  # a base that never rests counts after this all the same
    retry_delays_s: tuple[float, ...] = (30.0, 300.0, 3600.0, 7200.0, 14400.0, 28800.0)

    def retry_delay_s(self, failures: int) -> float:
        return self.retry_delays_s[min(failures, len(self.retry_delays_s)) - 1]


@dataclass(frozen=True, slots=True)
class Decision:
    """One image, what to do, why, and the facts that it rests on."""

    image_id: int
    verdict: Verdict
    reason: Reason
    evidence: tuple[BaseMoved, ...] = ()
    waits_for: tuple[int, ...] = ()  # bases that come first
    until: datetime | None = None  # when time alone changes the decision
    run_id: str | None = None  # the failed run it rests on

    @property
    def pending(self) -> bool:
        """Whether this image may yet change by our own doing, so that those above it had better wait."""
        return self.verdict in (Verdict.REBUILD, Verdict.WAIT)


def decide(snapshot: Snapshot, now: datetime, limits: Limits) -> dict[int, Decision]:
    """A decision for each image of the snapshot, bases before the images on top of them."""
    decisions: dict[int, Decision] = {}
    for image_id in bases_first(snapshot.bases):
        decisions[image_id] = _decide_one(image_id, snapshot, decisions, now, limits)
    return decisions


def _decide_one(
    image_id: int, snapshot: Snapshot, below: Mapping[int, Decision], now: datetime, limits: Limits
) -> Decision:
    evidence = snapshot.moved.get(image_id, ())
    task_id = snapshot.tasks.get(image_id)
    if task_id is not None and task_id in snapshot.busy:
        return Decision(image_id, Verdict.WAIT, Reason.RUNNING, evidence)
    pending = tuple(base for base in snapshot.bases[image_id] if base in below and below[base].pending)
    if not evidence and not pending:
        return Decision(image_id, Verdict.KEEP, Reason.FRESH)
    if task_id is None:
        return _held_for_good(image_id, Reason.NO_TASK, evidence)
    if task_id in snapshot.paused:
        return _held_for_good(image_id, Reason.PAUSED, evidence)
    if pending:
        failed = any(below[base].reason in (Reason.RETRY_LATER, Reason.BASE_FAILED) for base in pending)
        reason = Reason.BASE_FAILED if failed else Reason.BASE_PENDING
        return Decision(image_id, Verdict.WAIT, reason, evidence, waits_for=pending)
    return _decide_stale(image_id, evidence, task_id, snapshot, now, limits)


def _held_for_good(image_id: int, reason: Reason, evidence: tuple[BaseMoved, ...]) -> Decision:
    """Nobody rebuilds it, so those above it need not wait for it; if it is stale, somebody should know."""
    if evidence:
        return Decision(image_id, Verdict.BLOCKED, reason, evidence)
    return Decision(image_id, Verdict.KEEP, Reason.FRESH)


def _decide_stale(
    image_id: int,
    evidence: tuple[BaseMoved, ...],
    task_id: int,
    snapshot: Snapshot,
    now: datetime,
    limits: Limits,
) -> Decision:
    if any(moved.observed_id is None for moved in evidence):
        return Decision(image_id, Verdict.BLOCKED, Reason.PLATFORM_GONE, evidence)
    attempt = snapshot.failed.get(task_id)
    if attempt is not None and all(moved.moved_at <= attempt.started_at for moved in evidence):
        until = attempt.finished_at + timedelta(seconds=limits.retry_delay_s(attempt.count))
        if until > now:
            return Decision(
                image_id, Verdict.WAIT, Reason.RETRY_LATER, evidence, until=until, run_id=attempt.run_id
            )
    settled_at = max((_settled_at(moved, snapshot, limits) for moved in evidence), default=now)
    if settled_at > now:
        return Decision(image_id, Verdict.WAIT, Reason.SETTLING, evidence, until=settled_at)
    return Decision(image_id, Verdict.REBUILD, Reason.BASE_MOVED, evidence)


def _settled_at(moved: BaseMoved, snapshot: Snapshot, limits: Limits) -> datetime:
    """When a move counts. One of our own images moved because we rebuilt it: that counts at once."""
    if moved.base_id in snapshot.tasks:
        return moved.moved_at
    quiet = moved.moved_at + timedelta(seconds=limits.settle_s)
    return min(quiet, moved.since + timedelta(seconds=limits.settle_most_s))


def select(decisions: Iterable[Decision], tasks: Mapping[int, int]) -> dict[int, list[Decision]]:
    """The tasks to run now, with the decisions that ask for it. A task runs once for all its images."""
    chosen: dict[int, list[Decision]] = {}
    held: set[int] = set()
    for decision in decisions:
        task_id = tasks.get(decision.image_id)
        if task_id is None:
            continue
        if decision.verdict is Verdict.REBUILD:
            chosen.setdefault(task_id, []).append(decision)
        elif decision.verdict is Verdict.WAIT:
            held.add(task_id)
    return {task_id: asking for task_id, asking in chosen.items() if task_id not in held}


def bases_first(bases: Mapping[int, Sequence[int]]) -> list[int]:
    """The images in an order in which each comes after all its bases (Kahn). Circles come last, as they are."""
    above: dict[int, list[int]] = {}
    open_bases: dict[int, int] = {}
    for image_id, its_bases in bases.items():
        count = 0
        for base_id in its_bases:
            if base_id in bases:
                above.setdefault(base_id, []).append(image_id)
                count += 1
        open_bases[image_id] = count
    order = [image_id for image_id, count in open_bases.items() if count == 0]
    for image_id in order:  # grows while it is walked
        for upper in above.get(image_id, ()):
            open_bases[upper] -= 1
            if open_bases[upper] == 0:
                order.append(upper)
    if len(order) < len(bases):
        placed = set(order)
        order += [image_id for image_id in bases if image_id not in placed]
    return order
