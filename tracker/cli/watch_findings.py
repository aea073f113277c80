"""What `tracker doctor` finds about watching: which events came, and what registries still grant."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta

from tracker.cli.finding import Finding, Mark
from tracker.kept_budgets import KeptBudget, read_budgets
from tracker.watching.event_path import EventPath
from tracker.watching.event_paths import EventPaths
from tracker.watching.watch import Intervals
from tracker.wording import ago, clock_text, counted, familiar

MISSED_LATELY = timedelta(days=7)
_LOOK = "does it still send them here? 'tracker config events' shows where to, the log what is turned away"


def event_findings(connection: sqlite3.Connection, intervals: Intervals, now: datetime) -> Iterator[Finding]:
    """For each place of which events told: whether they can be relied on, and how often it is asked."""
    for path in EventPaths(connection).all():
        yield _missed(path, now) if _is_missed_lately(path, now) else _told(path, intervals)


def budget_findings(connection: sqlite3.Connection, now: datetime) -> Iterator[Finding]:
    """For each account at a registry that limits it: what is left of its pulls, and whether it is let in."""
    for kept in read_budgets(connection, now):
        subject = f"{kept.registry} as {kept.account}" if kept.account else kept.registry
        if kept.left.closed_for_s > 0:
            wait = f"asked for a pause, of which {clock_text(kept.left.closed_for_s)} are left"
            yield Finding(subject, Mark.NOTE, wait, "nothing is lost: what waits is asked about after it")
        elif kept.told_at is not None:
            yield _quota(subject, kept, now)


def _is_missed_lately(path: EventPath, now: datetime) -> bool:
    return path.missed_at is not None and now - path.missed_at < MISSED_LATELY


def _missed(path: EventPath, now: datetime) -> Finding:
    name = familiar(path.missed_name or path.place)
    text = f"no event of {path.source} told that {name} moved, {ago(path.missed_at, now)}; a poll found it"
    if path.missed > 1:
        text += f" ({counted(path.missed, 'missed event')} in all)"
    return Finding(path.place, Mark.NOTE, text, _LOOK)


def _told(path: EventPath, intervals: Intervals) -> Finding:
    interval_s = intervals.stretched(path.place.partition("/")[0], path.doublings)
    changes = counted(path.told, "change")
    text = f"events of {path.source} have told of the last {changes}; asked every {clock_text(interval_s)}"
    return Finding(path.place, Mark.OK, text)


def _quota(subject: str, kept: KeptBudget, now: datetime) -> Finding:
    left = kept.left
    text = f"{left.pulls_left} of {left.pulls_limit} pulls are left, as it said {ago(kept.told_at, now)}"
    if not left.is_low:
        return Finding(subject, Mark.OK, text)
    hint = "they are kept for builds; log in for a larger limit, or ask less often (registries.NAME.interval)"
    return Finding(subject, Mark.NOTE, text, hint)
