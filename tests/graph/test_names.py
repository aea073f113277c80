"""Finding images by the names that people type, and what stands on them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from graph.dependants import Dependant, dependants_of
from graph.errors import InvalidReference, WrongUse
from graph.listing import list_images
from graph.names import UnknownImage, find_image
from tests.graph.world import World, digest_of

HOST = "registry.example.com:5000"


def found(world: World, text: str) -> str:
    return find_image(world.sql, text)[1]


@pytest.mark.parametrize(
    "text",
    [f"{HOST}/team/app:latest", f"{HOST}/team/app", "team/app:latest", "team/app", "app:latest", "app"],
)
def test_an_image_is_found_by_any_unambiguous_end_of_its_name(world: World, text: str) -> None:
    world.build(f"{HOST}/team/app", "alpine")

    assert found(world, text) == f"{HOST}/team/app:latest"


def test_the_one_tag_of_a_repository_is_found_without_it(world: World) -> None:
    world.build(f"{HOST}/team/app:2026", "alpine")

    assert found(world, "app") == f"{HOST}/team/app:2026"


@pytest.mark.parametrize("host", [HOST, "docker.io", "[::1]:5000"])
def test_the_one_tag_of_a_repository_is_found_by_its_full_name_too(world: World, host: str) -> None:
    world.build(f"{host}/team/app:2026", "alpine")

    assert found(world, f"{host}/team/app") == f"{host}/team/app:2026"


def test_a_registry_is_no_repository(world: World) -> None:
    world.build("localhost:5000/team/app:2026", "alpine")

    with pytest.raises(UnknownImage):
        found(world, "localhost")


def test_tags_that_differ_in_case_are_different_names(world: World) -> None:
    world.build(f"{HOST}/app:rc", "alpine")
    world.build(f"{HOST}/app:RC", "alpine")

    assert found(world, "app:RC") == f"{HOST}/app:RC"


def test_the_exact_name_wins_over_longer_ones_that_end_so(world: World) -> None:
    world.build("app", "alpine")
    world.build(f"{HOST}/library/app", "alpine")

    assert found(world, "app") == "docker.io/library/app:latest"


def test_an_ambiguous_name_is_refused_with_the_candidates(world: World) -> None:
    world.build(f"{HOST}/one/app", "alpine")
    world.build(f"{HOST}/two/app", "alpine")

    with pytest.raises(WrongUse) as refusal:
        found(world, "app")

    assert f"{HOST}/one/app:latest, {HOST}/two/app:latest" in refusal.value.message
    assert refusal.value.hint == "write the name in full"


def test_a_part_of_a_word_is_no_end_of_a_name(world: World) -> None:
    world.build(f"{HOST}/team/myapp", "alpine")

    with pytest.raises(UnknownImage, match="has been recorded"):
        found(world, "app")


def test_a_tag_that_was_asked_for_is_not_exchanged_for_another(world: World) -> None:
    world.build(f"{HOST}/team/app:2026", "alpine")

    with pytest.raises(UnknownImage):
        found(world, "app:2025")


@pytest.mark.parametrize("text", ["a_b", "a__b"])
def test_signs_that_mean_something_to_the_search_are_taken_as_they_are(world: World, text: str) -> None:
    world.build(f"{HOST}/team/a-b", "alpine")
    world.build(f"{HOST}/team/{text}", "alpine")

    assert found(world, text) == f"{HOST}/team/{text}:latest"


def test_an_image_named_by_digest_is_found(world: World) -> None:
    world.build("app", f"alpine@{digest_of('x')}")

    assert found(world, f"alpine@{digest_of('x')}").endswith(str(digest_of("x")))


@pytest.mark.parametrize("name", ["app:1", f"{HOST}/team/app:1", "team/app"])
def test_an_image_is_found_by_its_name_with_the_digest_that_it_holds(world: World, name: str) -> None:
    world.build(f"{HOST}/team/app:1", "alpine")
    digest = world.sql.execute(
        "SELECT d.value FROM builds b JOIN digests d ON d.id = b.digest_id"
    ).fetchone()[0]

    assert found(world, f"{name}@{digest}") == f"{HOST}/team/app:1"


def test_a_name_with_a_digest_that_it_does_not_hold_is_told_with_the_one_that_it_holds(world: World) -> None:
    world.build(f"{HOST}/team/app:1", "alpine")

    with pytest.raises(UnknownImage, match=f"{HOST}/team/app:1 holds sha256:[0-9a-f]+, and not ") as refusal:
        found(world, f"app:1@{digest_of('other')}")

    assert refusal.value.hint == f"ask for {HOST}/team/app:1"


def test_what_is_no_name_is_refused_before_the_search(world: World) -> None:
    with pytest.raises(InvalidReference):
        found(world, "%")


def test_dependants_come_nearest_first_and_each_once(world: World) -> None:
    world.build("b", "base")
    world.build("c", "other", "base")
    world.build("d", "b", "c")

    above = dependants_of(world.sql, world.id("base"))

    assert [(world.name(one.image_id), one.distance, one.role) for one in above] == [
        ("b", 1, "runtime"),
        ("c", 1, "buildtime"),
        ("d", 2, "runtime"),
    ]
    assert above[0] == Dependant(
        world.id("b"), "docker.io/library/b:latest", 1, "runtime", "2026-11-23T06:01:30.000Z"
    )


def test_an_image_in_a_circle_is_not_above_itself(world: World) -> None:
    world.build("a", "alpine")
    world.build("b", "a")
    world.build("a", "b", minute=3)

    assert [world.name(one.image_id) for one in dependants_of(world.sql, world.id("a"))] == ["b"]


def test_the_list_of_images_counts_what_is_below_and_above(world: World) -> None:
    world.build("b", "base", task=7)
    world.build("c", "b", "base")

    listed = {world.name(one.image_id): one for one in list_images(world.sql)}

    assert list(listed) == ["b", "base", "c"]
    assert (listed["b"].bases, listed["b"].dependants, listed["b"].task_id) == (1, 1, 7)
    assert (listed["base"].origin, listed["base"].built_at) == ("external", None)


def test_looking_at_the_graph_imports_nothing_heavy() -> None:
    modules = "graph.names, graph.dependants, graph.snapshot, graph.plan, graph.freshness"
    script = f"import sys, {modules}; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert not {"sqlite_utils", "httpx", "pydantic", "asyncio", "json", "click"} & set(loaded.split())
