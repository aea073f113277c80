"""When a reference is asked about again, by what came of the last time."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.observing import Watched
from graph.reference import ImageRef
from rebuild.images.registry import NotFound, RateLimited, RegistryError, RegistryUnavailable
from tracker.metrics import Metrics
from tracker.watching.watch import Answer, Asker, Intervals, next_due, not_yet, result_of

AT = datetime(2026, 11, 23, tzinfo=UTC)
EVEN = Intervals(usual_s=300.0, by_registry_s={"docker.io": 900.0}, jitter=0.0)


def watched(
    name: str = "registry.example.com/app", failures: int = 0, checked_at: datetime | None = None
) -> Watched:
    return Watched(1, ImageRef.parse(name), None, failures, checked_at)


def pause_s(
    error: RegistryError | None, *, failures: int = 0, name: str = "registry.example.com/app"
) -> float:
    answer = Answer(watched(name, failures), AT, error=error)
    return (next_due(answer, EVEN) - AT).total_seconds()


def test_an_answer_is_good_for_the_interval_of_its_registry() -> None:
    assert (pause_s(None), pause_s(None, name="alpine")) == (300.0, 900.0)


@given(st.floats(0, 1))
def test_intervals_are_spread_by_chance_within_a_tenth(chance: float) -> None:
    due = next_due(Answer(watched(), AT), Intervals(300.0, {}, jitter=0.1), lambda: chance)

    assert timedelta(seconds=269.9) <= due - AT <= timedelta(seconds=330.1)


@pytest.mark.parametrize(
    ("failures", "expected_s"), [(0, 30.0), (1, 60.0), (2, 120.0), (3, 240.0), (50, 300.0)]
)
def test_after_a_failure_it_is_asked_sooner_and_then_more_and_more_seldom(
    failures: int, expected_s: float
) -> None:
    assert pause_s(RegistryUnavailable("down"), failures=failures) == expected_s


def test_a_final_answer_is_not_asked_for_again_sooner() -> None:
    assert pause_s(NotFound("gone")) == 300.0


def test_a_registry_that_names_a_time_is_left_alone_until_then() -> None:
    assert pause_s(RateLimited("slow down", retry_after_s=1800.0)) == 1800.0
    assert pause_s(RateLimited("slow down", retry_after_s=1.0)) == 30.0


def test_what_was_answered_for_a_moment_ago_is_put_off() -> None:
    fresh = watched(checked_at=AT - timedelta(seconds=10))

    assert not_yet(fresh, EVEN, AT) == AT + timedelta(seconds=290)
    assert not_yet(watched(checked_at=AT - timedelta(seconds=300)), EVEN, AT) is None
    assert not_yet(watched(checked_at=None), EVEN, AT) is None


def test_what_failed_since_it_was_answered_for_is_not_put_off() -> None:
    failed = watched(failures=1, checked_at=AT - timedelta(seconds=10))

    assert not_yet(failed, EVEN, AT) is None


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (None, "unchanged"),
        (NotFound("gone"), "not-found"),
        (RateLimited("slow down"), "rate-limited"),
        (RegistryUnavailable("down"), "unavailable"),
    ],
)
def test_each_outcome_has_one_word(error: RegistryError | None, word: str) -> None:
    assert result_of(Answer(watched(), AT, error=error)) == word


class BrokenClient:
    """A client with a defect."""

    def prepare(self, references: object) -> None:
        """Nothing to prepare."""

    async def digest(self, reference: ImageRef, *, known: object = None) -> None:
        raise ZeroDivisionError("a defect")


@pytest.mark.anyio
async def test_a_defect_in_asking_is_raised_and_keeps_nobody_waiting() -> None:
    asker = Asker(BrokenClient(), Metrics(), lambda: AT)  # type: ignore[arg-type]

    with pytest.raises(ZeroDivisionError):
        async with contextlib.aclosing(asker.ask_all([watched()])) as batches:
            async for _ in batches:
                pytest.fail("there is no answer")
