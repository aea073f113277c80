"""Pace, gate and what limit headers mean."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuild.images.registry import RateLimited
from tests.tracker.registry.fake_clock import FakeClock
from tracker.registry.budget import PAUSE_MOST_S, Budget, read_quota, read_retry_after

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.anyio
@given(per_minute=st.integers(1, 5000), requests=st.integers(1, 200))
async def test_no_minute_holds_more_requests_than_allowed(per_minute: int, requests: int) -> None:
    time = FakeClock()
    budget = Budget("r", per_minute, time.clock())
    entered_at = []

    for _ in range(requests):
        await budget.enter()
        entered_at.append(time.passed_s)

    burst = max(1, per_minute // 60)
    for number, at in enumerate(entered_at):
        within = [other for other in entered_at[: number + 1] if other > at - 60 + 1e-6]
        assert len(within) <= per_minute + burst


@pytest.mark.anyio
async def test_a_second_of_requests_goes_at_once_and_the_rest_at_an_even_pace() -> None:
    time = FakeClock()
    budget = Budget("docker.io", 300, time.clock())

    for _ in range(7):
        await budget.enter()

    assert time.sleeps == [pytest.approx(0.2)] * 2


@pytest.mark.anyio
async def test_without_a_limit_nobody_waits() -> None:
    time = FakeClock()
    budget = Budget("r", None, time.clock())

    for _ in range(1000):
        await budget.enter()

    assert time.sleeps == []


@pytest.mark.anyio
async def test_the_gate_opens_when_the_pause_is_over() -> None:
    time = FakeClock()
    budget = Budget("r", None, time.clock())
    budget.refused(30)

    with pytest.raises(RateLimited) as fault:
        await budget.enter()
    time.passed_s = 30
    await budget.enter()

    assert fault.value.retry_after_s == 30


@pytest.mark.anyio
async def test_who_waits_for_the_pace_is_turned_away_when_the_gate_closes() -> None:
    class ClosingWhileWaiting(FakeClock):
        async def sleep(self, seconds: float) -> None:
            budget.refused(100)

    budget = Budget("r", 60, ClosingWhileWaiting().clock())
    await budget.enter()

    with pytest.raises(RateLimited):
        await budget.enter()


def test_refusals_without_a_time_close_the_gate_for_longer_each_time() -> None:
    budget = Budget("r", None, FakeClock().clock())

    pauses = [budget.refused(None) for _ in range(12)]

    assert pauses[:3] == [5, 10, 20] and pauses[-1] == PAUSE_MOST_S


def test_a_good_answer_ends_the_growth_of_pauses() -> None:
    budget = Budget("r", None, FakeClock().clock())
    budget.refused(None)
    budget.answered({})

    assert budget.refused(None) == 5


def test_a_shorter_pause_does_not_open_a_closed_gate() -> None:
    budget = Budget("r", None, FakeClock().clock())
    budget.refused(100)
    budget.refused(1)

    assert budget.left().closed_for_s == 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100;w=21600", (100, 21600)),
        (" 20 ; w=60", (20, 60)),
        ("7", (7, None)),
        ("", (None, None)),
        ("-1", (None, None)),
        ("many", (None, None)),
    ],
)
def test_quotas_are_read_as_registries_write_them(text: str, expected: object) -> None:
    assert read_quota(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("0", 0),
        ("120", 120),
        ("Thu, 01 Jan 2026 00:02:00 GMT", 120),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
    ],
)
def test_a_time_to_wait_is_seconds_or_a_date(text: str | None, expected: float | None) -> None:
    assert read_retry_after(text, NOW) == expected


@given(st.text())
def test_no_text_breaks_the_reading_of_times_and_quotas(text: str) -> None:
    waited = read_retry_after(text, NOW)

    assert waited is None or waited >= 0
    assert len(read_quota(text)) == 2
