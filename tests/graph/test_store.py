"""Recording: what stands on what after a build, and what is kept of older ones."""

from __future__ import annotations

import subprocess
import sys

from graph.database import immediate, open_for_reading
from graph.reference import ImageRef
from graph.staleness import Verdict
from graph.store import merged
from graph.words import Role
from tests.graph.world import AMD64, ARM64, World, base_of, digest_of, single


def edges_of(world: World, name: str) -> dict[str, tuple[str, int, str, int]]:
    """Base → role, line, platforms, followed."""
    rows = world.sql.execute(
        "SELECT base_id, role, line, platforms, followed FROM edges WHERE image_id = ?", (world.id(name),)
    )
    return {world.name(row[0]): row[1:] for row in rows}


def due(world: World) -> set[str]:
    rows = world.sql.execute("SELECT image_id FROM observations WHERE due_at IS NOT NULL")
    return {world.name(row[0]) for row in rows}


def count(world: World, table: str) -> int:
    return int(world.sql.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_a_build_is_recorded_with_its_bases_and_their_places(world: World) -> None:
    world.build("app", "python", "node")

    assert edges_of(world, "app") == {
        "python": ("runtime", 1, "linux/amd64", 1),
        "node": ("buildtime", 2, "linux/amd64", 1),
    }


def test_a_new_build_replaces_the_bases_of_the_image(world: World) -> None:
    world.build("app", "python", "node")

    world.build("app", "alpine")

    assert edges_of(world, "app").keys() == {"alpine"}


def test_the_bases_of_older_builds_are_kept(world: World) -> None:
    first = world.build("app", "python", "node")

    world.build("app", "alpine")

    rows = world.sql.execute("SELECT base_id FROM build_bases WHERE build_id = ?", (first,))
    assert {world.name(row[0]) for row in rows} == {"python", "node"}


def test_one_build_may_make_several_images(world: World) -> None:
    world.build(["app:1", "app:2"], "alpine")

    assert edges_of(world, "app:1") == edges_of(world, "app:2")


def test_a_base_is_watched_from_its_first_use_on(world: World) -> None:
    world.build("app", "alpine")

    assert due(world) == {"alpine"}


def test_a_base_pinned_by_digest_is_not_watched(world: World) -> None:
    world.build("app", f"alpine@{digest_of('x')}")

    assert due(world) == set()


def test_of_a_pinned_base_the_tag_beside_the_digest_is_watched(world: World) -> None:
    world.build("app", f"alpine:3@{digest_of('x')}")

    assert due(world) == {"alpine:3"}


def test_an_image_of_our_own_is_watched_once_another_stands_on_it(world: World) -> None:
    world.build("lower", "alpine")
    world.build("upper", "lower")

    assert due(world) == {"alpine", "lower"}


def test_a_base_that_nobody_uses_any_more_is_forgotten(world: World) -> None:
    world.build("app", "python")
    world.build("app", "alpine")

    with immediate(world.sql):
        forgotten = world.store.forget_unused()

    assert (forgotten, due(world)) == (1, {"alpine"})


def test_a_forgotten_base_is_watched_again_when_it_is_used_again(world: World) -> None:
    world.build("app", "python")
    world.build("app", "alpine")
    with immediate(world.sql):
        world.store.forget_unused()

    world.build("app", "python")

    assert "python" in due(world)


def test_a_base_named_in_several_places_is_one_edge_with_the_strongest_role() -> None:
    copied = base_of("alpine", single("a"), role=Role.BUILDTIME, line=2, platforms=[AMD64])
    stood_on = base_of("alpine", single("a"), role=Role.RUNTIME, line=9, platforms=[ARM64])

    (only,) = merged([copied, stood_on])

    assert (only.role, only.line, only.platforms) == (Role.RUNTIME, 9, (AMD64, ARM64))


def test_of_places_with_the_same_role_the_first_counts() -> None:
    first, second = (base_of("alpine", single("a"), line=line) for line in (3, 7))

    assert merged([first, second]) == [first]


def test_a_build_that_took_long_is_stale_if_its_base_moved_meanwhile(world: World) -> None:
    world.publish("alpine", "old", minute=0)
    used = base_of("alpine", world.held["alpine"])
    world.publish("alpine", "new", minute=5)

    world.record(["app"], [used], single("app"), task=1, minute=2)

    assert world.decisions()["app"].verdict is Verdict.REBUILD


def test_a_rebuild_on_the_new_base_makes_the_image_fresh(world: World) -> None:
    world.build("app", "alpine", task=1)
    world.publish("alpine", "new", minute=5)
    assert world.decisions()["app"].verdict is Verdict.REBUILD

    world.build("app", "alpine", task=1, minute=6)

    assert world.decisions() == {}


def test_our_own_push_makes_stale_what_stands_on_the_image(world: World) -> None:
    world.build("lower", "alpine", task=1)
    world.build("upper", "lower", task=2)

    world.build("lower", "alpine", task=1, minute=6)

    assert {name: decided.verdict for name, decided in world.decisions().items()} == {
        "upper": Verdict.REBUILD
    }


def test_a_build_that_pushed_nothing_new_makes_nothing_stale(world: World) -> None:
    world.build("lower", "alpine", task=1)
    world.build("upper", "lower", task=2)

    world.build("lower", "alpine", task=1, minute=6, pushed=world.held["lower"])

    assert world.decisions() == {}


def test_an_image_built_on_itself_is_never_stale_by_itself(world: World) -> None:
    for minute in (1, 2):
        world.build("app", "app", "alpine", task=1, minute=minute)

    assert edges_of(world, "app")["app"][3] == 0
    assert world.decisions() == {}


def test_an_edge_that_closes_a_circle_is_kept_and_not_followed(world: World) -> None:
    world.build("a", "alpine", task=1)
    world.build("b", "a", task=2)

    world.build("a", "b", task=1, minute=3)

    assert edges_of(world, "a")["b"][3] == 0
    assert edges_of(world, "b")["a"][3] == 1


def test_a_circle_comes_to_rest_after_one_round(world: World) -> None:
    world.build("a", "alpine", task=1)
    world.build("b", "a", task=2)
    world.build("a", "b", task=1, minute=3)
    assert world.decisions().keys() == {"b"}

    world.build("b", "a", task=2, minute=4)

    assert world.decisions() == {}


def test_an_edge_is_followed_again_when_the_circle_is_opened_elsewhere(world: World) -> None:
    world.build("a", "alpine", task=1)
    world.build("b", "a", task=2)
    world.build("a", "b", task=1, minute=3)

    world.build("b", "alpine", task=2, minute=4)

    assert edges_of(world, "a")["b"][3] == 1
    assert world.decisions()["a"].verdict is Verdict.REBUILD


def test_a_task_makes_the_images_that_it_claimed_last(world: World) -> None:
    with immediate(world.sql):
        world.store.claim_images(7, [ImageRef.parse("a"), ImageRef.parse("b")])
        world.store.release_images(7)
        world.store.claim_images(7, [ImageRef.parse("b"), ImageRef.parse("c")])

    rows = world.sql.execute("SELECT id FROM images WHERE task_id = 7")
    assert {world.name(row[0]) for row in rows} == {"b", "c"}


def test_a_build_without_a_task_leaves_the_task_of_the_image(world: World) -> None:
    world.build("app", "alpine", task=7)

    world.build("app", "alpine", task=None)

    assert world.sql.execute("SELECT task_id FROM images WHERE id = ?", (world.id("app"),)).fetchone() == (7,)


def test_the_newest_build_tells_what_the_tag_was_given(world: World) -> None:
    world.build("app", "alpine", pushed=single("first"))
    world.build("app", "alpine", pushed=single("second"))

    newest = world.store.newest_build(ImageRef.parse("app"))

    assert newest == (digest_of("second"), digest_of(f"content {single('second')}"))


def test_an_image_that_was_never_pushed_has_no_newest_build(world: World) -> None:
    world.record(["app"], [], None)

    assert world.store.newest_build(ImageRef.parse("app")) is None
    assert world.store.newest_build(ImageRef.parse("unheard-of")) is None


def test_pruning_keeps_the_newest_builds_of_each_image(world: World) -> None:
    builds = [world.build("app", "alpine") for _ in range(5)]
    other = world.build("other", "alpine")

    with immediate(world.sql):
        went = world.store.prune_builds(keep_each=2)

    assert went == 3
    assert [row[0] for row in world.sql.execute("SELECT id FROM builds")] == [*builds[-2:], other]
    assert count(world, "build_bases") == 3
    assert edges_of(world, "app").keys() == {"alpine"}


def test_pruning_never_takes_the_build_that_an_image_has(world: World) -> None:
    world.build("app", "alpine")

    with immediate(world.sql):
        world.store.prune_builds(keep_each=0)

    assert world.store.newest_build(ImageRef.parse("app")) is not None


def test_the_history_is_pruned_for_each_reference(world: World) -> None:
    for minute in range(5):
        world.publish("alpine", f"a{minute}", minute)
    world.publish("node", "n", 0)

    with immediate(world.sql):
        went = world.store.prune_history(keep_each=2)

    assert (went, count(world, "observation_history")) == (3, 3)


WRITER = """
import sys
from pathlib import Path
from tests.graph.world import World
world = World(Path(sys.argv[1]))
for number in range(40):
    world.publish(f"base{number}", f"{sys.argv[2]} {number}", number)
    world.build(f"{sys.argv[2]}{number}", f"base{number}", "shared", minute=number)
"""


def test_processes_that_start_and_write_at_once_all_succeed(world: World) -> None:
    fresh = world.path.parent / "fresh"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(fresh), name], stderr=subprocess.PIPE, text=True)
        for name in ("one", "two", "three")
    ]

    errors = [writer.communicate()[1] for writer in writers]

    assert errors == ["", "", ""]
    written = open_for_reading(fresh / "graph.db")
    assert written.execute("SELECT count(*) FROM builds").fetchone() == (120,)
    assert written.execute("SELECT count(*) FROM edges").fetchone() == (240,)
    written.close()
