"""`tracker runs` and `tracker logs`: what was carried out, and what it said."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, assert_never

import click

from graph.clock import now
from graph.errors import TrackerError, WrongUse
from rebuild.runs.logs import log_path
from rebuild.runs.table import Status
from tracker.cli.habits import json_option
from tracker.cli.looking import looking
from tracker.cli.main import Place
from tracker.cli.seen import seen
from tracker.cli.table import Row, print_json, print_rows
from tracker.remote.service import ServerAsked, server_options
from tracker.views.runs import NewestRuns, RunRow, run_json, run_named, run_view, runs_view
from tracker.wording import ago, clock_text, printable

_PIECE_BYTES = 64 * 1024
_PAUSE_S = 0.2


@click.command()
@click.option("--task", help="Only the runs of this task.")
@click.option(
    "--status",
    type=click.Choice([str(status) for status in Status], case_sensitive=False),
    metavar="STATUS",
    help=f"Only those that are {', '.join(Status)}.",
)
@click.option("--top", type=click.IntRange(min=1), default=30, show_default=True, help="At most so many.")
@json_option("Print the list as JSON.")
@server_options
@click.pass_obj
def runs(
    place: Place, task: str | None, status: str | None, top: int, as_json: bool, server: ServerAsked
) -> None:
    """List the runs, newest first. Times are UTC; DURATION is hours, minutes and seconds."""
    view = seen(place, server, "runs", NewestRuns, runs_view, task=task, status=status, top=top)
    print_runs(view.runs, now(), as_json=as_json, narrowed=bool(task or status))


@click.command()
@click.argument("run", required=False)
@click.option("--task", help="The newest run of this task.")
@click.option("--image", help="The newest run that was to make this image.")
@click.option("--follow", "-f", is_flag=True, help="Print what is added until the run has finished.")
@server_options
@click.pass_obj
def logs(
    place: Place,
    run: str | None,
    task: str | None,
    image: str | None,
    follow: bool,
    server: ServerAsked,
) -> None:
    """Print the log of RUN, or of the newest run of a task or image, byte for byte.

    How the run stands is said on standard error. The exit status is that of the printing, not of the run.
    """
    if sum(named is not None for named in (run, task, image)) != 1:
        raise WrongUse(
            "name one run: RUN, --task NAME or --image IMAGE", hint="'tracker runs' lists the runs"
        )
    service = server.for_looking(place)
    if service is not None:
        from tracker.remote.logs import print_log_there

        asked = {"run": run, "task": task, "image": image}
        _say_status(print_log_there(service, asked, follow=follow), now())
        return
    with looking(place) as look:
        found = run_view(look, run, task, image)
        path = log_path(look.state.logs, found.run_id)

    def again() -> RunRow:
        with looking(place) as later:
            return run_named(later.sql, found.run_id)

    if follow:
        found = follow_log(path, found, again, sys.stdout.buffer)
    else:
        _print_log(path, found)
    _say_status(found, look.now)


def print_runs(found: Sequence[RunRow], now: datetime, *, as_json: bool, narrowed: bool) -> None:
    """The list; `narrowed` where there may be others that were not asked for."""
    if as_json:
        print_json([run_json(run, now) for run in found])
    elif found:
        heads = Row("RUN ID", ("TASK", "PLATFORM", "STATUS", "TRIGGER", "STARTED", "DURATION"))
        print_rows(heads, [_row(run, now) for run in found])
    else:
        click.echo(f"there are no runs{' like that' if narrowed else ''}")


def coloured_status(status: Status) -> str:
    match status:
        case Status.SUCCEEDED:
            return click.style(status, fg="green")
        case Status.FAILED | Status.ERROR | Status.TIMEOUT:
            return click.style(status, fg="red", bold=True)
        case Status.QUEUED | Status.STARTED | Status.RUNNING | Status.CANCELED:
            return click.style(status, fg="yellow")
    assert_never(status)


def _row(run: RunRow, now: datetime) -> Row:
    started = run.started_at[:19].replace("T", " ") if run.started_at else "-"
    duration = clock_text(run.duration_s(now))
    task = run.task or "-"
    return Row(
        run.run_id,
        (task, run.platform, coloured_status(run.status), printable(run.cause_text), started, duration),
    )


def _print_log(path: Path, run: RunRow) -> None:
    try:
        with path.open("rb") as log:
            _write(_pieces(log), sys.stdout.buffer)
    except FileNotFoundError:
        raise _no_log(path, run) from None


def _no_log(path: Path, run: RunRow) -> TrackerError:
    if run.started_at is None and not run.status.finished:
        return TrackerError(f"run {run.run_id} is queued and has no log yet", hint="--follow waits for it")
    if run.started_at is None:
        return TrackerError(f"run {run.run_id} has no log: it was {run.status} before it started")
    return TrackerError(
        f"the log of run {run.run_id} is gone: there is no {path}",
        hint="logs are deleted after the time in the setting rebuild.keep_logs",
    )


def follow_log(
    path: Path,
    run: RunRow,
    again: Callable[[], RunRow],
    out: BinaryIO,
    pause: Callable[[], None] = lambda: time.sleep(_PAUSE_S),
) -> RunRow:
    """Print the log as it grows. The run is asked first and the file read after, so that no end is lost."""
    while not path.exists():
        if run.status.finished:
            raise _no_log(path, run)
        pause()
        run = again()
    with path.open("rb") as log:
        while True:
            run = again()
            _write(_pieces(log), out)
            if run.status.finished:
                return run
            pause()


def _pieces(log: BinaryIO) -> Iterator[bytes]:
    while piece := log.read(_PIECE_BYTES):
        yield piece


def _write(pieces: Iterator[bytes], out: BinaryIO) -> None:
    for piece in pieces:
        out.write(piece)
    out.flush()


def _say_status(run: RunRow, now: datetime) -> None:
    if not run.status.finished:
        standing = f"{run.status}, asked for {ago(run.created_at, now)}"
    else:
        standing = f"{run.status} after {clock_text(run.duration_s(now))}"
    reason = f": {printable(run.error)}" if run.error else ""
    click.echo(f"run {run.run_id}: {standing}{reason}", err=True)
