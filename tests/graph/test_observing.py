"""Observing: what moved, what is asked about next, and what failures leave behind."""

from __future__ import annotations

from graph.database import immediate
from graph.model import BaseContent
from graph.reference import ImageRef
from graph.store import Change, Source, Watched
from tests.graph.world import AMD64, ARM64, World, at, digest_of, index_of, single


def observed(world: World, name: str) -> tuple[object, ...]:
    row = world.sql.execute(
        "SELECT d.value, o.checked_at, o.failures, o.error FROM observations o"
        " LEFT JOIN digests d ON d.id = o.digest_id WHERE o.image_id = ?",
        (world.id(name),),
    ).fetchone()
    return tuple(row)


def history(world: World, name: str) -> list[tuple[str, str]]:
    rows = world.sql.execute(
        "SELECT d.value, h.source FROM observation_history h JOIN digests d ON d.id = h.digest_id"
        " WHERE h.image_id = ? ORDER BY h.id",
        (world.id(name),),
    )
    return rows.fetchall()


def test_the_first_sight_of_a_reference_is_a_change_from_nothing(world: World) -> None:
    change = world.publish("alpine", "a")

    assert change == Change(world.id("alpine"), ImageRef.parse("alpine"), None, digest_of("a"))


def test_a_moved_reference_tells_from_where_to_where(world: World) -> None:
    world.publish("alpine", "a", 0)

    change = world.publish("alpine", "b", 1)

    assert change is not None
    assert (change.old, change.new) == (digest_of("a"), digest_of("b"))


def test_the_same_answer_again_is_no_change_and_notes_the_time(world: World) -> None:
    world.publish("alpine", "a", 0)

    assert world.publish("alpine", "a", 5) is None
    assert observed(world, "alpine")[1] == "2026-11-23T06:05:00.000Z"


def test_an_answer_older_than_the_newest_is_ignored(world: World) -> None:
    world.publish("alpine", "new", 10)

    assert world.publish("alpine", "old", 9) is None
    assert observed(world, "alpine")[0] == str(digest_of("new"))
    assert len(history(world, "alpine")) == 1


def test_the_history_keeps_every_move_and_who_brought_it(world: World) -> None:
    world.publish("alpine", "a", 0, Source.POLL)
    world.publish("alpine", "b", 1, Source.EVENT)
    world.publish("alpine", "a", 2, Source.POLL)

    assert history(world, "alpine") == [
        (str(digest_of("a")), "poll"),
        (str(digest_of("b")), "event"),
        (str(digest_of("a")), "poll"),
    ]


def test_failures_are_counted_and_leave_what_was_seen(world: World) -> None:
    world.publish("alpine", "a")
    with immediate(world.sql):
        world.store.note_failure(world.id("alpine"), "503")
        world.store.note_failure(world.id("alpine"), "504")

    assert observed(world, "alpine")[0] == str(digest_of("a"))
    assert observed(world, "alpine")[2:] == (2, "504")


def test_an_answer_ends_a_row_of_failures(world: World) -> None:
    world.publish("alpine", "a")
    with immediate(world.sql):
        world.store.note_failure(world.id("alpine"), "503")

    world.publish("alpine", "b", 1)

    assert observed(world, "alpine")[2:] == (0, None)


def test_a_reference_that_has_only_failed_takes_the_first_answer(world: World) -> None:
    with immediate(world.sql):
        world.store.note_failure(world.id("alpine"), "503")

    change = world.publish("alpine", "a")

    assert change is not None and change.old is None


def test_a_confirmation_that_comes_late_does_not_turn_back_the_time(world: World) -> None:
    world.publish("alpine", "a", 10)

    with immediate(world.sql):
        world.store.confirm(world.id("alpine"), at(5))

    assert observed(world, "alpine")[1] == "2026-11-23T06:10:00.000Z"


def test_due_references_are_of_no_registry_that_is_left_out(world: World) -> None:
    for name in ("quay.io/team/a:1", "quay.io.example/team/a:1", "alpine", "localhost:5000/quay.io/a:1"):
        world.publish(name, name)
        with immediate(world.sql):
            world.store.schedule([world.id(name)], at(1))

    due = world.store.due(at(10), 9, but_not_of=["quay.io", "docker.io"])

    assert {each.reference.registry for each in due} == {"quay.io.example", "localhost:5000"}


def test_due_references_come_longest_overdue_first_and_no_more_than_asked_for(world: World) -> None:
    for name, minute in (("a", 3), ("b", 1), ("c", 2), ("later", 99)):
        world.publish(name, name)
        with immediate(world.sql):
            world.store.schedule([world.id(name)], at(minute))

    due = world.store.due(at(10), 2)

    assert due == [
        Watched(world.id("b"), ImageRef.parse("b"), digest_of("b"), 0, at(0)),
        Watched(world.id("c"), ImageRef.parse("c"), digest_of("c"), 0, at(0)),
    ]


def test_a_due_reference_that_never_answered_has_no_digest(world: World) -> None:
    with immediate(world.sql):
        world.store.note_failure(world.id("a"), "503")
        world.store.schedule([world.id("a")], at(1))

    assert [(due.observed, due.failures) for due in world.store.due(at(1), 10)] == [(None, 1)]


def test_the_next_due_time_is_the_earliest(world: World) -> None:
    assert world.store.next_due() is None
    with immediate(world.sql):
        world.store.schedule([world.id("a")], at(7))
        world.store.schedule([world.id("b")], at(3))
        world.store.schedule([world.id("c")], None)

    assert world.store.next_due() == at(3)


def test_what_an_index_holds_is_remembered_for_ever(world: World) -> None:
    index = index_of({AMD64: "a", ARM64: "b"})
    world.publish("alpine", index)

    assert world.store.known_manifests(index.digest) == index


def test_a_manifest_that_is_no_index_is_known_to_hold_nothing_else(world: World) -> None:
    world.publish("alpine", "a")

    assert world.store.known_manifests(digest_of("a")) == single("a")


def test_a_digest_that_nobody_looked_into_is_not_known(world: World) -> None:
    with immediate(world.sql):
        world.store.digest_id(digest_of("seen only"))

    assert world.store.known_manifests(digest_of("seen only")) is None
    assert world.store.known_manifests(digest_of("unheard of")) is None


def test_layers_are_remembered_in_their_order(world: World) -> None:
    diff_ids = tuple(digest_of(seed) for seed in ("low", "middle", "low"))

    with immediate(world.sql):
        world.store.remember_content(digest_of("manifest"), BaseContent(diff_ids, of_docker=True))

    assert world.store.content_of(digest_of("manifest")) == BaseContent(diff_ids, of_docker=True)
    assert world.store.content_of(digest_of("other")) is None


def test_layers_of_an_older_release_are_asked_for_once_more(world: World) -> None:
    content = BaseContent((digest_of("low"),))
    with immediate(world.sql):
        world.store.remember_content(digest_of("manifest"), content)
        world.sql.execute("UPDATE layers SET of_docker = NULL")

    assert world.store.content_of(digest_of("manifest")) is None

    with immediate(world.sql):
        world.store.remember_content(digest_of("manifest"), content)

    assert world.store.content_of(digest_of("manifest")) == content


def test_a_reference_that_somebody_stands_on_is_found_by_its_name(world: World) -> None:
    for name in ("a", "b"):
        world.publish(name, name)
    with immediate(world.sql):
        world.store.schedule([world.id("a")], at(3))

    a, b = ImageRef.parse("a"), ImageRef.parse("b")
    assert world.store.watched([a, b]) == {a: world.store.all_watched()[0]}
