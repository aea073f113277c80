"""After a crash: which claimed runs have lost their process, and what becomes of each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime

from rebuild.owner import is_alive
from rebuild.runs import Cause, Run, Runs, Status


def recover(
    connection: sqlite3.Connection, now: datetime, *, alive: Callable[[str | None], bool] = is_alive
) -> list[Run]:
    """Give every orphaned run back to the queue, or end it. Belongs inside `immediate()`.

    A quick run belongs to the command that asked for it, whose context may be gone: it ends. All
    others are done again; what they were about to push is kept, so a finished push is only recorded.
    """
    runs = Runs(connection)
    orphans = [run for run, owner in runs.unfinished() if not alive(owner)]
    for run in orphans:
        if run.task_id is None and run.cause is Cause.QUICK:
            runs.finish(run, Status.ERROR, now, error="the process that carried it out ended")
        else:
            hand_back(runs, run, now)
    return orphans


def hand_back(runs: Runs, run: Run, now: datetime) -> None:
    """Back to the queue. A newer wish for the same task folds into it."""
    queued = runs.queued_for(run.task_id) if run.task_id is not None else None
    if queued is not None:
        runs.cancel_queued(queued, now, f"folded into run {run.run_id}")
    runs.requeue(run)
