"""How much one sender may send: a burst, then an even pace, whatever the clock does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.events.allowance import BURST_S, Allowance


def test_a_sender_may_send_ten_seconds_worth_at_once_and_then_at_its_pace() -> None:
    allowance = Allowance(per_minute=60)

    burst = [allowance.take(100.0) for _ in range(int(BURST_S))]

    assert burst == [0.0] * int(BURST_S)
    assert allowance.take(100.0) == pytest.approx(1.0)
    assert allowance.take(101.0) == 0.0
    assert allowance.take(101.0) > 0


@given(st.integers(1, 10_000), st.lists(st.floats(0, 100), max_size=300))
def test_nobody_sends_more_than_a_burst_and_its_pace(per_minute: int, pauses_s: list[float]) -> None:
    allowance, now_s, taken = Allowance(per_minute), 0.0, 0
    for pause_s in pauses_s:
        now_s += pause_s
        taken += allowance.take(now_s) == 0

    assert taken <= max(1.0, per_minute / 60 * BURST_S) + now_s * per_minute / 60 + 1


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50))
def test_a_clock_that_goes_back_gives_nothing(moments_s: list[float]) -> None:
    allowance = Allowance(per_minute=6)

    assert all(wait_s >= 0 for wait_s in map(allowance.take, moments_s))
