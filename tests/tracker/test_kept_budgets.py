"""What is known of budgets outlives the process, as long as it is true."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rebuild.images.registry import RateLimited
from tests.tracker.registry.fake_clock import FakeClock
from tracker.kept_budgets import KeptBudgets, read_budgets
from tracker.registry import Budgets
from tracker.registry.budget import LOW_PAUSE_S, BudgetLeft
from tracker.state import State

HUB = "docker.io"
QUOTA = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "5;w=21600"}


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = State(tmp_path).write()
    yield connection
    connection.close()


def process(connection: sqlite3.Connection, time: FakeClock) -> tuple[Budgets, KeptBudgets]:
    budgets = Budgets(time.clock())
    return budgets, KeptBudgets(connection, budgets, lambda registry: None, now=time.clock().now)


def after_restart(connection: sqlite3.Connection, time: FakeClock, account: str = "me") -> BudgetLeft:
    budgets, _ = process(connection, time)
    return budgets.of(HUB, account, None).left()


def test_a_quota_is_known_after_a_restart_until_its_window_has_passed(connection: sqlite3.Connection) -> None:
    time = FakeClock()
    budgets, kept = process(connection, time)
    budgets.of(HUB, "me", None).answered(QUOTA)
    time.passed_s = 60
    kept.go_on()

    time.passed_s = 21_599
    within = after_restart(connection, time)
    time.passed_s = 21_601
    afterwards = after_restart(connection, time)

    assert (within.pulls_left, within.pulls_limit, within.window_s) == (5, 100, 21600)
    assert afterwards.pulls_left is None


def test_a_pause_that_a_registry_asked_for_is_kept_over_a_restart(connection: sqlite3.Connection) -> None:
    time = FakeClock()
    budgets, kept = process(connection, time)
    time.passed_s = 60
    budgets.of(HUB, "me", None).refused(600)
    kept.go_on()

    time.passed_s = 160

    assert after_restart(connection, time).closed_for_s == pytest.approx(500)
    assert after_restart(connection, time, account="another").closed_for_s == 0


def test_what_has_not_changed_is_not_written_again(connection: sqlite3.Connection) -> None:
    time = FakeClock()
    budgets, kept = process(connection, time)
    budgets.of(HUB, "me", None).answered(QUOTA)
    time.passed_s = 60
    kept.go_on()
    before = connection.total_changes

    time.passed_s = 120
    kept.go_on()

    assert connection.total_changes == before
    assert [each.account for each in read_budgets(connection, time.clock().now())] == ["me"]


def test_the_last_pulls_are_kept_for_builds_until_the_window_has_passed() -> None:
    time = FakeClock()
    budget = Budgets(time.clock()).of(HUB, "me", None)
    budget.answered(QUOTA)

    with pytest.raises(RateLimited, match="5 of 100 pulls are left, which are kept for builds") as refused:
        budget.check_pull()
    time.passed_s = timedelta(hours=7).total_seconds()
    budget.check_pull()

    assert refused.value.retry_after_s == LOW_PAUSE_S
