"""Orders a set of rebuilds: what first, what may run side by side, how long it takes. Pure.

The unit is the task: it runs once for all the images that it makes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from graph.staleness import bases_first


@dataclass(frozen=True, slots=True)
class Step:
    """One run of a wave. Times are seconds from the start of the wave, as far as past runs tell."""

    task_id: int
    images: tuple[int, ...]
    waits_for: tuple[int, ...]  # tasks of the same wave
    level: int  # 0: waits for nothing
    duration_s: float
    tail_s: float  # from its start to the end of the longest chain above it
    starts_s: float
    ends_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A wave: its steps in an order in which they may run."""

    steps: tuple[Step, ...] = ()
    critical_path_s: float = 0.0
    work_s: float = 0.0
    makespan_s: float = 0.0


def plan(
    images: Iterable[int],
    *,
    bases: Mapping[int, Sequence[int]],
    tasks: Mapping[int, int],
    durations_s: Mapping[int, float],
    workers: int,
) -> Plan:
    """The wave that rebuilds these images. `durations_s` is by task; images without a task are left out."""
    members = [image_id for image_id in images if image_id in tasks]
    made_by: dict[int, list[int]] = {}
    for image_id in members:
        made_by.setdefault(tasks[image_id], []).append(image_id)
    waits_for = _waits(members, bases, tasks)
    order = bases_first(waits_for)
    usual_s = _usual(durations_s)
    lengths_s = {task_id: durations_s.get(task_id, usual_s) for task_id in order}
    tails_s = _tails(order, waits_for, lengths_s)
    spans = _simulate(order, waits_for, lengths_s, tails_s, workers)
    levels = _levels(order, waits_for)
    steps = [
        Step(
            task_id,
            tuple(made_by[task_id]),
            tuple(waits_for[task_id]),
            levels[task_id],
            lengths_s[task_id],
            tails_s[task_id],
            *spans[task_id],
        )
        for task_id in order
    ]
    steps.sort(key=lambda step: (step.starts_s, -step.tail_s, step.task_id))
    return Plan(
        tuple(steps),
        critical_path_s=max(tails_s.values(), default=0.0),
        work_s=sum(lengths_s.values()),
        makespan_s=max((step.ends_s for step in steps), default=0.0),
    )


def _waits(
    members: Sequence[int], bases: Mapping[int, Sequence[int]], tasks: Mapping[int, int]
) -> dict[int, list[int]]:
    """For each task the tasks of the wave that come before it."""
    inside = set(members)
    waits: dict[int, dict[int, None]] = {tasks[image_id]: {} for image_id in members}
    for image_id in members:
        for base_id in bases.get(image_id, ()):
            if base_id in inside and tasks[base_id] != tasks[image_id]:
                waits[tasks[image_id]][tasks[base_id]] = None
    return {task_id: list(before) for task_id, before in waits.items()}


def _usual(durations_s: Mapping[int, float]) -> float:
    """The median of what is known, for a task that never ran."""
    known = sorted(durations_s.values())
    return known[len(known) // 2] if known else 60.0


def _tails(
    order: Sequence[int], waits_for: Mapping[int, Sequence[int]], lengths_s: Mapping[int, float]
) -> dict[int, float]:
    tails_s = dict(lengths_s)
    for task_id in reversed(order):
        for before in waits_for[task_id]:
            tails_s[before] = max(tails_s[before], lengths_s[before] + tails_s[task_id])
    return tails_s


def _levels(order: Sequence[int], waits_for: Mapping[int, Sequence[int]]) -> dict[int, int]:
    levels: dict[int, int] = {}
    for task_id in order:
        levels[task_id] = 1 + max((levels.get(before, -1) for before in waits_for[task_id]), default=-1)
    return levels


def _simulate(
    order: Sequence[int],
    waits_for: Mapping[int, Sequence[int]],
    lengths_s: Mapping[int, float],
    tails_s: Mapping[int, float],
    workers: int,
) -> dict[int, tuple[float, float]]:
    """When each task starts and ends if the longest tail among those that are ready always goes first."""
    above: dict[int, list[int]] = {}
    missing: dict[int, int] = {}
    for task_id in order:
        missing[task_id] = sum(before in waits_for for before in waits_for[task_id])
        for before in waits_for[task_id]:
            above.setdefault(before, []).append(task_id)
    ready = [(-tails_s[task_id], task_id) for task_id in order if missing[task_id] == 0]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    spans: dict[int, tuple[float, float]] = {}
    clock_s = 0.0
    while ready or running:
        while ready and len(running) < workers:
            _, task_id = heapq.heappop(ready)
            spans[task_id] = (clock_s, clock_s + lengths_s[task_id])
            heapq.heappush(running, (clock_s + lengths_s[task_id], task_id))
        clock_s, done = heapq.heappop(running)
        for upper in above.get(done, ()):
            missing[upper] -= 1
            if missing[upper] == 0:
                heapq.heappush(ready, (-tails_s[upper], upper))
    for task_id in order:  # members of a circle are never ready; they stand at the end
        spans.setdefault(task_id, (clock_s, clock_s + lengths_s[task_id]))
    return spans
