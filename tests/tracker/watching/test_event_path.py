"""How much less often a place is polled, by what came of its changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.reference import ImageRef
from tracker.events.kind import Kind
from tracker.watching.event_path import DOUBLINGS_MOST, EventPath, place_of
from tracker.watching.watch import Intervals

AT = datetime(2026, 11, 23, tzinfo=UTC)
APP = ImageRef.parse("registry.example.com/team/app:1")


def told(times: int, *, over: timedelta) -> EventPath:
    """A path after so many told changes in a row, evenly spread."""
    path = EventPath("registry.example.com", "distribution")
    for number in range(times):
        path = path.after_told(AT + over * number / max(1, times - 1))
    return path


@pytest.mark.parametrize(
    ("times", "over_h", "doublings"),
    [(0, 0, 0), (2, 48, 0), (3, 23, 0), (3, 24, 1), (4, 24, 2), (9, 240, 7), (1000, 1000, DOUBLINGS_MOST)],
)
def test_it_takes_several_told_changes_over_a_day_and_each_further_one_doubles_again(
    times: int, over_h: float, doublings: int
) -> None:
    assert told(times, over=timedelta(hours=over_h)).doublings == doublings


def test_one_miss_ends_all_that_was_proved_and_is_remembered() -> None:
    missed = told(9, over=timedelta(days=9)).after_missed(str(APP), AT)

    assert (missed.doublings, missed.told, missed.missed, missed.missed_name) == (0, 0, 1, str(APP))
    assert missed.after_told(AT).after_told(AT).doublings == 0


@pytest.mark.parametrize("kind", Kind)
def test_a_path_is_of_what_one_setting_of_the_sender_is_about(kind: Kind) -> None:
    whole = kind in (Kind.DISTRIBUTION, Kind.GITLAB)

    assert place_of(kind, APP) == ("registry.example.com" if whole else "registry.example.com/team/app")


def test_intervals_double_up_to_the_longest_that_is_allowed() -> None:
    doublings = {"registry.example.com": 2, "docker.io/shop/app": 20}
    intervals = Intervals(300.0, {"docker.io": 900.0}, sweep_s=3600.0, doublings=doublings)

    assert intervals.at_present(APP) == 1200.0
    assert intervals.at_present(ImageRef.parse("shop/app:1")) == 3600.0
    assert intervals.at_present(ImageRef.parse("alpine")) == 900.0
    assert intervals.longest_of("docker.io") == 3600.0


@given(st.floats(0, 1e6), st.floats(1, 1e6), st.integers(0, DOUBLINGS_MOST))
def test_no_interval_is_shorter_than_the_usual_one_or_longer_than_allowed(
    sweep_s: float, usual_s: float, doublings: int
) -> None:
    intervals = Intervals(usual_s, {}, sweep_s=sweep_s, doublings={APP.registry: doublings})

    assert usual_s <= intervals.at_present(APP) <= max(usual_s, sweep_s)
