"""The tree of bases: complete where it fits, cut where it would not, fresh or not at each step."""

from __future__ import annotations

import pytest

from graph import ancestry, below
from graph.ancestry import Image, bases_of
from tests.graph.world import AMD64, ARM64, World, digest_of, index_of


def tree(world: World, name: str) -> Image:
    return bases_of(world.sql, world.id(name))


def shape(image: Image) -> object:
    """Names only: `{base: {its base: …}}`, and `…` where the tree is cut."""
    if image.cut:
        return "…"
    return {base.reference.split("/")[-1].removesuffix(":latest"): shape(base.image) for base in image.bases}


def lines(image: Image) -> int:
    return 1 + sum(lines(base.image) for base in image.bases)


def test_an_image_without_bases_is_a_tree_by_itself(world: World) -> None:
    world.publish("alpine", "a")

    root = tree(world, "alpine")

    assert (root.reference, root.origin, root.digest, root.built_at, root.bases) == (
        "docker.io/library/alpine:latest",
        "external",
        str(digest_of("a")),
        None,
        (),
    )


def test_the_tree_goes_down_to_the_root_and_repeats_what_is_reached_twice(world: World) -> None:
    world.build("b", "base")
    world.build("c", "base")
    world.build("d", "b", "c")

    assert shape(tree(world, "d")) == {"b": {"base": {}}, "c": {"base": {}}}


def test_bases_stand_in_the_order_of_the_dockerfile(world: World) -> None:
    world.build("app", "zebra", "alpine", "node")

    assert list(shape(tree(world, "app"))) == ["zebra", "alpine", "node"]  # type: ignore[call-overload]


def test_an_edge_tells_what_was_recorded_and_what_is_now(world: World) -> None:
    world.publish("alpine", "old", 0)
    world.build("app", "alpine")
    world.publish("alpine", "new", 5)

    (base,) = tree(world, "app").bases

    assert (base.role, base.via, base.stage, base.line) == ("runtime", "from", "0", 1)
    assert base.recorded_digest == str(digest_of("old"))
    assert base.recorded_platform_digests == {"linux/amd64": str(digest_of("old"))}
    assert base.observed_digest == str(digest_of("new"))
    assert (base.observed_at, base.changed_at) == ("2026-11-23T06:05:00.000Z",) * 2


def test_only_the_image_on_the_moved_base_is_not_fresh(world: World) -> None:
    world.build("lower", "alpine")
    world.build("upper", "lower")
    world.publish("alpine", "new", 5)

    upper = tree(world, "upper")

    assert (upper.fresh, upper.bases[0].fresh) == (True, True)
    assert (upper.bases[0].image.fresh, upper.bases[0].image.bases[0].fresh) == (False, False)


def test_a_foreign_platforms_change_leaves_the_edge_fresh(world: World) -> None:
    world.publish("alpine", index_of({AMD64: "a", ARM64: "b"}), 0)
    world.build("app", "alpine", platforms=[AMD64])
    world.publish("alpine", index_of({AMD64: "a", ARM64: "c"}), 5)

    (base,) = tree(world, "app").bases

    assert base.fresh
    assert base.recorded_platform_digests == {"linux/amd64": str(digest_of("a"))}


def test_an_image_shows_the_time_and_digest_of_its_build(world: World) -> None:
    world.build("app", "alpine", minute=3)

    root = tree(world, "app")

    assert (root.digest, root.built_at) == (str(world.held["app"].digest), "2026-11-23T06:03:30.000Z")


def test_a_circle_is_shown_and_cut(world: World) -> None:
    world.build("a", "alpine")
    world.build("b", "a")
    world.build("a", "b", minute=3)

    assert shape(tree(world, "a")) == {"b": "…"}
    assert shape(tree(world, "b")) == {"a": {"b": "…"}}


def test_an_image_on_itself_is_shown_and_cut(world: World) -> None:
    world.build("app", "app", "alpine")

    assert shape(tree(world, "app")) == {"app": "…", "alpine": {}}


def ladder(world: World, rungs: int) -> None:
    """Each rung has two images, both on both of the rung below: in full, the tree doubles with each rung."""
    world.build("left0", "root")
    world.build("right0", "root")
    for rung in range(1, rungs + 1):
        for side in ("left", "right"):
            world.build(f"{side}{rung}", f"left{rung - 1}", f"right{rung - 1}")


def test_a_tree_too_long_to_repeat_shows_each_image_with_its_bases_once(world: World) -> None:
    ladder(world, 20)

    root = tree(world, "left20")

    assert lines(root) == 1 + sum(2 for _ in range(20)) + 2 * 19 + 2
    assert shape(root)["left19"]["right18"] != "…"  # type: ignore[index]
    assert shape(root)["right19"]["right18"] == "…"  # type: ignore[index]


def test_a_tree_that_fits_is_repeated_in_full(world: World) -> None:
    ladder(world, 8)

    assert lines(tree(world, "left8")) == 2**9 - 1 + 2**8


def test_a_long_chain_is_cut_where_it_is_too_deep(world: World) -> None:
    world.build("image0", "root")
    for number in range(1, 150):
        world.build(f"image{number}", f"image{number - 1}")

    image, depth = tree(world, "image149"), 1
    while image.bases:
        image, depth = image.bases[0].image, depth + 1

    assert (depth, image.cut) == (ancestry.DEPTH_MOST, True)


def test_more_images_than_there_is_room_for_are_cut_with_their_freshness_known(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(below, "IMAGES_MOST", 4)
    world.build("low", "alpine")
    world.build("middle", "low", "node", "python")
    world.build("high", "middle")
    world.publish("alpine", "new", 5)

    root = tree(world, "high")

    assert shape(root) == {"middle": "…"}
    assert shape(tree(world, "low")) == {"alpine": {}}
    assert not tree(world, "low").fresh
