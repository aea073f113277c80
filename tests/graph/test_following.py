"""Newer tags of bases that follow them, and tags beside pinned digests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlite_utils import Database

from graph.database import immediate
from graph.drift import read_pinned
from graph.following import Followings
from graph.migrations import tags_of_known_pins
from graph.model import Followed
from graph.reference import ImageRef
from graph.snapshot import TaskStates
from graph.staleness import Decision, Reason, Verdict
from graph.tag_lists import TagLists
from tests.graph.world import AMD64, ARM64, World, at, base_of, digest_of, index_of, single

TASK = 7
PYTHON = "docker.io/library/python"


def follow(
    world: World, image: str, used: str, written: str, rule: str, *, minute: float = 1, task: int = TASK
) -> None:
    """A build that took `used` where `written` stands, by the rule."""
    base = base_of(used, world.held.setdefault(used, single(f"first {used}")))
    followed = Followed(f"docker.io/library/{rule}", ImageRef.parse(written))
    world.record(
        [image], [replace(base, followed=followed)], single(f"{image} {minute}"), task=task, minute=minute
    )


def listed(world: World, tags: str, minute: float, repository: str = PYTHON) -> int:
    """The registry lists these tags; answers how many edges are told otherwise than before."""
    with immediate(world.sql):
        TagLists(world.sql).observe(repository, tags.split(), None, at(minute))
        return Followings(world.sql).compare(repository, tags.split(), at(minute))


def watched(world: World) -> set[str]:
    return {each.reference.familiar.removesuffix(":latest") for each in world.store.all_watched()}


def lists_due(world: World, when: datetime) -> list[str]:
    return [each.name for each in TagLists(world.sql).due(when, 10)]


def decided(world: World, name: str, states: TaskStates | None = None) -> Decision | None:
    return world.decisions(states=states).get(name)


def test_a_newer_tag_makes_an_image_stale_by_its_own_reason(world: World) -> None:
    follow(world, "app", "python:3.12.1", "python:3.12", "python:3.12.*")
    listed(world, "3.12.1 3.12.2", 5)
    world.publish("python:3.12.2", "new", 6)

    decision = world.decisions()["app"]

    assert (decision.verdict, decision.reason) == (Verdict.REBUILD, Reason.NEWER_TAG)
    [moved] = decision.evidence
    assert (moved.base_id, moved.seen_at_id) == (world.id("python:3.12.1"), world.id("python:3.12.2"))
    assert (moved.since, moved.moved_at) == (at(5), at(6))


def test_a_newer_tag_is_watched_from_when_it_is_listed(world: World) -> None:
    follow(world, "app", "python:3.12.1", "python:3.12", "python:3.12.*")

    listed(world, "3.12.1 3.12.2 3.13.0", 5)

    assert watched(world) == {"python:3.12.1", "python:3.12.2"}
    assert world.decisions() == {}


def test_a_newer_tag_with_the_same_content_makes_nothing_stale(world: World) -> None:
    follow(world, "app", "python:3.12.1", "python:3.12", "python:3.12.*")
    listed(world, "3.12.1 3.12.2", 5)

    world.publish("python:3.12.2", world.held["python:3.12.1"], 6)

    assert world.decisions() == {}


def test_where_there_is_a_newer_tag_the_old_one_may_move_as_it_likes(world: World) -> None:
    follow(world, "app", "python:3.12.1", "python:3.12", "python:3.12.*")
    listed(world, "3.12.1 3.12.2", 5)
    world.publish("python:3.12.2", world.held["python:3.12.1"], 6)

    world.publish("python:3.12.1", "patched", 7)

    assert world.decisions() == {}


def test_without_a_newer_tag_the_followed_one_counts_like_any_base(world: World) -> None:
    follow(world, "app", "python:3.12.1", "python:3.12", "python:3.12.*")
    listed(world, "3.12.0 3.12.1", 5)

    world.publish("python:3.12.1", "patched", 7)

    assert world.decisions()["app"].reason is Reason.BASE_MOVED


def test_the_tags_of_a_followed_repository_are_asked_for(world: World) -> None:
    follow(world, "app", "python:3.12.1", "python:3.12", "python:3.12.*")

    assert lists_due(world, at(1)) == [PYTHON]


def test_a_tag_that_vanished_is_newer_no_longer(world: World) -> None:
    follow(world, "app", "python:3.12.1", "python:3.12", "python:3.12.*")
    listed(world, "3.12.1 3.12.2", 5)
    world.publish("python:3.12.2", "new", 6)

    assert listed(world, "3.12.1", 8) == 1
    assert world.decisions() == {}


def test_a_list_without_the_tag_in_use_leads_to_no_older_one(world: World) -> None:
    follow(world, "app", "python:3.12.3", "python:3.12", "python:3.12.*")

    assert listed(world, "3.12.1 3.12.2", 5) == 0


def test_a_rebuild_on_the_newer_tag_settles_it(world: World) -> None:
    follow(world, "app", "python:3.12.1", "python:3.12", "python:3.12.*")
    listed(world, "3.12.1 3.12.2", 5)
    world.publish("python:3.12.2", "new", 6)

    follow(world, "app", "python:3.12.2", "python:3.12", "python:3.12.*", minute=7)

    assert world.decisions() == {}
    assert listed(world, "3.12.1 3.12.2", 9) == 0


def test_a_list_from_before_a_build_is_not_held_against_it(world: World) -> None:
    follow(world, "app", "python:3.12.1", "python:3.12", "python:3.12.*")
    listed(world, "3.12.1 3.12.9", 5)
    world.publish("python:3.12.9", "withdrawn", 5)

    follow(world, "app", "python:3.12.2", "python:3.12", "python:3.12.*", minute=7)

    assert world.decisions() == {}


def test_a_list_that_came_during_a_build_is_held_against_it(world: World) -> None:
    follow(world, "other", "python:3.12.1", "python:3.12", "python:3.12.*", task=8)
    listed(world, "3.12.1 3.12.2", 7.2)
    world.publish("python:3.12.2", "new", 7.3)

    follow(world, "app", "python:3.12.1", "python:3.12", "python:3.12.*", minute=7)

    assert world.decisions()["app"].reason is Reason.NEWER_TAG


def test_a_newer_tag_of_our_own_comes_first_while_it_is_rebuilt(world: World) -> None:
    world.build("base:1", "alpine", task=1)
    world.build("base:2", "alpine", task=2)
    follow(world, "app", "base:1", "base:1", "base:*")
    listed(world, "1 2", 5, "docker.io/library/base")

    decision = world.decisions(states=TaskStates(busy={2}))["app"]

    assert (decision.verdict, decision.reason) == (Verdict.WAIT, Reason.BASE_PENDING)
    assert decision.waits_for == (world.id("base:2"),)


def test_a_newer_tag_without_the_platform_is_told_and_builds_nothing(world: World) -> None:
    follow(world, "app", "python:3.12.1", "python:3.12", "python:3.12.*")
    listed(world, "3.12.2", 5)
    world.publish("python:3.12.2", index_of({ARM64: "new"}), 6)

    assert world.decisions()["app"].reason is Reason.PLATFORM_GONE


def test_a_task_that_follows_no_base_follows_no_newer_tag(world: World) -> None:
    follow(world, "app", "python:3.12.1", "python:3.12", "python:3.12.*")
    listed(world, "3.12.2", 5)
    world.publish("python:3.12.2", "new", 6)

    decision = decided(world, "app", TaskStates(off={TASK}))

    assert decision is not None
    assert decision.reason is Reason.UNFOLLOWED


def test_a_rule_that_is_given_later_counts_for_what_is_built_already(world: World) -> None:
    world.build("app", "python:3.12.1", task=TASK)
    with immediate(world.sql):
        Followings(world.sql).retell(TASK, ["python:3.12.*"], at(5))
    listed(world, "3.12.1 3.12.2", 6)
    world.publish("python:3.12.2", "new", 7)

    assert world.decisions()["app"].reason is Reason.NEWER_TAG


def test_a_rule_that_is_taken_away_counts_no_longer(world: World) -> None:
    follow(world, "app", "python:3.12.1", "python:3.12", "python:3.12.*")
    listed(world, "3.12.1 3.12.2", 5)
    world.publish("python:3.12.2", "new", 6)

    with immediate(world.sql):
        Followings(world.sql).retell(TASK, [], at(7))

    assert world.decisions() == {}


def test_another_rule_goes_by_the_tag_that_was_written(world: World) -> None:
    follow(world, "app", "python:3.12.1", "python:3.12", "python:3.12.*")
    listed(world, "3.12.1 3.13.0 3.13.1", 5)

    with immediate(world.sql):
        Followings(world.sql).retell(TASK, ["python:3.*"], at(6))

    assert "python:3.13.1" not in watched(world)  # 3.12 has two numbers, so that 3.13.1 takes no part
    assert world.sql.execute("SELECT written, rule FROM followings").fetchall() == [
        (f"{PYTHON}:3.12", f"{PYTHON}:3.*")
    ]


def test_no_rule_leads_into_the_repository_that_the_task_pushes_to(world: World) -> None:
    world.build("app:2", "app:1", task=TASK)

    with immediate(world.sql):
        Followings(world.sql).retell(TASK, ["app:*"], at(5))

    assert world.sql.execute("SELECT count(*) FROM followings").fetchone() == (0,)


def test_what_is_followed_no_more_is_asked_for_no_more(world: World) -> None:
    follow(world, "app", "python:3.12.1", "python:3.12", "python:3.12.*")
    listed(world, "3.12.1 3.12.2", 5)
    world.build("app", "alpine", task=TASK, minute=6)

    with immediate(world.sql):
        world.store.forget_unused()

    assert watched(world) == {"alpine"}
    assert lists_due(world, at(60)) == []


def test_what_builds_used_before_is_found_by_what_was_written(world: World) -> None:
    follow(world, "app", "python:3.12.1", "python:3.12", "python:3.12.*")
    followings, images = Followings(world.sql), [ImageRef.parse("app")]

    assert followings.used(images, ImageRef.parse("python:3.12")) == ("3.12.1",)
    assert followings.used(images, ImageRef.parse("python:3.13")) == ()


def pin(world: World, holds: Sequence[str] = ("one",), tag: str = ":3") -> str:
    """An image on a base that is pinned to an index."""
    manifests = index_of(dict(zip((AMD64, ARM64), holds, strict=False)))
    name = f"alpine{tag}@{manifests.digest}"
    world.held[name] = manifests
    world.build("app", name, task=TASK)
    return name


def test_a_pinned_base_whose_tag_moved_is_told_and_rebuilds_nothing(world: World) -> None:
    name = pin(world)
    world.publish("alpine:3", index_of({AMD64: "one"}), 2)
    world.publish("alpine:3", index_of({AMD64: "two"}), 5)

    [(image_id, [moved])] = read_pinned(world.sql).items()

    assert (image_id, moved.base_id, moved.seen_at_id) == (
        world.id("app"),
        world.id(name),
        world.id("alpine:3"),
    )
    assert moved.since == at(5)
    assert world.decisions() == {}


def test_a_pinned_base_whose_tag_moved_for_other_platforms_is_not_told(world: World) -> None:
    pin(world, ("one", "arm one"))

    world.publish("alpine:3", index_of({AMD64: "one", ARM64: "arm two"}), 5)

    assert read_pinned(world.sql) == {}


def test_a_base_pinned_to_the_manifest_of_a_platform_is_compared_by_that(world: World) -> None:
    manifest = digest_of("one")
    world.build("app", f"alpine:3@{manifest}")
    world.held[f"alpine:3@{manifest}"] = single("one")
    world.record(["app"], [base_of(f"alpine:3@{manifest}", single("one"))], single("app"))

    world.publish("alpine:3", index_of({AMD64: "one", ARM64: "arm"}), 5)
    assert read_pinned(world.sql) == {}

    world.publish("alpine:3", index_of({AMD64: "two", ARM64: "arm"}), 6)
    assert list(read_pinned(world.sql)) == [world.id("app")]


def test_a_base_pinned_without_a_tag_is_not_compared_with_anything(world: World) -> None:
    pin(world, tag="")

    world.publish("alpine", "moved", 5)

    assert read_pinned(world.sql) == {}


def test_the_tag_of_a_pin_is_watched_no_longer_than_the_pin_is_used(world: World) -> None:
    pin(world)
    with immediate(world.sql):
        world.store.forget_unused()
    assert watched(world) == {"alpine:3"}

    world.build("app", "debian", task=TASK, minute=6)
    with immediate(world.sql):
        world.store.forget_unused()
    assert watched(world) == {"debian"}


def test_pins_that_were_recorded_before_anybody_watched_their_tags_are_taken_up(world: World) -> None:
    name = pin(world)
    for table in ("pinned_tags", "observations"):
        world.sql.execute(f"DELETE FROM {table}")

    tags_of_known_pins(Database(world.sql))

    assert watched(world) == {"alpine:3"}
    pins = world.sql.execute("SELECT image_id, tag_id FROM pinned_tags").fetchall()
    assert pins == [(world.id(name), world.id("alpine:3"))]
