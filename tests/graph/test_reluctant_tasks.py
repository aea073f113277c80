"""A task may follow no base, or runtime bases alone; then the others ask for nothing, and hold nothing up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from graph.snapshot import TaskStates, if_moved
from graph.staleness import Limits, Reason, Verdict, decide
from graph.words import Role, Via
from tests.graph.world import World, at, base_of, single

OFF, RUNTIME_ONLY = TaskStates(off={2}), TaskStates(runtime_only={2})


@pytest.fixture
def world(tmp_path: Path) -> World:
    """shop (task 2) stands on debian and copies from tools, which task 1 makes out of alpine."""
    made = World(tmp_path)
    for name in ("debian", "alpine"):
        made.publish(name, f"first {name}")
    made.build("tools", "alpine", task=1)
    made.build("shop", "debian", "tools", task=2)
    return made


def test_a_moved_runtime_base_asks_for_a_rebuild(world: World) -> None:
    world.publish("debian", "second debian", minute=10)

    decision = world.decisions(states=RUNTIME_ONLY)["shop"]

    assert (decision.verdict, decision.reason) == (Verdict.REBUILD, Reason.BASE_MOVED)


def test_a_moved_base_of_another_stage_asks_for_nothing_where_only_runtime_bases_count(world: World) -> None:
    world.publish("tools", "somebody else's tools", minute=10)

    decision = world.decisions(states=RUNTIME_ONLY)["shop"]

    assert (decision.verdict, decision.reason) == (Verdict.BLOCKED, Reason.UNFOLLOWED)
    assert [moved.base_id for moved in decision.evidence] == [world.id("tools")]


def test_a_base_that_does_not_count_is_not_waited_for(world: World) -> None:
    world.publish("debian", "second debian", minute=10)
    world.publish("alpine", "second alpine", minute=10)

    decided = world.decisions(states=RUNTIME_ONLY)

    assert decided["tools"].verdict is Verdict.REBUILD
    assert decided["shop"].verdict is Verdict.REBUILD


def test_a_move_that_counts_tells_of_the_others_too(world: World) -> None:
    world.publish("debian", "second debian", minute=10)
    world.publish("tools", "somebody else's tools", minute=10)

    decision = world.decisions(states=RUNTIME_ONLY)["shop"]

    assert decision.verdict is Verdict.REBUILD
    assert {moved.base_id for moved in decision.evidence} == {world.id("debian"), world.id("tools")}


def test_a_task_without_the_trigger_is_left_stale(world: World) -> None:
    world.publish("debian", "second debian", minute=10)

    decision = world.decisions(states=OFF)["shop"]

    assert (decision.verdict, decision.reason) == (Verdict.BLOCKED, Reason.UNFOLLOWED)


def test_who_stands_on_an_image_that_is_left_alone_does_not_wait_for_it(world: World) -> None:
    world.build("top", "shop", "debian", task=3)
    world.publish("debian", "second debian", minute=10)

    decision = world.decisions(states=OFF)["top"]

    assert (decision.verdict, decision.waits_for) == (Verdict.REBUILD, ())


def test_a_plan_for_one_image_leaves_out_who_would_not_follow(world: World) -> None:
    def verdict(states: TaskStates) -> Verdict:
        snapshot = if_moved(world.sql, world.id("tools"), at(10), states)
        return decide(snapshot, at(10), Limits())[world.id("shop")].verdict

    assert verdict(TaskStates()) is Verdict.REBUILD
    assert verdict(RUNTIME_ONLY) is Verdict.BLOCKED


@pytest.fixture
def syntax(world: World) -> World:
    """shop, built again by an engine that reads the syntax line."""
    frontend = replace(
        base_of("docker/dockerfile:1", single("frontend"), role=Role.BUILDTIME), via=Via.SYNTAX
    )
    world.publish("docker/dockerfile:1", "frontend", minute=4)
    base = base_of("debian", world.held["debian"])
    world.record(["shop"], [base, frontend], single("shop"), task=2, minute=5)
    world.publish("docker/dockerfile:1", "newer frontend", minute=10)
    return world


def test_the_image_of_a_syntax_line_counts_like_any_base(syntax: World) -> None:
    decision = syntax.decisions()["shop"]

    assert (decision.verdict, decision.reason) == (Verdict.REBUILD, Reason.BASE_MOVED)


def test_the_image_of_a_syntax_line_counts_for_nothing_where_it_is_left_out(syntax: World) -> None:
    decision = syntax.decisions(states=TaskStates(no_syntax={2}))["shop"]

    assert (decision.verdict, decision.reason) == (Verdict.BLOCKED, Reason.UNFOLLOWED)


def test_leaving_out_syntax_lines_leaves_out_no_other_base(syntax: World) -> None:
    syntax.publish("debian", "second debian", minute=11)

    assert syntax.decisions(states=TaskStates(no_syntax={2}))["shop"].verdict is Verdict.REBUILD


def test_where_only_runtime_bases_count_the_image_of_a_syntax_line_does_not(syntax: World) -> None:
    assert syntax.decisions(states=RUNTIME_ONLY)["shop"].reason is Reason.UNFOLLOWED
