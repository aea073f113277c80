"""What the log says of polling, however much is polled."""

from __future__ import annotations

from datetime import UTC, datetime

from structlog.testing import capture_logs

from graph.observing import Watched
from graph.reference import ImageRef
from rebuild.images.registry import NotFound, RegistryError, RegistryUnavailable
from tests.clocks import Hand
from tracker.watching.poll_log import PollLog
from tracker.watching.watch import Answer

AT = datetime(2026, 11, 23, tzinfo=UTC)
REGISTRY = "registry.example.com"


def answer(name: str, error: RegistryError | None = None) -> Answer:
    return Answer(Watched(1, ImageRef.parse(f"{REGISTRY}/{name}:1")), AT, error=error)


def test_a_registry_that_is_down_has_one_line_however_much_is_watched_there() -> None:
    poll_log = PollLog(Hand())
    for number in range(1000):
        poll_log.note(answer(f"app{number}", RegistryUnavailable("not today")))
    poll_log.note(answer("gone", NotFound("no such image")))

    with capture_logs() as lines:
        poll_log.go_on()

    troubles = [line for line in lines if line["event"] == "no answer about references"]
    assert [(line["result"], line["count"], line["first"]) for line in troubles] == [
        ("unavailable", 1000, f"{REGISTRY}/app0:1"),
        ("not-found", 1, f"{REGISTRY}/gone:1"),
    ]
    assert troubles[0]["error"] == "not today"


def test_a_round_every_second_makes_a_line_a_minute() -> None:
    hand = Hand()
    poll_log = PollLog(hand)

    with capture_logs() as lines:
        for _ in range(121):
            poll_log.note(answer("app"))
            poll_log.go_on()
            hand.at_s += 1

    assert [line["references"] for line in lines] == [1, 60, 60]


def test_trouble_that_is_new_is_told_at_once_and_then_every_minute() -> None:
    hand = Hand()
    poll_log = PollLog(hand)
    poll_log.note(answer("app"))
    poll_log.go_on()

    with capture_logs() as lines:
        for _ in range(62):
            hand.at_s += 1
            poll_log.note(answer("app", RegistryUnavailable("not today")))
            poll_log.go_on()

    assert [line["count"] for line in lines if line["log_level"] == "warning"] == [1, 60]


def test_where_nothing_was_asked_nothing_is_said() -> None:
    with capture_logs() as lines:
        PollLog(Hand()).go_on()

    assert lines == []
