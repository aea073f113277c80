"""Keeps the budgets of accounts at registries over a restart. Counts nothing itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta

from graph.clock import from_text, to_text
from graph.database import immediate
from graph.record import dataclass
from tracker.registry import BudgetLeft, Budgets
from tracker.registry.budget import Budget

KEEP_EVERY = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class KeptBudget:
    """What is known of one account's budget at one registry; `told_at` is None where it named none."""

    registry: str
    account: str
    left: BudgetLeft
    told_at: datetime | None


class KeptBudgets:
    """The table of budgets, in step with those of the process. Call `go_on` now and then."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        budgets: Budgets,
        pace_of: Callable[[str], int | None],
        *,
        now: Callable[[], datetime],
    ) -> None:
        """`pace_of` tells for a registry how many requests a minute it may be asked."""
        self._sql = connection
        self._budgets = budgets
        self._now = now
        self._kept_at = now()
        self._written: dict[tuple[str, str], BudgetLeft] = {}
        for kept in read_budgets(connection, now()):
            told_ago_s = (now() - kept.told_at).total_seconds() if kept.told_at else 0.0
            budget = budgets.of(kept.registry, kept.account, pace_of(kept.registry))
            budget.restore(kept.left, told_ago_s=told_ago_s)

    def go_on(self) -> None:
        """Write what has changed, every few seconds. Raises `StoreBusy`."""
        now = self._now()
        if now - self._kept_at < KEEP_EVERY:
            return
        self._kept_at = now
        changed = [each for each in self._budgets.all() if self._is_new(*each)]
        if not changed:
            return
        with immediate(self._sql):
            for registry, account, budget in changed:
                self._write(registry, account, budget, now)

    def _is_new(self, registry: str, account: str, budget: Budget) -> bool:
        left, written = budget.left(), self._written.get((registry, account))
        if written is None:
            return left.pulls_left is not None or left.closed_for_s > 0
        is_closed = left.closed_for_s > written.closed_for_s  # else it is the same pause, a while later
        return is_closed or (left.pulls_left, left.pulls_limit) != (written.pulls_left, written.pulls_limit)

    def _write(self, registry: str, account: str, budget: Budget, now: datetime) -> None:
        left = budget.left()
        told_at = now - timedelta(seconds=budget.told_ago_s()) if left.pulls_left is not None else None
        closed_until = now + timedelta(seconds=left.closed_for_s) if left.closed_for_s else None
        self._sql.execute(
            "INSERT OR REPLACE INTO registry_budgets(registry, account, pulls_left, pulls_limit, window_s,"
            " told_at, closed_until) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                registry,
                account,
                left.pulls_left,
                left.pulls_limit,
                left.window_s,
                to_text(told_at) if told_at else None,
                to_text(closed_until) if closed_until else None,
            ),
        )
        self._written[registry, account] = left


def read_budgets(connection: sqlite3.Connection, now: datetime) -> list[KeptBudget]:
    """What was known last, as far as it still counts."""
    rows = connection.execute(
        "SELECT registry, account, pulls_left, pulls_limit, window_s, told_at, closed_until"
        " FROM registry_budgets ORDER BY registry, account"
    )
    return [_kept(*row, now=now) for row in rows]


def _kept(
    registry: str,
    account: str,
    pulls_left: int | None,
    pulls_limit: int | None,
    window_s: int | None,
    told_at: str | None,
    closed_until: str | None,
    *,
    now: datetime,
) -> KeptBudget:
    at = from_text(told_at) if told_at else None
    closed_for_s = max(0.0, (from_text(closed_until) - now).total_seconds()) if closed_until else 0.0
    if at is None or (window_s is not None and (now - at).total_seconds() > window_s):
        return KeptBudget(registry, account, BudgetLeft(None, None, None, closed_for_s), None)
    return KeptBudget(registry, account, BudgetLeft(pulls_left, pulls_limit, window_s, closed_for_s), at)
