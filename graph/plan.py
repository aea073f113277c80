"""Orders a set of rebuilds: what first, what may run side by side, how long it takes. Pure.

The unit is the task: it runs once for all the images that it makes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from graph.order import bases_first, reversed_edges
from graph.record import dataclass
from graph.uncollected import uncollected


class Step(NamedTuple):  # a wave may have a hundred thousand, and a tuple is made in a third of the time
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
    if workers < 1:
        raise ValueError(f"a wave needs at least one worker, not {workers}")
    with uncollected():
        made_by = _made_by(images, tasks)
        return _plan(made_by, _waits(made_by, bases), durations_s, workers)


def _plan(
    made_by: Mapping[int, tuple[int, ...]],
    waits_for: Mapping[int, tuple[int, ...]],
    durations_s: Mapping[int, float],
    workers: int,
) -> Plan:
    above = reversed_edges(waits_for)
    order = bases_first(waits_for, above)
    usual_s = _usual(durations_s)
    lengths_s = {task_id: durations_s.get(task_id, usual_s) for task_id in order}
    tails_s = _tails(order, above, lengths_s)
    levels = _levels(order, waits_for)
    steps = []
    for task_id, starts_s in _starts(waits_for, above, lengths_s, tails_s, workers).items():
        length_s = lengths_s[task_id]
        steps.append(
            Step(
                task_id,
                made_by[task_id],
                waits_for[task_id],
                levels[task_id],
                length_s,
                tails_s[task_id],
                starts_s,
                starts_s + length_s,
            )
        )
    return Plan(
        tuple(steps),
        critical_path_s=max(tails_s.values(), default=0.0),
        work_s=sum(lengths_s.values()),
        makespan_s=max((step.ends_s for step in steps), default=0.0),
    )


def _made_by(images: Iterable[int], tasks: Mapping[int, int]) -> dict[int, tuple[int, ...]]:
    """Task → those of the images that it makes; images without a task are left out."""
    made_by: dict[int, tuple[int, ...]] = {}
    for image_id in images:
        task_id = tasks.get(image_id)
        if task_id is not None:
            made_by[task_id] = (*made_by.get(task_id, ()), image_id)
    return made_by


def _waits(
    made_by: Mapping[int, Sequence[int]], bases: Mapping[int, Sequence[int]]
) -> dict[int, tuple[int, ...]]:
    """For each task the tasks of the wave that come before it."""
    maker = {image_id: task_id for task_id, its_images in made_by.items() for image_id in its_images}
    waits_for = {}
    for task_id, its_images in made_by.items():
        its_bases = chain.from_iterable([bases.get(image_id, ()) for image_id in its_images])
        makers = filter(None, map(maker.get, its_bases))
        before = dict.fromkeys(makers)  # each once, in the order of the bases
        before.pop(task_id, None)
        waits_for[task_id] = tuple(before)
    return waits_for


def _usual(durations_s: Mapping[int, float]) -> float:
    """The median of what is known, for a task that never ran."""
    known = sorted(durations_s.values())
    return known[len(known) // 2] if known else 60.0


def _tails(
    order: Sequence[int], above: Mapping[int, Sequence[int]], lengths_s: Mapping[int, float]
) -> dict[int, float]:
    tails_s = dict.fromkeys(order, 0.0)
    for task_id in reversed(order):
        longest_s = max(map(tails_s.__getitem__, above[task_id]), default=0.0)
        tails_s[task_id] = lengths_s[task_id] + longest_s
    return tails_s


def _levels(order: Sequence[int], waits_for: Mapping[int, Sequence[int]]) -> dict[int, int]:
    levels = dict.fromkeys(order, -1)
    for task_id in order:
        levels[task_id] = 1 + max(map(levels.__getitem__, waits_for[task_id]), default=-1)
    return levels


def _starts(
    waits_for: Mapping[int, Sequence[int]],
    above: Mapping[int, Sequence[int]],
    lengths_s: Mapping[int, float],
    tails_s: Mapping[int, float],
    workers: int,
) -> dict[int, float]:
    """When each task starts, in that order, if of those that are ready the longest tail goes first."""
    missing = {task_id: len(before) for task_id, before in waits_for.items()}
    ready = [(-tails_s[task_id], task_id) for task_id, count in missing.items() if count == 0]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    starts_s: dict[int, float] = {}
    clock_s = 0.0
    while ready or running:
        while ready and len(running) < workers:
            _, task_id = heapq.heappop(ready)
            starts_s[task_id] = clock_s
            heapq.heappush(running, (clock_s + lengths_s[task_id], task_id))
        clock_s, done = heapq.heappop(running)
        for upper in above[done]:
            missing[upper] -= 1
            if not missing[upper]:
                heapq.heappush(ready, (-tails_s[upper], upper))
    for task_id in waits_for:  # members of a circle are never ready; they stand at the end
        starts_s.setdefault(task_id, clock_s)
    return starts_s
