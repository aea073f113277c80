"""Planning: the order of a wave, how long it takes, what runs side by side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.order import bases_first, reversed_edges
from graph.plan import Plan, plan

DIAMOND = {1: [], 2: [1], 3: [1], 4: [2, 3]}


def planned(bases: dict[int, list[int]], durations_s: dict[int, float], *, workers: int = 2) -> Plan:
    tasks = {image_id: image_id for image_id in bases}
    return plan(bases, bases=bases, tasks=tasks, durations_s=durations_s, workers=workers)


def test_a_diamond_takes_its_two_sides_at_once() -> None:
    wave = planned(DIAMOND, {1: 10, 2: 20, 3: 30, 4: 5})

    assert [step.task_id for step in wave.steps] == [1, 3, 2, 4]
    assert [step.starts_s for step in wave.steps] == [0, 10, 10, 40]
    assert [step.level for step in wave.steps] == [0, 1, 1, 2]
    assert (wave.critical_path_s, wave.work_s, wave.makespan_s) == (45, 65, 45)


def test_one_worker_takes_all_in_a_row() -> None:
    assert planned(DIAMOND, {1: 10, 2: 20, 3: 30, 4: 5}, workers=1).makespan_s == 65


def test_the_longest_chain_goes_first() -> None:
    wave = planned({1: [], 2: [], 3: [2]}, {1: 15, 2: 10, 3: 10}, workers=1)

    assert [step.task_id for step in wave.steps] == [2, 1, 3]


def test_a_task_that_never_ran_is_expected_to_take_as_long_as_the_others_usually_do() -> None:
    wave = planned({1: [], 2: [], 3: [], 4: []}, {1: 10, 2: 20, 3: 90})

    assert {step.task_id: step.duration_s for step in wave.steps}[4] == 20


def test_a_task_runs_once_for_all_its_images() -> None:
    wave = plan(
        [1, 2, 3],
        bases={1: [], 2: [1], 3: [2]},
        tasks={1: 7, 2: 7, 3: 8},
        durations_s={7: 1, 8: 1},
        workers=2,
    )

    assert [(step.task_id, step.images, step.waits_for) for step in wave.steps] == [
        (7, (1, 2), ()),
        (8, (3,), (7,)),
    ]


def test_images_that_nobody_makes_are_left_out() -> None:
    wave = plan([1, 2], bases={1: [], 2: [1]}, tasks={2: 8}, durations_s={}, workers=2)

    assert [(step.task_id, step.waits_for) for step in wave.steps] == [(8, ())]


def test_bases_outside_the_wave_are_not_waited_for() -> None:
    wave = plan([2], bases={1: [], 2: [1]}, tasks={1: 7, 2: 8}, durations_s={}, workers=2)

    assert wave.steps[0].waits_for == ()


def test_tasks_in_a_circle_stand_at_the_end() -> None:
    wave = planned({1: [2], 2: [1], 3: []}, {1: 1, 2: 1, 3: 5})

    assert wave.steps[0].task_id == 3
    assert {step.task_id for step in wave.steps} == {1, 2, 3}


def test_an_empty_wave_takes_no_time() -> None:
    assert planned({}, {}) == Plan()


def test_a_wave_without_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one worker"):
        planned(DIAMOND, {}, workers=0)


@st.composite
def waves(draw: st.DrawFn) -> tuple[dict[int, list[int]], dict[int, int], dict[int, float], int]:
    count = draw(st.integers(1, 12))
    bases = {
        n: sorted(draw(st.sets(st.integers(1, n - 1), max_size=3))) if n > 1 else []
        for n in range(1, count + 1)
    }
    tasks = {n: draw(st.integers(100, 100 + count)) for n in bases}
    durations_s = {task_id: float(draw(st.integers(0, 50))) for task_id in tasks.values()}
    return bases, tasks, durations_s, draw(st.integers(1, 4))


@given(waves())
def test_each_task_stands_in_the_plan_once(
    wave: tuple[dict[int, list[int]], dict[int, int], dict[int, float], int],
) -> None:
    bases, tasks, durations_s, workers = wave

    steps = plan(bases, bases=bases, tasks=tasks, durations_s=durations_s, workers=workers).steps

    assert sorted(step.task_id for step in steps) == sorted(set(tasks.values()))
    assert sorted(image for step in steps for image in step.images) == sorted(bases)


@given(waves())
def test_a_plan_keeps_order_and_workers_and_is_as_short_as_promised(
    wave: tuple[dict[int, list[int]], dict[int, int], dict[int, float], int],
) -> None:
    bases, _, _, workers = wave
    tasks = {image_id: image_id for image_id in bases}  # one each, so that there is no circle of tasks
    durations_s = {image_id: float(image_id * 7 % 11) for image_id in bases}

    made = plan(bases, bases=bases, tasks=tasks, durations_s=durations_s, workers=workers)

    ends_s = {step.task_id: step.ends_s for step in made.steps}
    places = {step.task_id: place for place, step in enumerate(made.steps)}
    for step in made.steps:
        assert all(ends_s[before] <= step.starts_s for before in step.waits_for)
        assert all(places[before] < places[step.task_id] for before in step.waits_for)
        running = [other for other in made.steps if other.starts_s <= step.starts_s < other.ends_s]
        assert len(running) <= workers
    assert made.makespan_s >= max(made.critical_path_s, made.work_s / workers) - 1e-9
    # Graham: a greedy schedule is at most this long.
    assert made.makespan_s <= made.work_s / workers + (1 - 1 / workers) * made.critical_path_s + 1e-9


@given(st.dictionaries(st.integers(1, 8), st.lists(st.integers(1, 8), max_size=4, unique=True), max_size=8))
def test_any_graph_is_put_in_order_with_circles_last(bases: dict[int, list[int]]) -> None:
    order = bases_first(bases)

    assert sorted(order) == sorted(bases)
    placed: set[int] = set()
    for place, member in enumerate(order):
        if not all(base in placed or base not in bases for base in bases[member]):
            rest = set(order[place:])  # what is left holds a circle: each rests on another of the rest
            assert all(rest & set(bases[other]) for other in rest)
            break
        placed.add(member)


def test_edges_turned_twice_are_the_same_edges() -> None:
    assert {upper: list(ends) for upper, ends in reversed_edges(reversed_edges(DIAMOND)).items()} == DIAMOND
