"""Decides what is to become of each image. Pure: it compares what was recorded with what was observed.

Images, bases, digests and tasks are numbers here; who prints a decision looks their names up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum

from graph.order import bases_first
from graph.record import dataclass
from graph.uncollected import uncollected


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
    NEWER_TAG = "newer-tag"  # a base follows tags, and there is a newer one
    REQUESTED = "requested"  # somebody wants it built, whatever its bases are
    BASE_PENDING = "base-pending"  # a base of it is being rebuilt, or will be
    BASE_FAILED = "base-failed"  # a base of it could not be rebuilt
    RUNNING = "running"  # its own run is queued or under way
    RETRY_LATER = "retry-later"  # its rebuild failed; the next try has its time
    SETTLING = "settling"  # the base moved a moment ago and may move again
    NO_TASK = "no-task"  # nobody said how to build it
    PAUSED = "paused"  # its task is disabled
    UNFOLLOWED = "unfollowed"  # its task does not follow the bases that moved
    CANCELED = "canceled"  # somebody canceled its rebuild, and nothing has moved since
    PLATFORM_GONE = "platform-gone"  # the base no longer has a platform of the image
    PINNED = "pinned"  # the tag beside a pinned digest has moved: told, and nothing follows from it


@dataclass(frozen=True, slots=True)
class BaseMoved:
    """Evidence: for this platform the base is another than the one recorded."""

    base_id: int
    platform: str
    recorded_id: int  # digest of the platform's manifest as recorded
    observed_id: int | None  # and as observed; None: the index no longer has the platform
    since: datetime  # when it first moved away from what is recorded
    moved_at: datetime  # when it last moved
    seen_at_id: int | None = None  # the name that was looked at: a newer tag. None: the base's own


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
    tasks: Mapping[int, int]  # image → the task that makes it; of this part and of the bases that moved
    busy: Set[int] = frozenset()  # tasks with a run that is queued or under way
    paused: Set[int] = frozenset()
    failed: Mapping[int, Attempt] = field(default_factory=dict)  # task → its failed last attempt
    canceled: Mapping[int, datetime] = field(default_factory=dict)  # task → when its last run was canceled
    ignored: Mapping[int, Set[int]] = field(default_factory=dict)  # image → bases that its task leaves alone
    overtaken: Set[int] = frozenset()  # images of which a base is known by a newer tag
    requested: Set[int] = frozenset()  # tasks that are to be run once, as soon as nothing below them moves

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
        return self.retry_delays_s[min(max(failures, 1), len(self.retry_delays_s)) - 1]


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
    judge = _Judge(snapshot, now, limits)
    with uncollected():
        return {image_id: judge.decide(image_id) for image_id in bases_first(snapshot.bases)}


class _Judge:
    """Decides image by image, bases first, and keeps in mind which of them are not done yet."""

    def __init__(self, snapshot: Snapshot, now: datetime, limits: Limits) -> None:
        self._snapshot = snapshot
        self._now = now
        self._limits = limits
        self._pending: set[int] = set()
        self._failed: set[int] = set()
        self._late: set[int] = set()  # of those that are pending: not before some time has gone by

    def decide(self, image_id: int) -> Decision:
        decision = self._verdict_on(image_id)
        if decision.pending:
            self._pending.add(image_id)
            if decision.reason in (Reason.RETRY_LATER, Reason.BASE_FAILED):
                self._failed.add(image_id)
            if decision.until is not None or not self._late.isdisjoint(decision.waits_for):
                self._late.add(image_id)
        return decision

    def _verdict_on(self, image_id: int) -> Decision:
        snapshot = self._snapshot
        evidence = snapshot.moved.get(image_id, ())
        task_id = snapshot.tasks.get(image_id)
        if task_id is not None and task_id in snapshot.busy:
            return Decision(image_id, Verdict.WAIT, Reason.RUNNING, evidence)
        requested = task_id is not None and task_id in snapshot.requested
        pending = self._pending_below(image_id, requested=requested)
        if not evidence and not pending and not requested:
            return Decision(image_id, Verdict.KEEP, Reason.FRESH)
        if task_id is None:
            return _held_for_good(image_id, Reason.NO_TASK, evidence)
        if task_id in snapshot.paused:
            return _held_for_good(image_id, Reason.PAUSED, evidence)
        if pending:
            reason = Reason.BASE_PENDING if self._failed.isdisjoint(pending) else Reason.BASE_FAILED
            return Decision(image_id, Verdict.WAIT, reason, evidence, waits_for=pending)
        if requested:
            return Decision(image_id, Verdict.REBUILD, Reason.REQUESTED, evidence)
        ignored = snapshot.ignored.get(image_id)
        counting = tuple(moved for moved in evidence if not ignored or moved.base_id not in ignored)
        if not counting:
            return _held_for_good(image_id, Reason.UNFOLLOWED, evidence)
        return self._verdict_on_stale(image_id, evidence, counting, task_id)

    def _pending_below(self, image_id: int, *, requested: bool) -> tuple[int, ...]:
        """The bases that come first. What is requested waits for those that it does not follow, too, but for
        none that takes its time: it is built anew when that has come."""
        pending = filter(self._pending.__contains__, self._snapshot.bases[image_id])
        if requested:
            return tuple(base for base in pending if base not in self._late)
        ignored = self._snapshot.ignored.get(image_id)
        return tuple(base for base in pending if not ignored or base not in ignored)

    def _verdict_on_stale(
        self, image_id: int, evidence: tuple[BaseMoved, ...], counting: Sequence[BaseMoved], task_id: int
    ) -> Decision:
        """`counting` is the evidence that asks for a rebuild, which then takes all that moved."""
        if any(moved.observed_id is None for moved in evidence):
            return Decision(image_id, Verdict.BLOCKED, Reason.PLATFORM_GONE, evidence)
        canceled_at = self._snapshot.canceled.get(task_id)
        if canceled_at is not None and all(moved.moved_at <= canceled_at for moved in counting):
            return Decision(image_id, Verdict.BLOCKED, Reason.CANCELED, evidence)
        attempt = self._snapshot.failed.get(task_id)
        if attempt is not None and all(moved.moved_at <= attempt.started_at for moved in counting):
            until = attempt.finished_at + timedelta(seconds=self._limits.retry_delay_s(attempt.count))
            if until > self._now:
                wait, why = Verdict.WAIT, Reason.RETRY_LATER
                return Decision(image_id, wait, why, evidence, until=until, run_id=attempt.run_id)
        settled_at = max(self._settled_at(moved) for moved in counting)
        if settled_at > self._now:
            return Decision(image_id, Verdict.WAIT, Reason.SETTLING, evidence, until=settled_at)
        newer = image_id in self._snapshot.overtaken and any(moved.seen_at_id for moved in counting)
        return Decision(image_id, Verdict.REBUILD, Reason.NEWER_TAG if newer else Reason.BASE_MOVED, evidence)

    def _settled_at(self, moved: BaseMoved) -> datetime:
        """When a move counts. One of our own images moved because we rebuilt it: that counts at once."""
        if (moved.seen_at_id or moved.base_id) in self._snapshot.tasks:
            return moved.moved_at
        quiet = moved.moved_at + timedelta(seconds=self._limits.settle_s)
        return min(quiet, moved.since + timedelta(seconds=self._limits.settle_most_s))


def _held_for_good(image_id: int, reason: Reason, evidence: tuple[BaseMoved, ...]) -> Decision:
    """Nobody rebuilds it, so those above it need not wait for it; if it is stale, somebody should know."""
    if evidence:
        return Decision(image_id, Verdict.BLOCKED, reason, evidence)
    return Decision(image_id, Verdict.KEEP, Reason.FRESH)


def select(decisions: Iterable[Decision], tasks: Mapping[int, int]) -> dict[int, list[Decision]]:
    """The tasks to run now, with the decisions that ask for it. A task runs once for all its images.

    So it starts when none of its images waits for another task. Tasks that make several images each may
    wait for one another in a circle; then the one with the lowest number goes first.
    """
    by_image = {decision.image_id: decision for decision in decisions}
    asking: dict[int, list[Decision]] = {}
    waiting: dict[int, list[Decision]] = {}
    for decision in by_image.values():
        task_id = tasks.get(decision.image_id)
        if task_id is not None and decision.pending:
            group = asking if decision.verdict is Verdict.REBUILD else waiting
            group.setdefault(task_id, []).append(decision)
    holders = {
        task_id: _holders(task_id, waiting.get(task_id, ()), by_image, tasks) for task_id in sorted(asking)
    }
    return {task_id: asking[task_id] for task_id in asking if _may_start(task_id, holders)}


def _holders(
    task_id: int, waiting: Iterable[Decision], by_image: Mapping[int, Decision], tasks: Mapping[int, int]
) -> frozenset[int | None]:
    """What has to happen before these images can be rebuilt: other tasks, and None for time or a run."""
    found: set[int | None] = set()
    seen: set[int] = set()
    left = [decision for decision in waiting if decision.reason is not Reason.RETRY_LATER]
    while left:
        decision = left.pop()
        if decision.waits_for:
            left += [by_image[base] for base in decision.waits_for if base not in seen]
            seen.update(decision.waits_for)
        elif decision.verdict is Verdict.REBUILD:
            found.add(tasks[decision.image_id])
        else:
            found.add(None)
    return frozenset(found - {task_id})


def _may_start(task_id: int, holders: Mapping[int, frozenset[int | None]]) -> bool:
    """Whether nothing holds the task, or only a circle of tasks of which it is the first."""
    reached: set[int | None] = set()
    left: list[int | None] = [*holders[task_id]]
    while left:
        holder = left.pop()
        if holder not in reached:
            reached.add(holder)
            left += holders.get(holder, ()) if holder is not None else ()
    return not reached or (None not in reached and task_id == min(filter(None, reached)))
