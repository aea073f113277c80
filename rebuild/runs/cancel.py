"""Ends runs that nobody wants any more: queued ones at once, others by the process that carries them out."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from graph.clock import to_text
from graph.database import immediate
from graph.errors import TrackerError
from rebuild.runs.cancellation import Cancellation
from rebuild.runs.logs import LogUnwritable, RunLog, log_path
from rebuild.runs.owner import is_alive
from rebuild.runs.run import Outcome, Workplace, carry_out
from rebuild.runs.table import Run, Runs, Status

LOOK_EVERY_S = 1.0  # how soon a run under way notices

CANCELED = "canceled on request"


def cancel_run(
    connection: sqlite3.Connection,
    run_id: str,
    at: datetime,
    *,
    alive: Callable[[str | None], bool] = is_alive,
) -> Status:
    """Canceled where nobody works on the run; else how it stands until its process notices.

    Belongs inside `immediate()`. Raises `TrackerError` where there is no such run, or it is over.
    """
    runs = Runs(connection)
    run = runs.get(run_id)
    if run.status.finished:
        raise TrackerError(
            f"run {run_id} is over: it was {run.status}", hint="'tracker runs --status Running' lists others"
        )
    connection.execute(
        "UPDATE runs SET cancel_requested_at = coalesce(cancel_requested_at, ?) WHERE number = ?",
        (to_text(at), run.number),
    )
    owner = connection.execute("SELECT owner FROM runs WHERE number = ?", (run.number,)).fetchone()[0]
    if run.status is not Status.QUEUED and alive(owner):
        return run.status
    runs.finish(run, Status.CANCELED, at, error=CANCELED)
    return Status.CANCELED


async def carry_out_unless_canceled(
    run: Run, place: Workplace, *, look_every_s: float = LOOK_EVERY_S
) -> Outcome:
    """`carry_out`, and an eye on whether somebody asks for the end of it.

    Then the run has its last steps, if it has any and has come to its steps; every process and container
    of it ends before this does, and the run is Canceled.
    """
    cancellation = Cancellation()
    own_place = replace(place, cancellation=cancellation)
    work = asyncio.create_task(carry_out(run, own_place), name=f"work of run {run.run_id}")
    try:
        while not (await asyncio.wait({work}, timeout=look_every_s))[0]:
            if Runs(place.connection).is_unwanted(run):
                if not cancellation.is_awaited:
                    return await _canceled(work, run, place)
                cancellation.asked.set()
        return work.result()
    finally:
        await _ended(work)


async def _canceled(work: asyncio.Task[Outcome], run: Run, place: Workplace) -> Outcome:
    await _ended(work)
    if not work.cancelled():  # it came to its own end in the same moment
        return work.result()
    with immediate(place.connection):
        Runs(place.connection).finish(run, Status.CANCELED, place.now(), error=CANCELED)
    _say(run, place)
    return Outcome(Status.CANCELED, CANCELED)


async def _ended(work: asyncio.Task[Outcome]) -> None:
    """Cancelled again while it waits, this ends too; the work is cancelled by then."""
    if not work.done():
        work.cancel()
        await asyncio.wait({work})
        _ = work.cancelled() or work.exception()  # looked at, so that it is not reported as forgotten


def _say(run: Run, place: Workplace) -> None:
    with (
        contextlib.suppress(LogUnwritable),  # the outcome is in the table
        contextlib.closing(RunLog(log_path(place.logs, run.run_id))) as log,
    ):
        log.say(f"Run ID: {run.run_id} was canceled")
