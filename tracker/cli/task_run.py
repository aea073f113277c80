"""`tracker task run`: a run of a saved task, in the service where one is there, else in this process."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

import click

from graph.clock import now
from graph.database import immediate
from graph.errors import TrackerError
from rebuild.context.where import Source
from rebuild.context_secrets import ContextSecrets
from rebuild.definition import Definition
from rebuild.logs import log_path
from rebuild.owner import this_process
from rebuild.recovery import recover
from rebuild.run_secrets import RunSecrets
from rebuild.runs import Cause, Run, Runs, Status
from rebuild.task import Task, Tasks
from rebuild.task_edit import NO_CONTEXT, definition_of
from tracker.carrying import carry_out_claimed, to_terminal
from tracker.cli.changing import changing
from tracker.cli.looking import looking
from tracker.cli.main import Place, report
from tracker.cli.runs import follow_log
from tracker.cli.secret_options import warn_of_a_shown_login
from tracker.cli.table import print_json
from tracker.cli.task_change import usual_of
from tracker.cli.task_options import JSON, NAME, OVERRIDES, asked_of
from tracker.remote.service import ServerAsked, server_options, wait_of
from tracker.serving import is_served
from tracker.settings import Settings, load
from tracker.state import State, find_config, find_state
from tracker.views.runs import RunRow, run_json, run_named
from tracker.workshop import Workshop

_LOOK_EVERY_S = 0.5


@click.command("run")
@NAME
@OVERRIDES
@click.option("--no-wait", is_flag=True, help="Return once the run is queued.")
@click.option("--no-logs", is_flag=True, help="Wait for the end without printing the log.")
@click.option("--no-format", is_flag=True, help="Taken: logs are printed byte for byte anyway.")
@JSON
@server_options
@click.pass_obj
def run(
    place: Place,
    /,
    name: str,
    as_json: bool,
    no_wait: bool,
    no_logs: bool,
    no_format: bool,
    server: ServerAsked,
    **typed: Any,
) -> int:
    """Run the task NAME now. The exit status is that of the run; its log goes to standard error.

    What is given counts for this run alone. Ctrl-C ends a run in this process, and leaves one that the
    service carries out.
    """
    service = server.named()
    if service is not None:
        from tracker.remote.task import run_task_there

        return run_task_there(service, name, typed, wait=wait_of(no_wait, no_logs), as_json=as_json)
    config = find_config(place.config)
    settings, state = load(config), find_state(place.state, config)
    definition = _definition(place, settings, name, typed)
    opening = ContextSecrets.of(Source.parse(typed["context"] or NO_CONTEXT))
    if opening.token:
        warn_of_a_shown_login("--context")
    served = is_served(state)
    if no_wait or served:
        asked = _queued(place, name, definition, opening)
        click.echo(f"Queued a run with ID: {asked.run_id}", err=True)
        if not served:
            click.echo("warning: no service runs here: the run waits for one", err=True)
    else:
        asked = _carried_out(settings, state, name, definition, opening, quiet=no_logs)
    row = _row(place, asked.run_id)
    if not no_wait and not row.status.finished:
        row = _awaited(place, state, row, quiet=no_logs)
    return _ended(row, as_json=as_json, waited=not no_wait)


def _definition(place: Place, settings: Settings, name: str, typed: dict[str, Any]) -> Definition:
    with looking(place) as look:
        saved = Tasks(look.sql).named(name).definition
    asked = asked_of(typed, os.environ, context=saved.context)
    return definition_of(asked, usual_of(settings), saved)


def _queued(place: Place, name: str, definition: Definition, opening: ContextSecrets) -> Run:
    with changing(place) as change:
        task = change.task(name)
        run = Runs(change.sql).add(definition, Cause.MANUAL, change.at, task_id=task.task_id)
        RunSecrets(change.sql, change.cipher).open_context(run.number, opening)
        return run


def _carried_out(
    settings: Settings,
    state: State,
    name: str,
    definition: Definition,
    opening: ContextSecrets,
    *,
    quiet: bool,
) -> Run:
    listen = (lambda piece: None) if quiet else to_terminal
    workshop = Workshop(settings, state, listen=listen)
    done, outcome = asyncio.run(
        carry_out_claimed(workshop, lambda: _claimed(workshop, name, definition, opening))
    )
    if outcome.error is not None:
        report(outcome.error, outcome.hint)
    return done


def _claimed(workshop: Workshop, name: str, definition: Definition, opening: ContextSecrets) -> Run:
    runs = Runs(workshop.connection)
    with immediate(workshop.connection):
        recover(workshop.connection, now())
        task: Task = Tasks(workshop.connection).named(name)
        asked = runs.add(definition, Cause.MANUAL, now(), task_id=task.task_id)
        RunSecrets(workshop.connection, workshop.cipher).open_context(asked.number, opening)
        claimed = runs.claim(now(), this_process(), run_id=asked.run_id)
    if claimed is None:
        raise TrackerError(
            f"task {name} is being carried out at this moment; run {asked.run_id} is queued behind it",
            hint=f"'tracker task cancel-run --run-id {asked.run_id}' takes it back",
        )
    return claimed


def _awaited(place: Place, state: State, row: RunRow, *, quiet: bool) -> RunRow:
    """The run when it is over. Ctrl-C leaves it to the service."""
    try:
        if not quiet:
            path = log_path(state.logs, row.run_id)
            return follow_log(path, row, lambda: _row(place, row.run_id), sys.stderr.buffer)
        while not row.status.finished:
            time.sleep(_LOOK_EVERY_S)
            row = _row(place, row.run_id)
    except KeyboardInterrupt:
        click.echo(
            f"\nhint: the run goes on; 'tracker task cancel-run --run-id {row.run_id}' ends it", err=True
        )
        raise
    return row


def _row(place: Place, run_id: str) -> RunRow:
    with looking(place) as look:
        return run_named(look.sql, run_id)


def _ended(row: RunRow, *, as_json: bool, waited: bool) -> int:
    if as_json:
        print_json(run_json(row, now()))
    else:
        for output in row.outputs:
            click.echo(f"{output['reference']}@{output['digest']}")
    if not waited:
        return 0
    click.echo(f"Run ID: {row.run_id} {row.status.lower()}", err=True)
    return 0 if row.status is Status.SUCCEEDED else 1
