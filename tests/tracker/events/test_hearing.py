"""What is done about pushes that letters tell of: many hints are one question, and early ones wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from graph.model import Manifests
from graph.observing import Watched
from graph.reference import Digest, ImageRef
from rebuild.images.registry import RegistryUnavailable
from tests.graph_samples import digest_of
from tracker.events.hearing import EARLY_MOST_S, SPACING_S, Told, hear, to_ask
from tracker.events.push import Push
from tracker.metrics import EventResult
from tracker.watching.inbox import Letter
from tracker.watching.watch import Answer

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OLD, NEW, OTHER = digest_of("old"), digest_of("new"), digest_of("other")


def watched(image_id: int = 1, *, observed: Digest | None = OLD, checked_s_ago: float = 3600) -> Watched:
    checked_at = NOW - timedelta(seconds=checked_s_ago)
    return Watched(image_id, ImageRef.parse(f"r.io/app{image_id}:1"), observed, 0, checked_at)


def told(number: int, digest: Digest | None, found: Watched | None, *, received_s_ago: float = 0.001) -> Told:
    letter = Letter(number, "harbor", NOW - timedelta(seconds=received_s_ago), b"")
    return Told(letter, Push("r.io", "app1", "1", digest), found)


def answered(digest: Digest | None, found: Watched) -> Answer:
    if digest is None:
        return Answer(found, NOW, error=RegistryUnavailable("no answer"))
    return Answer(found, NOW, None if digest == found.observed else Manifests(digest))


@pytest.mark.parametrize("digest", [NEW, None], ids=["with digest", "without"])
def test_a_hundred_hints_of_one_push_are_one_question(digest: Digest | None) -> None:
    hints = [told(number, digest, watched()) for number in range(100)]

    assert list(to_ask(hints, NOW)) == [1]


@pytest.mark.parametrize(
    ("hint", "result"),
    [
        (told(1, NEW, None), EventResult.UNWATCHED),
        (told(1, OLD, watched()), EventResult.KNOWN),
        (told(1, None, watched(checked_s_ago=1), received_s_ago=2), EventResult.KNOWN),
    ],
    ids=["nobody stands on it", "its digest is known", "was asked about since"],
)
def test_what_need_not_be_asked_is_settled_at_once(hint: Told, result: EventResult) -> None:
    heard = hear([hint], [], NOW)

    assert to_ask([hint], NOW) == {}
    assert (heard.waits_s, heard.results) == ({}, ((hint.letter, result),))


@pytest.mark.parametrize("digest", [NEW, None], ids=["with digest", "without"])
def test_a_hint_is_settled_by_the_answer_that_it_named(digest: Digest | None) -> None:
    found = watched()
    hint = told(1, digest, found)

    heard = hear([hint], [answered(NEW, found)], NOW)

    assert (heard.waits_s, heard.results) == ({}, ((hint.letter, EventResult.ASKED),))


def test_a_hint_waits_while_the_registry_does_not_show_yet_what_it_told() -> None:
    found = watched()
    hint = told(1, NEW, found, received_s_ago=0.5)

    heard = hear([hint], [answered(OLD, found)], NOW)

    assert (dict(heard.waits_s), heard.results) == ({1: 0.5}, ())


def test_a_hint_of_a_push_that_was_overtaken_ends_with_what_the_registry_says() -> None:
    found = watched(observed=NEW)
    late = told(1, OTHER, found, received_s_ago=EARLY_MOST_S + 1)

    heard = hear([late], [answered(NEW, found)], NOW)

    assert (heard.waits_s, heard.results) == ({}, ((late.letter, EventResult.ASKED),))


def test_a_registry_that_does_not_answer_settles_a_hint_because_the_poll_asks_again() -> None:
    found = watched()
    hint = told(1, NEW, found)

    assert hear([hint], [answered(None, found)], NOW).waits_s == {}


@pytest.mark.parametrize("digests", [(NEW, NEW, NEW), (NEW, OTHER, None), (None, None, OTHER)])
def test_of_many_hints_that_could_wait_only_the_newest_does(digests: tuple[Digest | None, ...]) -> None:
    found = watched(checked_s_ago=0.5)
    hints = [told(number, digest, found, received_s_ago=0.1) for number, digest in enumerate(digests)]

    heard = hear(hints, [answered(OLD, found)] if digests[-1] else [], NOW)

    assert list(heard.waits_s) == [2]
    assert [letter.letter_id for letter, _ in heard.results] == [0, 1]


def test_hints_of_different_references_wait_each() -> None:
    first, second = watched(1), watched(2)

    heard = hear(
        [told(1, NEW, first), told(2, NEW, second)], [answered(OLD, first), answered(OLD, second)], NOW
    )

    assert list(heard.waits_s) == [1, 2]


def test_a_reference_told_of_without_digest_is_not_asked_about_again_and_again() -> None:
    found = watched(checked_s_ago=0.5)
    storm = [told(number, None, found, received_s_ago=0.1) for number in range(1, 100)]

    heard = hear(storm, [], NOW)

    assert to_ask(storm, NOW) == {}
    assert dict(heard.waits_s) == {99: SPACING_S - 0.5}
    assert list(to_ask(storm[:1], NOW + timedelta(seconds=SPACING_S))) == [1]


def test_a_letter_of_many_pushes_is_settled_with_the_last_of_them() -> None:
    first, second = watched(1), watched(2)
    letter = told(1, NEW, first)
    other = Told(letter.letter, Push("r.io", "app2", "1", NEW), second)

    heard = hear([letter, other], [answered(NEW, first), answered(OLD, second)], NOW)

    assert (list(heard.waits_s), heard.results) == ([1], ())
