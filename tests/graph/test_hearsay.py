"""What images of others say of their bases: followed upwards, shown, and never acted upon."""

from __future__ import annotations

from graph import ancestry, hearsay
from graph.ancestry import Base, Image, bases_of
from graph.database import immediate
from graph.dependants import dependants_of
from graph.drawing import read_drawing, to_dot
from graph.hearsay import next_unasked
from graph.listing import list_images
from graph.model import Manifests, SaidBase
from graph.names import find_image
from graph.reference import ImageRef
from tests.graph.world import AMD64, ARM64, World, digest_of, index_of, single


def say(world: World, seed: str, name: str | None, base: Manifests | None = None) -> None:
    """The manifest of that seed names a base; `base` is looked into, unless it is None."""
    said = (
        SaidBase(ImageRef.parse(name), base.digest if base else digest_of(f"unseen {name}")) if name else None
    )
    with immediate(world.sql):
        world.store.remember_manifests(Manifests(digest_of(seed), {}, {digest_of(seed): said}))
        if base is not None:
            world.store.remember_manifests(base)


def on_python(world: World) -> None:
    """app was built on python, which says that it stands on debian:12."""
    world.publish("python", "python 1")
    world.build("app", "python", task=1)
    say(world, "python 1", "debian:12", single("debian 1"))


def known(world: World, name: str) -> int:
    """The number of an image, however it came to be known."""
    return find_image(world.sql, name)[0]


def names(bases: tuple[Base, ...]) -> object:
    return {base.reference.rpartition("/")[2]: names(base.image.bases) for base in bases}


def above(world: World, name: str) -> list[tuple[str, int, bool]]:
    found = dependants_of(world.sql, known(world, name))
    return [(world.name(one.image_id), one.distance, one.said) for one in found]


def test_the_tree_goes_on_with_what_the_last_known_image_says(world: World) -> None:
    on_python(world)

    tree = bases_of(world.sql, world.id("app"))

    assert names(tree.bases) == {"python:latest": {"debian:12": {}}}
    said = tree.bases[0].image.bases[0]
    assert (tree.bases[0].said, said.said) == (False, True)
    assert (said.role, said.via, said.stage, said.line) == ("runtime", "from", "", 0)
    assert said.recorded_digest == str(digest_of("debian 1"))
    assert said.recorded_platform_digests == {"linux/amd64": str(digest_of("debian 1"))}
    assert said.observed_digest is None


def test_words_belong_to_the_digest_that_was_used(world: World) -> None:
    on_python(world)
    world.publish("python", "python 2", 5)
    say(world, "python 2", "debian:13", single("debian 2"))

    assert names(bases_of(world.sql, world.id("app")).bases) == {"python:latest": {"debian:12": {}}}


def test_each_platform_follows_its_own_manifest(world: World) -> None:
    world.publish("python", index_of({AMD64: "python amd", ARM64: "python arm"}))
    world.build("app", "python", platforms=[AMD64, ARM64])
    say(world, "python amd", "debian:12", single("debian amd"))
    say(world, "python arm", "debian:12", single("debian arm"))

    (python,) = bases_of(world.sql, world.id("app")).bases
    (debian,) = python.image.bases

    assert debian.recorded_platform_digests == {
        "linux/amd64": str(digest_of("debian amd")),
        "linux/arm64": str(digest_of("debian arm")),
    }


def test_an_index_that_is_named_is_entered_by_platform(world: World) -> None:
    world.publish("python", "python 1")
    world.build("app", "python")
    say(world, "python 1", "debian:12", index_of({AMD64: "debian amd", ARM64: "debian arm"}))
    say(world, "debian amd", "root:1")
    say(world, "debian arm", "elsewhere:1")

    assert names(bases_of(world.sql, world.id("app")).bases) == {
        "python:latest": {"debian:12": {"root:1": {}}}
    }


def test_what_is_said_is_never_stale_watched_or_rebuilt(world: World) -> None:
    on_python(world)
    watched = [one.reference.familiar for one in world.store.all_watched()]

    world.publish("debian:12", "debian 2", 5)

    assert world.decisions() == {}
    assert watched == ["python:latest"]
    assert bases_of(world.sql, world.id("app")).fresh


def test_words_that_go_in_a_circle_end(world: World) -> None:
    world.publish("python", "python 1")
    world.build("app", "python")
    say(world, "python 1", "debian:12", single("debian 1"))
    say(world, "debian 1", "python", single("python 1"))

    assert names(bases_of(world.sql, world.id("app")).bases) == {
        "python:latest": {"debian:12": {"python:latest": {}}}
    }
    assert next_unasked(world.sql) == []


def test_a_long_story_is_cut(world: World) -> None:
    world.publish("python", "layer 0")
    world.build("app", "python")
    for number in range(hearsay.DEPTH_MOST + 5):
        say(world, f"layer {number}", f"layer{number + 1}:1", single(f"layer {number + 1}"))

    image, depth = bases_of(world.sql, world.id("app")).bases[0].image, 0
    while image.bases:
        image, depth = image.bases[0].image, depth + 1

    assert depth == hearsay.DEPTH_MOST
    assert next_unasked(world.sql) == []


def test_an_image_of_ours_that_somebody_names_is_left_to_its_own_tree(world: World) -> None:
    on_python(world)
    world.build("debian:12", "scratchy")

    debian = bases_of(world.sql, world.id("app")).bases[0].image.bases[0].image

    assert (debian.cut, debian.bases) == (True, ())


def test_an_image_of_others_at_the_top_says_what_it_stands_on_now(world: World) -> None:
    on_python(world)

    tree = bases_of(world.sql, world.id("python"))

    assert names(tree.bases) == {"debian:12": {}}


def test_a_tree_without_room_still_shows_words_once(world: World) -> None:
    on_python(world)
    for number in range(ancestry.DEPTH_MOST + 10):
        world.build(f"chain{number}", f"chain{number - 1}" if number else "app", "python")

    tree = bases_of(world.sql, world.id(f"chain{ancestry.DEPTH_MOST + 9}"))

    assert _count(tree, "docker.io/library/debian:12") == 1


def _count(image: Image, name: str) -> int:
    return sum((base.reference == name) + _count(base.image, name) for base in image.bases)


def test_what_nobody_looked_into_is_asked_nearest_first(world: World) -> None:
    world.publish("python", "python 1")
    world.publish("node", "node 1")
    world.build("app", "python", "node")
    say(world, "python 1", "debian:12")

    assert next_unasked(world.sql) == [
        (ImageRef.parse("node"), digest_of("node 1")),
        (ImageRef.parse("debian:12"), digest_of("unseen debian:12")),
    ]


def test_our_own_images_and_those_that_name_nothing_are_not_asked(world: World) -> None:
    world.publish("alpine", "alpine 1")
    world.build("base", "alpine")
    world.build("app", "base")
    say(world, "alpine 1", None)

    assert next_unasked(world.sql) == []


def test_the_first_word_counts_and_silence_does_not(world: World) -> None:
    world.publish("python", "python 1")
    world.build("app", "python")
    for name in (None, "debian:12", "evil:1", None):
        say(world, "python 1", name)

    assert names(bases_of(world.sql, world.id("app")).bases) == {"python:latest": {"debian:12": {}}}


def test_dependants_over_words_are_marked(world: World) -> None:
    on_python(world)
    world.build("upper", "app")

    assert above(world, "debian:12") == [("python", 1, True), ("app", 2, True), ("upper", 3, True)]
    assert above(world, "python") == [("app", 1, False), ("upper", 2, False)]


def test_a_way_over_records_counts_before_one_over_words(world: World) -> None:
    on_python(world)
    world.build("tool", "debian:12")
    world.build("app", "python", "tool")

    assert above(world, "debian:12") == [("python", 1, True), ("tool", 1, False), ("app", 2, False)]


def test_a_name_that_was_only_said_hides_no_image_of_ours(world: World) -> None:
    on_python(world)
    world.build("registry.example.com/library/debian:12", "alpine")

    assert find_image(world.sql, "debian:12")[1] == "registry.example.com/library/debian:12"
    assert "docker.io/library/debian:12" not in [one.reference for one in list_images(world.sql)]


def test_a_name_that_was_said_becomes_a_base_when_a_build_uses_it(world: World) -> None:
    on_python(world)
    world.build("tool", "debian:12")

    assert "docker.io/library/debian:12" in [one.reference for one in list_images(world.sql)]


def test_a_drawing_has_words_as_dashed_edges(world: World) -> None:
    on_python(world)

    whole, around = (read_drawing(world.sql, focus) for focus in (None, known(world, "debian:12")))

    assert [(node.label, node.kind) for node in whole.nodes] == [
        ("app:latest", "built"),
        ("debian:12", "said"),
        ("python:latest", "external"),
    ]
    assert {node.label for node in around.nodes} == {"app:latest", "debian:12", "python:latest"}
    assert [edge.said for edge in whole.edges] == [False, True]
    assert to_dot(whole).count('style=dashed, label="said"') == 1


def test_names_that_no_digest_in_use_speaks_of_are_not_drawn(world: World) -> None:
    on_python(world)
    world.publish("python", "python 2", 5)
    world.build("app", "python")

    assert [node.label for node in read_drawing(world.sql, None).nodes] == ["app:latest", "python:latest"]
