"""Comparing recorded with observed: platform by platform, and since when."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.database import consistent, immediate, open_for_reading
from graph.drift import read_moved, when_it_moved
from graph.model import Manifests
from graph.reference import Platform
from graph.snapshot import TaskStates, read_above, read_bases, read_snapshot
from graph.staleness import BaseMoved, Reason, Verdict
from tests.graph.world import AMD64, ARM64, ARM_V6, ARM_V7, World, at, digest_of, index_of, single


def evidence(world: World, name: str) -> tuple[BaseMoved, ...]:
    return read_moved(world.sql).get(world.id(name), ())


def build_on(world: World, holds: Manifests, *platforms: Platform) -> None:
    world.publish("alpine", holds, 0)
    world.build("app", "alpine", task=1, platforms=platforms or (AMD64,))


def test_a_change_of_a_foreign_platform_leaves_the_image_fresh(world: World) -> None:
    build_on(world, index_of({AMD64: "a1", ARM64: "b1"}))

    world.publish("alpine", index_of({AMD64: "a1", ARM64: "b2"}), 5)

    assert evidence(world, "app") == ()
    assert world.decisions() == {}


def test_only_the_platforms_that_changed_are_evidence(world: World) -> None:
    build_on(world, index_of({AMD64: "a1", ARM64: "b1"}), AMD64, ARM64)

    world.publish("alpine", index_of({AMD64: "a1", ARM64: "b2"}), 5)

    (found,) = evidence(world, "app")
    assert found.platform == "linux/arm64"
    assert found.recorded_id == world.store.digest_id(digest_of("b1"))
    assert found.observed_id == world.store.digest_id(digest_of("b2"))


@pytest.mark.parametrize(
    ("before", "after", "stale"),
    [
        (single("a"), single("b"), True),
        (single("a"), index_of({AMD64: "a", ARM64: "x"}), False),
        (single("a"), index_of({AMD64: "b"}), True),
        (index_of({AMD64: "a", ARM64: "x"}), single("a"), False),
        (index_of({AMD64: "a"}), single("b"), True),
    ],
)
def test_an_index_and_a_single_manifest_are_compared_by_what_the_platform_uses(
    world: World, before: Manifests, after: Manifests, stale: bool
) -> None:
    build_on(world, before)

    world.publish("alpine", after, 5)

    assert bool(evidence(world, "app")) == stale


def test_an_arm_image_follows_the_variant_that_it_runs(world: World) -> None:
    build_on(world, index_of({ARM_V6: "six"}), ARM_V7)

    world.publish("alpine", index_of({ARM_V6: "six", ARM_V7: "seven"}), 5)

    (found,) = evidence(world, "app")
    assert found.observed_id == world.store.digest_id(digest_of("seven"))


def test_an_arm_image_ignores_a_variant_that_it_cannot_run(world: World) -> None:
    build_on(world, index_of({ARM_V6: "six"}), ARM_V6)

    world.publish("alpine", index_of({ARM_V6: "six", ARM_V7: "seven"}), 5)

    assert evidence(world, "app") == ()


def test_a_platform_that_the_base_lost_blocks_the_image(world: World) -> None:
    build_on(world, index_of({AMD64: "a", ARM64: "b"}), AMD64, ARM64)

    world.publish("alpine", index_of({AMD64: "a"}), 5)

    decision = world.decisions()["app"]
    assert (decision.verdict, decision.reason) == (Verdict.BLOCKED, Reason.PLATFORM_GONE)


def test_a_base_that_came_back_to_what_was_recorded_is_no_evidence(world: World) -> None:
    build_on(world, single("a"))
    world.publish("alpine", "b", 5)

    world.publish("alpine", "a", 6)

    assert evidence(world, "app") == ()


def test_evidence_tells_when_the_base_first_moved_away_and_when_last(world: World) -> None:
    build_on(world, single("a"))
    for seed, minute in (("b", 5), ("a", 10), ("c", 20), ("d", 30)):
        world.publish("alpine", seed, minute)

    (found,) = evidence(world, "app")

    assert (found.since, found.moved_at) == (at(20), at(30))


def test_a_foreign_platforms_changes_do_not_count_as_moves(world: World) -> None:
    build_on(world, index_of({AMD64: "a1", ARM64: "b1"}))
    for minute, amd64, arm64 in ((5, "a1", "b2"), (10, "a2", "b2"), (15, "a2", "b3")):
        world.publish("alpine", index_of({AMD64: amd64, ARM64: arm64}), minute)

    (found,) = evidence(world, "app")

    assert (found.since, found.moved_at) == (at(10), at(10))


def test_a_base_whose_history_is_pruned_counts_from_its_last_change(world: World) -> None:
    build_on(world, single("a"))
    world.publish("alpine", "b", 5)
    world.publish("alpine", "c", 9)

    with immediate(world.sql):
        world.store.prune_history(keep_each=1)

    (found,) = evidence(world, "app")
    assert (found.since, found.moved_at) == (at(9), at(9))


def test_a_base_that_was_never_seen_where_it_was_recorded_counts_from_its_last_change(world: World) -> None:
    world.publish("alpine", "long ago", 0)
    world.publish("alpine", "newest", 30)
    world.held["alpine"] = single("between")

    world.build("app", "alpine", minute=20)

    (found,) = evidence(world, "app")
    assert found.since == at(30)


@given(st.lists(st.sampled_from([1, 2, 3, None]), min_size=1, max_size=8).filter(lambda seen: seen[-1] != 1))
def test_a_move_begins_after_the_last_return_and_ends_at_the_last_change(seen: list[int | None]) -> None:
    history = [(manifest, at(minute)) for minute, manifest in enumerate(seen)]

    since, moved_at = when_it_moved(1, history)

    returns = [minute for minute, manifest in enumerate(seen) if manifest == 1]
    changes = [minute for minute, (old, new) in enumerate(zip([1, *seen], seen, strict=False)) if old != new]
    assert since == at(max(returns) + 1 if returns else 0)
    assert moved_at == at(max(changes))


def test_two_moved_bases_are_two_pieces_of_evidence(world: World) -> None:
    world.build("app", "alpine", "node", task=1)
    world.publish("alpine", "new", 5)
    world.publish("node", "new", 6)

    assert {world.name(found.base_id) for found in evidence(world, "app")} == {"alpine", "node"}


def diamond(world: World) -> None:
    world.build("b", "base", task=1)
    world.build("c", "base", task=2)
    world.build("d", "b", "c", task=3)
    world.build("elsewhere", "other", task=4)


def test_a_snapshot_holds_what_is_stale_and_all_above_it_and_nothing_else(world: World) -> None:
    diamond(world)
    world.publish("base", "new", 5)

    snapshot = read_snapshot(world.sql, TaskStates())

    b, c, d = (world.id(name) for name in "bcd")
    assert {image_id: set(its_bases) for image_id, its_bases in snapshot.bases.items()} == {
        b: set(),
        c: set(),
        d: {b, c},
    }
    assert snapshot.moved.keys() == {b, c}


def test_a_snapshot_holds_the_images_of_busy_tasks_and_all_above_them(world: World) -> None:
    diamond(world)

    snapshot = read_snapshot(world.sql, TaskStates(busy={2}))

    assert set(snapshot.bases) == {world.id("c"), world.id("d")}


def test_a_snapshot_knows_which_moved_bases_are_our_own(world: World) -> None:
    diamond(world)
    world.build("c", "base", task=2, minute=9)

    snapshot = read_snapshot(world.sql, TaskStates())

    assert snapshot.tasks == {world.id("c"): 2, world.id("d"): 3}


def test_a_snapshot_of_a_graph_at_rest_is_empty(world: World) -> None:
    diamond(world)

    assert read_snapshot(world.sql, TaskStates()).bases == {}


def test_what_stands_above_is_found_once_however_many_ways_lead_there(world: World) -> None:
    diamond(world)

    found = read_above(world.sql, [world.id("base")])

    assert sorted(map(world.name, found)) == ["b", "base", "c", "d"]


def test_the_bases_of_a_region_are_those_inside_it(world: World) -> None:
    diamond(world)
    b, d = world.id("b"), world.id("d")

    assert read_bases(world.sql, [b, d]) == {b: [], d: [b]}


def test_a_diamond_is_rebuilt_from_below_each_image_once(world: World) -> None:
    diamond(world)
    world.publish("base", "new", 5)
    rebuilt = []

    while ready := [
        name for name, decided in world.decisions().items() if decided.verdict is Verdict.REBUILD
    ]:
        rebuilt.append(sorted(ready))
        for name, bases in (("b", ["base"]), ("c", ["base"]), ("d", ["b", "c"])):
            if name in ready:
                world.build(name, *bases, minute=10 + len(rebuilt))

    assert rebuilt == [["b", "c"], ["d"]]


def test_several_reads_see_one_moment_while_another_process_writes(world: World) -> None:

    world.publish("alpine", "a", 0)
    reader = open_for_reading(world.path)

    with consistent(reader):
        before = reader.execute("SELECT count(*) FROM observation_history").fetchone()
        world.publish("alpine", "b", 1)
        after = reader.execute("SELECT count(*) FROM observation_history").fetchone()

    assert before == after
    assert reader.execute("SELECT count(*) FROM observation_history").fetchone() == (2,)
    reader.close()


# The mark of moved bases is only a short cut: it must never hide a difference.


@given(st.lists(st.tuples(st.sampled_from("pbsx"), st.integers(0, 2), st.integers(0, 2)), max_size=12))
def test_no_difference_is_ever_hidden(steps: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for minute, (what, one, other) in enumerate(steps):
            if what == "p":
                world.publish(f"base{one}", f"seed{other}", minute)
            else:
                bases = {"b": [f"base{other}"], "s": [f"image{other}"], "x": [f"base{other}", f"image{one}"]}
                world.build(f"image{one}", *bases[what], minute=minute)
        differing = world.sql.execute(
            "SELECT DISTINCT e.base_id FROM edges e JOIN observations o ON o.image_id = e.base_id"
            " WHERE e.followed = 1 AND e.digest_id <> o.digest_id ORDER BY 1"
        ).fetchall()
        marked = world.sql.execute("SELECT image_id FROM observations WHERE moved = 1 ORDER BY 1").fetchall()
        world.sql.close()

    assert marked == differing
