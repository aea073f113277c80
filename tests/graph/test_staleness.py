"""Deciding: who is rebuilt, who waits for what, and who is left alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.staleness import Attempt, BaseMoved, Decision, Limits, Reason, Snapshot, Verdict, decide, select
from tests.graph.world import at

OUTSIDE = 900  # a base that nobody of ours makes


def moved(base_id: int = OUTSIDE, *, minute: float = 0, since: float | None = None) -> tuple[BaseMoved, ...]:
    first = at(minute if since is None else since)
    return (BaseMoved(base_id, "linux/amd64", 1, 2, first, at(minute)),)


def graph(
    bases: Mapping[int, Sequence[int]],
    stale: Mapping[int, tuple[BaseMoved, ...]],
    *,
    tasks: Mapping[int, int] | None = None,
    **states: object,
) -> Snapshot:
    own_tasks = {image_id: image_id + 100 for image_id in bases}
    return replace(Snapshot(stale, bases, own_tasks if tasks is None else tasks), **states)


def verdicts(
    snapshot: Snapshot, *, minute: float = 60, limits: Limits | None = None
) -> dict[int, tuple[Verdict, Reason]]:
    decisions = decide(snapshot, at(minute), limits or Limits())
    return {image_id: (decision.verdict, decision.reason) for image_id, decision in decisions.items()}


REBUILD = (Verdict.REBUILD, Reason.BASE_MOVED)
KEEP = (Verdict.KEEP, Reason.FRESH)
PENDING = (Verdict.WAIT, Reason.BASE_PENDING)


def test_an_image_is_rebuilt_when_its_base_has_moved() -> None:
    assert verdicts(graph({1: []}, {1: moved()})) == {1: REBUILD}


def test_a_decision_carries_its_evidence() -> None:
    evidence = moved(minute=7)

    decision = decide(graph({1: []}, {1: evidence}), at(60), Limits())[1]

    assert decision == Decision(1, Verdict.REBUILD, Reason.BASE_MOVED, evidence)


def test_an_image_waits_while_its_base_is_to_be_rebuilt() -> None:
    decisions = decide(graph({1: [], 2: [1]}, {1: moved(), 2: moved()}), at(60), Limits())

    assert (decisions[2].verdict, decisions[2].reason) == PENDING
    assert decisions[2].waits_for == (1,)


def test_an_image_waits_while_its_base_is_being_rebuilt() -> None:
    assert verdicts(graph({1: [], 2: [1]}, {}, busy={101})) == {1: (Verdict.WAIT, Reason.RUNNING), 2: PENDING}


def test_an_image_waits_for_a_base_far_below() -> None:
    assert verdicts(graph({1: [], 2: [1], 3: [2], 4: [3]}, {1: moved()}))[4] == PENDING


def test_an_image_without_a_task_is_blocked_and_holds_nobody_back() -> None:
    snapshot = graph({1: [], 2: [1]}, {1: moved(), 2: moved()}, tasks={2: 102})

    assert verdicts(snapshot) == {1: (Verdict.BLOCKED, Reason.NO_TASK), 2: REBUILD}


def test_an_image_of_a_paused_task_is_blocked_and_holds_nobody_back() -> None:
    snapshot = graph({1: [], 2: [1]}, {1: moved(), 2: moved()}, paused={101})

    assert verdicts(snapshot) == {1: (Verdict.BLOCKED, Reason.PAUSED), 2: REBUILD}


def test_a_fresh_image_without_a_task_passes_on_no_waiting() -> None:
    snapshot = graph({1: [], 2: [1], 3: [2]}, {1: moved()}, tasks={1: 101, 3: 103})

    assert verdicts(snapshot) == {1: REBUILD, 2: KEEP, 3: KEEP}


def test_an_image_whose_platform_is_gone_from_the_base_is_blocked() -> None:
    gone = tuple(replace(found, observed_id=None) for found in moved())

    assert verdicts(graph({1: []}, {1: gone})) == {1: (Verdict.BLOCKED, Reason.PLATFORM_GONE)}


def test_a_base_outside_has_to_rest_before_it_counts() -> None:
    snapshot = graph({1: []}, {1: moved(minute=10)})
    limits = Limits(settle_s=300)

    waiting = decide(snapshot, at(12), limits)[1]

    assert (waiting.reason, waiting.until) == (Reason.SETTLING, at(15))
    assert decide(snapshot, at(15), limits)[1].verdict is Verdict.REBUILD


def test_a_base_that_never_rests_counts_when_the_longest_wait_is_over() -> None:
    snapshot = graph({1: []}, {1: moved(minute=59, since=0)})

    decision = decide(snapshot, at(60), Limits(settle_s=300, settle_most_s=3600))[1]

    assert decision.verdict is Verdict.REBUILD


def test_a_base_of_our_own_counts_at_once() -> None:
    snapshot = graph({2: []}, {2: moved(1, minute=60)}, tasks={1: 101, 2: 102})

    assert verdicts(snapshot, minute=60, limits=Limits(settle_s=300)) == {2: REBUILD}


@pytest.mark.parametrize(("failures", "minutes"), [(1, 0.5), (2, 5), (3, 60), (50, 480)])
def test_a_failed_rebuild_is_tried_again_after_longer_and_longer_waits(failures: int, minutes: float) -> None:
    snapshot = graph({1: []}, {1: moved()}, failed={101: Attempt("ca1", at(10), at(20), failures)})
    due = at(20) + timedelta(minutes=minutes)

    before = decide(snapshot, due - timedelta(seconds=1), Limits())[1]

    assert (before.reason, before.until, before.run_id) == (Reason.RETRY_LATER, due, "ca1")
    assert decide(snapshot, due, Limits())[1].verdict is Verdict.REBUILD


def test_a_base_that_moves_again_after_a_failure_is_tried_at_once() -> None:
    snapshot = graph({1: []}, {1: moved(minute=11)}, failed={101: Attempt("ca1", at(10), at(20), 5)})

    assert verdicts(snapshot, minute=21) == {1: REBUILD}


def test_a_failed_base_keeps_all_above_it_waiting_and_nobody_else() -> None:
    snapshot = graph(
        {1: [], 2: [1], 3: [2], 4: []},
        {1: moved(), 2: moved(), 4: moved()},
        failed={101: Attempt("ca1", at(50), at(60), 3)},
    )

    waiting = (Verdict.WAIT, Reason.BASE_FAILED)
    assert verdicts(snapshot, minute=61) == {
        1: (Verdict.WAIT, Reason.RETRY_LATER),
        2: waiting,
        3: waiting,
        4: REBUILD,
    }


def test_a_circle_is_decided_and_comes_to_an_end() -> None:
    assert verdicts(graph({1: [2], 2: [1]}, {1: moved()})) == {1: REBUILD, 2: PENDING}


# Any graph: layered numbers, an image stands on smaller ones.


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    count = draw(st.integers(1, 9))
    bases = {
        image_id: sorted(draw(st.sets(st.integers(1, image_id - 1), max_size=3))) if image_id > 1 else []
        for image_id in range(1, count + 1)
    }
    some = st.sets(st.integers(1, count))
    tasks = {image_id: image_id + 100 for image_id in bases if image_id not in draw(some)}
    running = {tasks[image_id] for image_id in draw(some) if image_id in tasks}
    paused = {tasks[image_id] for image_id in draw(some) if image_id in tasks}
    failed = {
        tasks[image_id]: Attempt("ca1", at(50), at(59), draw(st.integers(1, 4)))
        for image_id in draw(some)
        if image_id in tasks
    }
    stale = {image_id: moved(minute=draw(st.sampled_from([0, 58]))) for image_id in draw(some)}
    return Snapshot(stale, bases, tasks, running, paused, failed)


limits = st.builds(Limits, settle_s=st.sampled_from([0.0, 600.0]))


@given(snapshots(), limits)
def test_nothing_is_rebuilt_before_a_base_that_is_yet_to_change(snapshot: Snapshot, limits: Limits) -> None:
    decisions = decide(snapshot, at(60), limits)

    for image_id, decision in decisions.items():
        if decision.verdict is Verdict.REBUILD:
            assert not any(decisions[base].pending for base in snapshot.bases[image_id])


@given(snapshots(), limits)
def test_an_image_with_a_task_is_kept_exactly_when_it_and_all_below_have_nothing_to_do(
    snapshot: Snapshot, limits: Limits
) -> None:
    decisions = decide(snapshot, at(60), limits)

    for image_id, decision in decisions.items():
        task_id = snapshot.tasks.get(image_id)
        if task_id is not None and task_id not in snapshot.paused:
            pending_below = any(decisions[base].pending for base in snapshot.bases[image_id])
            idle = image_id not in snapshot.moved and not pending_below and task_id not in snapshot.busy
            assert (decision.verdict is Verdict.KEEP) == idle


@given(snapshots(), limits)
def test_every_wait_ends_at_a_rebuild_a_run_or_a_time(snapshot: Snapshot, limits: Limits) -> None:
    decisions = decide(snapshot, at(60), limits)

    for decision in decisions.values():
        if decision.verdict is Verdict.WAIT:
            reasons_to_end = (decision.waits_for, decision.until, decision.reason is Reason.RUNNING)
            assert any(reasons_to_end)


@given(snapshots(), limits)
def test_every_image_is_decided_after_its_bases(snapshot: Snapshot, limits: Limits) -> None:
    places = {image_id: place for place, image_id in enumerate(decide(snapshot, at(60), limits))}

    assert places.keys() == snapshot.bases.keys()
    for image_id, its_bases in snapshot.bases.items():
        assert all(places[base] < places[image_id] for base in its_bases)


@given(snapshots(), st.data())
def test_played_to_its_end_each_image_is_rebuilt_once_and_after_its_bases(
    snapshot: Snapshot, choice: st.DataObject
) -> None:
    rebuilt = play(Snapshot(snapshot.moved, snapshot.bases, {n: n + 100 for n in snapshot.bases}), choice)

    reached = set(snapshot.moved)
    for image_id, its_bases in snapshot.bases.items():
        reached |= {image_id} if reached & set(its_bases) else set()
    assert sorted(rebuilt) == sorted(reached)
    for place, image_id in enumerate(rebuilt):
        assert not set(snapshot.bases[image_id]) & set(rebuilt[place:])


def play(snapshot: Snapshot, choice: st.DataObject) -> list[int]:
    """Start what is asked for, finish runs in any order, each moving its image, until all is quiet."""
    stale, busy, rebuilt = dict(snapshot.moved), set[int](), list[int]()
    for _ in range(200):
        decisions = decide(replace(snapshot, moved=stale, busy=frozenset(busy)), at(60), Limits())
        busy |= select(decisions.values(), snapshot.tasks).keys()
        if not busy:
            return rebuilt
        done = choice.draw(st.sampled_from(sorted(busy)))
        busy.remove(done)
        rebuilt.append(done - 100)
        stale.pop(done - 100, None)
        for upper, its_bases in snapshot.bases.items():
            if done - 100 in its_bases:
                stale[upper] = stale.get(upper, ()) + moved(done - 100)
    raise AssertionError(f"never comes to rest: {rebuilt}")


REQUESTED = (Verdict.REBUILD, Reason.REQUESTED)


def test_what_is_requested_is_rebuilt_though_nothing_has_moved() -> None:
    assert verdicts(graph({1: [], 2: [1]}, {}, requested={102})) == {1: KEEP, 2: REQUESTED}


def test_what_is_requested_waits_for_a_base_that_is_requested_too() -> None:
    snapshot = graph({1: [], 2: [1], 3: [2]}, {}, requested={101, 102})

    assert verdicts(snapshot) == {1: REQUESTED, 2: PENDING, 3: PENDING}


def test_what_is_requested_waits_for_a_base_under_way_though_its_task_does_not_follow_it() -> None:
    snapshot = graph({1: [], 2: [1]}, {}, busy={101}, requested={102}, ignored={2: {1}})

    assert verdicts(snapshot)[2] == PENDING


def test_what_is_requested_does_not_wait_for_a_base_that_settles_or_is_tried_again_later() -> None:
    failed = {101: Attempt("a1", at(50), at(59), 1)}
    tried_again = graph({1: [], 2: [1], 3: [2]}, {1: moved()}, failed=failed, requested={102, 103})
    settling = graph({1: [], 2: [1]}, {1: moved(minute=59)}, requested={102})

    assert verdicts(tried_again, limits=Limits(retry_delays_s=(600.0,))) == {
        1: (Verdict.WAIT, Reason.RETRY_LATER),
        2: REQUESTED,
        3: PENDING,
    }
    assert verdicts(settling, limits=Limits(settle_s=600.0))[2] == REQUESTED


def test_what_is_requested_is_built_at_once_though_its_last_run_was_canceled_or_failed() -> None:
    failed = {101: Attempt("a1", at(50), at(59), 9)}

    assert verdicts(graph({1: []}, {1: moved()}, failed=failed, requested={101})) == {1: REQUESTED}
    assert verdicts(graph({1: []}, {1: moved()}, canceled={101: at(5)}, requested={101})) == {1: REQUESTED}


def test_what_is_requested_of_a_disabled_task_is_left_alone() -> None:
    assert verdicts(graph({1: []}, {}, paused={101}, requested={101})) == {1: KEEP}
