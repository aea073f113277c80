"""What `tracker doctor` says of events and of budgets."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from graph.clock import to_text
from tracker.cli.finding import Finding, Mark
from tracker.cli.watch_findings import budget_findings, event_findings
from tracker.state import State
from tracker.watching.event_path import EventPath
from tracker.watching.event_paths import EventPaths
from tracker.watching.watch import Intervals

NOW = datetime(2026, 11, 23, tzinfo=UTC)
DAY = timedelta(days=1)
PLACE = "registry.example.com"


@pytest.fixture
def sql(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = State(tmp_path).write()
    yield connection
    connection.close()


def of_path(sql: sqlite3.Connection, path: EventPath) -> Finding:
    EventPaths(sql).keep(path)
    (found,) = event_findings(sql, Intervals(), NOW)
    return found


def of_budget(sql: sqlite3.Connection, *row: object) -> Finding:
    sql.execute("INSERT INTO registry_budgets VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    (found,) = budget_findings(sql, NOW)
    return found


def test_reliable_events_are_told_with_the_interval_that_they_earned(sql: sqlite3.Connection) -> None:
    path = EventPath(PLACE, "distribution", told=4, told_since=NOW - 2 * DAY, told_at=NOW)

    found = of_path(sql, path)

    assert found.mark is Mark.OK
    assert found.text == "events of distribution have told of the last 4 changes; asked every 00:20:00"


def test_a_missed_event_is_a_note_with_the_way_out_for_a_week(sql: sqlite3.Connection) -> None:
    path = EventPath(PLACE, "distribution").after_missed(f"{PLACE}/base:1", NOW - timedelta(hours=2))

    lately = of_path(sql, path)
    (later,) = event_findings(sql, Intervals(), NOW + 7 * DAY)

    assert lately.mark is Mark.NOTE and lately.hint is not None
    assert f"no event of distribution told that {PLACE}/base:1 moved, 2 hours ago" in lately.text
    assert later.mark is Mark.OK


@pytest.mark.parametrize(("left", "mark"), [(50, Mark.OK), (5, Mark.NOTE)])
def test_what_is_left_of_the_pulls_is_told_and_a_note_once_it_is_kept_for_builds(
    sql: sqlite3.Connection, left: int, mark: Mark
) -> None:
    found = of_budget(sql, "docker.io", "me", left, 100, 21600, to_text(NOW), None)

    assert (found.subject, found.mark) == ("docker.io as me", mark)
    assert f"{left} of 100 pulls are left" in found.text


def test_a_pause_that_a_registry_asked_for_is_told(sql: sqlite3.Connection) -> None:
    until = to_text(NOW + timedelta(minutes=10))

    found = of_budget(sql, "docker.io", "", None, None, None, None, until)

    assert (found.subject, found.mark) == ("docker.io", Mark.NOTE)
    assert "00:10:00" in found.text
