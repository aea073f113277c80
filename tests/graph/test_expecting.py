"""A base is watched from the moment that a task is saved, and starts nothing until a build has used it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from graph.database import immediate
from graph.expecting import Expectations, ExpectedBase
from graph.reference import ImageRef
from graph.words import Role, Via
from tests.graph.world import World, at


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def expected(name: str, role: Role = Role.RUNTIME, line: int = 1) -> ExpectedBase:
    return ExpectedBase(ImageRef.parse(name), role, Via.FROM, "", line)


def expect(world: World, *bases: ExpectedBase, task: int = 1) -> None:
    with immediate(world.sql):
        Expectations(world.sql).expect(task, bases, at(0))


def watched(world: World) -> list[str]:
    return [found.reference.familiar for found in world.store.all_watched()]


def test_an_expected_base_is_asked_about(world: World) -> None:
    expect(world, expected("debian:12"))

    assert watched(world) == ["debian:12"]
    assert [found.reference.familiar for found in world.store.due(at(1), 10)] == ["debian:12"]


def test_a_base_pinned_by_digest_cannot_move(world: World) -> None:
    expect(world, expected(f"debian@sha256:{'a' * 64}"))

    assert watched(world) == []


def test_it_starts_nothing_when_it_moves(world: World) -> None:
    expect(world, expected("debian:12"))
    world.publish("debian:12", "first", minute=1)
    world.publish("debian:12", "second", minute=2)

    assert world.decisions() == {}


def test_tidying_leaves_it_watched_until_the_task_is_gone(world: World) -> None:
    expect(world, expected("debian:12"))
    assert world.store.forget_unused() == 0

    with immediate(world.sql):
        Expectations(world.sql).forget(1)

    assert world.store.forget_unused() == 1
    assert watched(world) == []


def test_what_a_build_recorded_takes_the_place_of_what_was_expected(world: World) -> None:
    expect(world, expected("debian:12"), expected("golang:1.23"))

    world.build("shop", "debian:12", task=1)
    world.store.forget_unused()

    assert watched(world) == ["debian:12"]


def test_another_definition_loses_nothing_that_was_recorded(world: World) -> None:
    world.build("shop", "debian:12", task=1)

    expect(world, expected("debian:13"))

    assert watched(world) == ["debian:12", "debian:13"]
    world.publish("debian:12", "second", minute=5)
    assert world.decisions()["shop"].evidence


def test_of_several_places_the_runtime_one_is_kept(world: World) -> None:
    expect(world, expected("debian:12", Role.BUILDTIME, 1), expected("debian:12", Role.RUNTIME, 5))

    assert Expectations(world.sql).of_task(1) == [expected("debian:12", Role.RUNTIME, 5)]


def test_what_containers_run_is_expected_until_a_build_records_it(world: World) -> None:
    after = replace(expected("deployer"), via=Via.CMD, place="deploy")
    expect(world, expected("alpine"), after, replace(expected("compiler"), via=Via.CMD, place="compile"))

    world.build("app", "alpine", "compiler", task=1)

    assert Expectations(world.sql).of_task(1) == [after]
