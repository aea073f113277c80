"""Counting: tracked, watched, stale, and how long behind."""

from __future__ import annotations

from graph.freshness import read_freshness
from tests.graph.world import World, at


def test_a_graph_at_rest_is_not_behind(world: World) -> None:
    world.build("app", "alpine", "node")

    freshness = read_freshness(world.sql, at(60))

    assert (freshness.tracked, freshness.watched, freshness.stale, freshness.oldest_s) == (1, 2, 0, 0.0)


def test_an_image_is_behind_since_the_first_of_its_bases_moved(world: World) -> None:
    world.build("app", "alpine", "node")
    world.build("other", "node")
    world.publish("alpine", "new", 10)
    world.publish("node", "new", 40)

    freshness = read_freshness(world.sql, at(60))

    assert freshness.behind_s == {world.id("app"): 3000.0, world.id("other"): 1200.0}
    assert (freshness.stale, freshness.oldest_s) == (2, 3000.0)


def test_a_clock_that_runs_behind_the_observations_never_gives_negative_times(world: World) -> None:
    world.build("app", "alpine")
    world.publish("alpine", "new", 10)

    assert read_freshness(world.sql, at(5)).oldest_s == 0.0
