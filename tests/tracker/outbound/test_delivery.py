"""When a message is tried again, and when it is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuild.runs.outbox import Kind, Lane, Message
from tracker.outbound.delivery import NotDelivered, Persistence

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PATIENT = Persistence(first_s=5, factor=3, most_s=3600, jitter=0.2, tries_most=30, age_most_s=86400)


def message(tries: int = 0) -> Message:
    return Message(1, "msg_1", Lane(Kind.WEBHOOK, "ops"), None, {}, NOON, NOON, tries, None)


@pytest.mark.parametrize(("tries", "delay_s"), [(1, 5), (2, 15), (3, 45), (6, 1215), (7, 3600), (29, 3600)])
def test_waits_grow_up_to_a_limit(tries: int, delay_s: float) -> None:
    assert PATIENT.delay_s(tries, 0.0) == delay_s


@given(tries=st.integers(1, 10**6), chance=st.floats(0, 1), asked_s=st.none() | st.floats(0, 1e9))
def test_no_wait_is_shorter_than_the_first_or_longer_than_the_limit(
    tries: int, chance: float, asked_s: float | None
) -> None:
    assert 5 <= PATIENT.delay_s(tries, chance, asked_s) <= 3600 * 1.2


def test_a_receiver_may_ask_for_a_longer_wait() -> None:
    assert PATIENT.delay_s(1, 0.0, asked_s=120) == 120


def test_a_receiver_that_is_down_rests_a_while() -> None:
    assert PATIENT.rest_s(NotDelivered("refused", is_down=True), 1215) == 60


def test_a_receiver_that_refused_one_message_gets_the_next() -> None:
    assert PATIENT.rest_s(NotDelivered("HTTP 400"), 1215) == 0


def test_a_receiver_rests_as_long_as_it_asks() -> None:
    assert PATIENT.rest_s(NotDelivered("HTTP 429", retry_after_s=600, is_down=True), 5) == 600


def test_a_message_is_given_up_after_a_day() -> None:
    assert not PATIENT.is_over(message(), NOON + timedelta(hours=24))
    assert PATIENT.is_over(message(), NOON + timedelta(hours=24, seconds=1))


def test_a_message_is_given_up_after_so_many_tries() -> None:
    assert not PATIENT.is_over(message(tries=28), NOON)
    assert PATIENT.is_over(message(tries=29), NOON)
