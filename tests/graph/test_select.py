"""Selecting: which tasks start now, when a task makes several images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graph.staleness import Attempt, Limits, Snapshot, decide, select
from tests.graph.test_staleness import moved
from tests.graph.world import at


def selected(
    bases: Mapping[int, Sequence[int]],
    tasks: Mapping[int, int],
    *,
    stale: Sequence[int],
    failed: Mapping[int, Attempt] | None = None,
) -> dict[int, list[int]]:
    snapshot = Snapshot({image_id: moved() for image_id in stale}, bases, tasks, failed=failed or {})
    decisions = decide(snapshot, at(60), Limits())
    return {
        task_id: [decision.image_id for decision in asking]
        for task_id, asking in select(decisions.values(), tasks).items()
    }


def test_a_task_runs_once_for_all_its_images() -> None:
    assert selected({1: [], 2: []}, {1: 7, 2: 7}, stale=[1, 2]) == {7: [1, 2]}


def test_a_task_waits_until_none_of_its_images_waits_for_another_task() -> None:
    assert selected({1: [], 2: [], 3: [1]}, {1: 7, 2: 8, 3: 8}, stale=[1, 2, 3]) == {7: [1]}


def test_an_image_that_stands_on_another_of_the_same_task_does_not_hold_it() -> None:
    assert selected({1: [], 2: [1]}, {1: 7, 2: 7}, stale=[1]) == {7: [1]}


def test_a_task_that_is_above_and_below_another_starts() -> None:
    assert selected({1: [], 2: [1], 3: [2]}, {1: 7, 2: 8, 3: 7}, stale=[1]) == {7: [1]}


def test_of_tasks_that_wait_for_one_another_the_first_starts() -> None:
    bases = {1: [], 2: [], 3: [2], 4: [1]}

    assert selected(bases, {1: 7, 3: 7, 2: 8, 4: 8}, stale=[1, 2]) == {7: [1]}


def test_a_task_behind_a_circle_of_others_waits() -> None:
    bases = {1: [], 2: [], 3: [2], 4: [1], 5: [3], 6: []}

    assert selected(bases, {1: 7, 3: 7, 2: 8, 4: 8, 5: 6, 6: 6}, stale=[1, 2, 6]) == {7: [1]}


def test_a_base_that_moves_after_a_failure_starts_the_task_though_another_image_would_wait() -> None:
    attempt = Attempt("ca1", at(10), at(59.9), 3)
    tasks = {1: 7, 2: 7}
    snapshot = Snapshot({1: moved(minute=5), 2: moved(minute=30)}, {1: [], 2: []}, tasks, failed={7: attempt})

    decisions = decide(snapshot, at(60), Limits())

    assert [decision.image_id for decision in select(decisions.values(), tasks)[7]] == [2]


def test_images_that_nobody_makes_start_nothing() -> None:
    assert selected({1: []}, {}, stale=[1]) == {}
