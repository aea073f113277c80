"""Whoever waits for a registry is told once which, why and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rebuild.images.pause import Pause, PauseTeller

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LIMITED = "r.io: manifest web:1: 429 Too Many Requests"


def pause(why: str, seconds: float, *, after_s: float = 0.0, standing: bool = False) -> Pause:
    return Pause(why, seconds, NOON + timedelta(seconds=after_s + seconds), standing)


def told(*pauses: Pause) -> list[str]:
    lines: list[str] = []
    teller = PauseTeller(lines.append)
    for one in pauses:
        teller(one)
    return lines


def test_a_line_names_the_registry_the_reason_and_the_end() -> None:
    assert told(pause(LIMITED, 29.5)) == [f"waiting until 12:00:29 UTC, 30 s: {LIMITED}"]


def test_a_pause_that_nobody_notices_is_not_told() -> None:
    assert told(pause(LIMITED, 1.5)) == []


def test_requests_that_wait_for_the_same_moment_are_one_line() -> None:
    assert len(told(pause(LIMITED, 30), pause("r.io: it asked for a pause", 29.4, after_s=0.6))) == 1


def test_a_pause_after_that_is_told_again() -> None:
    assert len(told(pause(LIMITED, 30), pause(LIMITED, 30, after_s=30))) == 2


def test_each_registry_is_told_of() -> None:
    assert len(told(pause(LIMITED, 30), pause("q.io: 429", 30))) == 2


def test_a_pace_is_told_once_for_all_requests() -> None:
    slow = "r.io: it is not asked faster than requests_per_minute says"

    assert len(told(pause(slow, 10, standing=True), pause(slow, 10, after_s=10, standing=True))) == 1
