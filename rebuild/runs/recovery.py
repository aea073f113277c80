"""After a crash: which claimed runs have lost their process, and what becomes of each."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Container, Iterable
from datetime import datetime
from pathlib import Path

from rebuild.runs.logs import LogUnwritable, RunLog, log_path
from rebuild.runs.owner import is_alive
from rebuild.runs.run_summary import summary
from rebuild.runs.table import Cause, Run, Runs, Status

ATTEMPTS_MOST = 20  # after which a run is taken for what ends its process, by its use of memory say


def recover(
    connection: sqlite3.Connection,
    now: datetime,
    *,
    lost: Container[int] = (),
    alive: Callable[[str | None], bool] = is_alive,
) -> list[Run]:
    """Give every orphaned run back to the queue, or end it. Belongs inside `immediate()`.

    A quick run that a command carried out itself ends with it: its context may be gone. All others
    are done again; what they were about to push is kept, so a finished push is only recorded.
    `lost` are numbers of runs that nobody works on although their process is alive.
    """
    runs = Runs(connection)
    orphans = [run for run, owner in runs.unfinished() if run.number in lost or not alive(owner)]
    asked = runs.asked_of_service()
    for run in orphans:
        if runs.is_unwanted(run):
            runs.finish(run, Status.CANCELED, now, error="canceled; the process that carried it out ended")
        elif run.task_id is None and run.cause is Cause.QUICK and run.number not in asked:
            runs.finish(run, Status.ERROR, now, error="the process that carried it out ended")
        elif run.attempt >= ATTEMPTS_MOST:
            runs.finish(run, Status.ERROR, now, error=f"its process ended {run.attempt} times")
        else:
            hand_back(runs, run, now)
    return orphans


def hand_back(runs: Runs, run: Run, now: datetime) -> None:
    """Back to the queue, unless a newer wish for the same task waits there: it may ask for something else."""
    task_id = None if run.definition.is_trial else run.task_id
    queued = runs.queued_for(task_id) if task_id is not None else None
    if queued is not None:
        runs.want_commit_again(run)
        runs.finish(run, Status.CANCELED, now, error=f"interrupted; run {queued.run_id} does it anew")
    else:
        runs.requeue(run)


def close_logs(connection: sqlite3.Connection, orphans: Iterable[Run], logs: Path, at: datetime) -> None:
    """Write into the logs of those that have ended how they did: nobody else does."""
    for run in orphans:
        status, error = connection.execute(
            "SELECT status, error FROM runs WHERE number = ?", (run.number,)
        ).fetchone()
        path = log_path(logs, run.run_id)
        if not Status(status).finished or not path.exists():
            continue
        took_s = (at - run.started_at).total_seconds() if run.started_at else None
        with contextlib.suppress(LogUnwritable), contextlib.closing(RunLog(path)) as log:
            if _ends_within_a_line(path):
                log.write(b"\n")
            log.say(f"{summary(run.run_id, Status(status), took_s)}. Error: {error}")


def _ends_within_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read(1) not in (b"", b"\n")
