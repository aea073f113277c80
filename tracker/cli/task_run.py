"""`tracker task run`: a run of a saved task, in the service where one is there, else in this process."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import click

from graph.clock import now
from graph.database import immediate
from graph.errors import TrackerError
from graph.record import dataclass
from rebuild.context.where import Source
from rebuild.runs.definition import Definition
from rebuild.runs.logs import log_path
from rebuild.runs.override import overridden, use_of
from rebuild.runs.owner import this_process
from rebuild.runs.recovery import close_logs, recover
from rebuild.runs.run_summary import summary
from rebuild.runs.table import Cause, Run, Runs, Status
from rebuild.secrets.context_secrets import ContextSecrets
from rebuild.secrets.kept_source import FindCipher
from rebuild.secrets.run_secrets import RunSecrets
from rebuild.secrets.secret import Secret
from rebuild.secrets.task_secrets import SecretUse
from rebuild.secrets.update_token import remember_token
from rebuild.tasks.task import Tasks
from rebuild.tasks.task_edit import NO_CONTEXT, kept_context
from tracker.carrying import carry_out_claimed
from tracker.cli.changing import changing
from tracker.cli.looking import looking
from tracker.cli.main import Place, report
from tracker.cli.runs import follow_log
from tracker.cli.secret_options import warn_of_a_shown_login
from tracker.cli.table import print_json
from tracker.cli.task_asked import override_of, typed_secrets
from tracker.cli.task_options import JSON, NAME, OVERRIDES
from tracker.cli.update_token import typed_token
from tracker.remote.secret_values import values_of
from tracker.remote.service import ServerAsked, Wait, server_options, wait_of
from tracker.serving import is_served
from tracker.settings.reading import load
from tracker.state import find_config, find_state
from tracker.terminal import Terminal
from tracker.views.runs import RunRow, run_json, run_named
from tracker.workshop import Workshop, unheard

_LOOK_EVERY_S = 0.5


@click.command("run")
@NAME
@OVERRIDES
@click.option("--no-wait", is_flag=True, help="Return once the run is queued.")
@click.option("--no-logs", is_flag=True, help="Wait for the end without printing the log.")
@click.option("--no-format", is_flag=True, help="Taken: logs are printed byte for byte anyway.")
@click.option(
    "--update-trigger-token",
    metavar="SOURCE",
    help="Handed to the endpoint of the base-image trigger from now on; empty: nothing is.",
)
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
    service = server.for_work(place)
    wait = wait_of(no_wait, no_logs)
    if service is not None:
        from tracker.remote.task import run_task_there

        return _ended(run_task_there(service, name, typed, wait), as_json=as_json, wait=wait)
    wanted = _wanted(place, name, typed)
    if wait is Wait.NOT or is_served(find_state(place.state, find_config(place.config))):
        run_id = _queued(place, wanted)
    else:
        run_id = _carried_out(place, wanted, quiet=no_logs)
    row = _row(place, run_id)
    if wait is not Wait.NOT and not row.status.finished:
        row = _awaited(place, row, quiet=no_logs)
    return _ended(row, as_json=as_json, wait=wait)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A run of a task as it was typed, checked, with its secrets at hand."""

    name: str
    definition: Definition
    use: SecretUse
    secrets: Mapping[str, Secret]
    opening: ContextSecrets
    update_token: Secret | None = None  # None: as it was

    def ask_for(self, sql: sqlite3.Connection, cipher: FindCipher, at: datetime) -> Run:
        """Belongs inside `immediate()`."""
        task_id = Tasks(sql).named(self.name).task_id
        run = Runs(sql).add(self.definition, Cause.MANUAL, at, task_id=task_id)
        kept = RunSecrets(sql, cipher)
        kept.replace(run.number, self.use, self.secrets)
        kept.open_context(run.number, self.opening)
        if self.update_token is not None:
            remember_token(sql, cipher, task_id, self.update_token, at)
        return run


def _wanted(place: Place, name: str, typed: Mapping[str, Any]) -> _Wanted:
    with looking(place) as look:
        saved = Tasks(look.sql).named(name).definition
    asked = override_of(typed, saved_context=saved.context)
    opening = ContextSecrets.of(Source.parse(asked.context or NO_CONTEXT))
    if opening.token:
        warn_of_a_shown_login("--context")
    if asked.context is not None:
        asked = replace(asked, context=kept_context(asked.context))
    use = use_of(saved.step)
    secrets = values_of(typed_secrets(name, typed, use))
    return _Wanted(
        name,
        overridden(name, saved, asked),
        use,
        {key: Secret(value) for key, value in secrets.items()},
        opening,
        typed_token(typed),
    )


def _queued(place: Place, wanted: _Wanted) -> str:
    with changing(place) as change:
        run_id = wanted.ask_for(change.sql, change.cipher, change.at).run_id
    click.echo(f"Queued a run with ID: {run_id}", err=True)
    if not is_served(find_state(place.state, find_config(place.config))):
        click.echo("warning: no service runs here: the run waits for one", err=True)
    return run_id


def _carried_out(place: Place, wanted: _Wanted, *, quiet: bool) -> str:
    config = find_config(place.config)
    terminal = Terminal.of_command()
    workshop = Workshop(
        load(config),
        find_state(place.state, config),
        listen=unheard if quiet else terminal.hear,
        on_push=None if quiet else terminal.on_push,
    )
    done, _ = asyncio.run(carry_out_claimed(workshop, lambda: _claimed(workshop, wanted)))
    return done.run_id


def _claimed(workshop: Workshop, wanted: _Wanted) -> Run:
    with immediate(workshop.connection):
        orphans = recover(workshop.connection, now())
        asked = wanted.ask_for(workshop.connection, workshop.cipher, now())
        claimed = Runs(workshop.connection).claim(now(), this_process(), run_id=asked.run_id)
    close_logs(workshop.connection, orphans, workshop.state.logs, now())
    if claimed is None:
        raise TrackerError(
            f"task {wanted.name} is being carried out at this moment; run {asked.run_id} is queued behind it",
            hint=f"'tracker task cancel-run --run-id {asked.run_id}' takes it back",
        )
    return claimed


def _awaited(place: Place, row: RunRow, *, quiet: bool) -> RunRow:
    """The run when it is over. Ctrl-C leaves it to the service."""
    try:
        if not quiet:
            path = log_path(find_state(place.state, find_config(place.config)).logs, row.run_id)
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


def _ended(row: RunRow, *, as_json: bool, wait: Wait) -> int:
    if row.error is not None:
        report(row.error, row.hint)
    if as_json:
        print_json(run_json(row, now()))
    elif wait is Wait.NOT:
        click.echo(row.run_id)
    else:
        for output in row.outputs:
            click.echo(f"{output['reference']}@{output['digest']}")
    if wait is Wait.NOT:
        return 0
    click.echo(summary(row.run_id, row.status, row.duration_s(now())), err=True)
    return 0 if row.status is Status.SUCCEEDED else 1
