"""Names, times, counts and decisions in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.clock import to_text
from graph.staleness import Decision, Reason, Verdict
from tracker.reasons import verdict_colour, way_out, why_decided
from tracker.wording import age, ago, clock_text, counted, familiar, listed, printable, short_digest

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def before(**span: float) -> str:
    return to_text(NOW - timedelta(**span))


@pytest.mark.parametrize(
    ("span", "column", "sentence"),
    [
        ({"seconds": 0.4}, "0s", "just now"),
        ({"seconds": 1}, "1s", "1 second ago"),
        ({"seconds": 119}, "119s", "119 seconds ago"),
        ({"minutes": 2}, "2m", "2 minutes ago"),
        ({"hours": 1}, "60m", "60 minutes ago"),
        ({"hours": 47}, "47h", "47 hours ago"),
        ({"days": 2}, "2d", "2 days ago"),
        ({"days": 800}, "2y", "2 years ago"),
    ],
)
def test_a_time_is_told_in_the_largest_unit_that_it_has_two_of(
    span: dict[str, float], column: str, sentence: str
) -> None:
    assert (age(before(**span), NOW), ago(before(**span), NOW)) == (column, sentence)


def test_the_future_and_the_unknown_have_words_too() -> None:
    assert ago(NOW + timedelta(minutes=5), NOW) == "in 5 minutes"
    assert ago(None, NOW) == "never"
    assert age(None, NOW) == "-"


def test_a_clock_that_was_set_back_gives_no_negative_age() -> None:
    assert age(to_text(NOW + timedelta(hours=1)), NOW) == "0s"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "00:00:00"), (59.6, "00:01:00"), (3671, "01:01:11"), (360000, "100:00:00")]
)
def test_a_duration_is_hours_minutes_and_seconds(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("docker.io/library/alpine:3", "alpine:3"),
        ("docker.io/team/app:1", "team/app:1"),
        ("ghcr.io/team/app:1", "ghcr.io/team/app:1"),
        (f"docker.io/library/alpine@sha256:{'ab' * 32}", "alpine@sha256:abababababab…"),
    ],
)
def test_a_name_is_written_as_people_write_it(name: str, short: str) -> None:
    assert familiar(name) == short


def test_a_digest_is_cut_to_twelve_digits() -> None:
    assert short_digest(f"sha256:{'ab' * 32}") == "abababababab"
    assert short_digest(None) == "-"


def test_counts_and_lists_read_as_sentences() -> None:
    assert [counted(1, "image"), counted(2, "image")] == ["1 image", "2 images"]
    assert counted(2, "image is", "images are") == "2 images are"
    assert [listed(list("abc"[:n])) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert listed(list("abcdefg")) == "a, b, c, d and 3 more"


@given(st.text())
def test_foreign_text_cannot_move_the_cursor(text: str) -> None:
    assert printable(text).isprintable()


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words(reason: Reason) -> None:
    decision = Decision(1, Verdict.WAIT, reason, waits_for=(2, 3), until=NOW, run_id="a1")

    said = why_decided(decision, {2: "docker.io/library/b:1", 3: "docker.io/library/c:1"}, NOW)

    assert said and not said.endswith(".")
    assert way_out(reason) != ""


def test_one_base_comes_first_and_two_come_first() -> None:
    names = {2: "docker.io/library/b:1", 3: "docker.io/library/c:1"}
    one = Decision(1, Verdict.WAIT, Reason.BASE_PENDING, waits_for=(2,))
    two = Decision(1, Verdict.WAIT, Reason.BASE_PENDING, waits_for=(2, 3))

    assert why_decided(one, names, NOW) == "b:1 comes first"
    assert why_decided(two, names, NOW) == "b:1 and c:1 come first"


def test_every_verdict_has_a_colour() -> None:
    assert {verdict_colour(verdict) for verdict in Verdict} == {"green", "yellow", "red"}
