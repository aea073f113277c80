"""The runs of tasks by the names of `az acr task`: list, show, print, cancel, keep. Starts none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from graph.clock import from_text, now
from graph.errors import TrackerError
from rebuild.runs.cancel import cancel_run
from rebuild.runs.table import Runs, Status
from tracker.cli.changing import changing
from tracker.cli.completing import run_ids
from tracker.cli.main import Place
from tracker.cli.option_types import SWITCH
from tracker.cli.runs import logs as logs_of_run
from tracker.cli.runs import print_runs
from tracker.cli.seen import seen
from tracker.cli.table import Row, lay_out, paragraph, print_json, terminal_width
from tracker.cli.task_options import JSON
from tracker.remote.service import ServerAsked, server_options
from tracker.views.runs import NewestRuns, ShownRun, StepRow, run_json, runs_view, shown_run_view
from tracker.wording import clock_text, printable

_RUN = click.option("--run-id", required=True, metavar="ID", shell_complete=run_ids, help="The run.")


@click.command("list-runs")
@click.option("-n", "--name", metavar="NAME", help="Only the runs of this task.")
@click.option(
    "--run-status",
    type=click.Choice([str(status) for status in Status], case_sensitive=False),
    metavar="STATUS",
    help=f"Only those that are {', '.join(Status)}.",
)
@click.option("--image", metavar="IMAGE", help="Only runs that were to make this image.")
@click.option("--top", type=click.IntRange(min=1), default=15, show_default=True, help="At most so many.")
@JSON
@server_options
@click.pass_obj
def list_runs(
    place: Place,
    name: str | None,
    run_status: str | None,
    image: str | None,
    top: int,
    as_json: bool,
    server: ServerAsked,
) -> None:
    """List the runs, newest first."""
    asked = {"task": name, "status": run_status, "image": image, "top": top}
    found = seen(place, server, "runs", NewestRuns, runs_view, **asked).runs
    print_runs(found, now(), as_json=as_json, narrowed=bool(name or run_status or image))


@click.command("show-run")
@_RUN
@JSON
@server_options
@click.pass_obj
def show_run(place: Place, run_id: str, as_json: bool, server: ServerAsked) -> None:
    """Show all about one run."""
    shown = seen(place, server, "shown-run", ShownRun, shown_run_view, run=run_id)
    run, archived, at = shown.run, shown.archived, now()
    plain = {**run_json(run, at), "archived": archived, "steps": [asdict(step) for step in shown.steps]}
    if as_json:
        print_json(plain)
        return
    lines = [
        ("task", run.task or "-"),
        ("status", f"{run.status}{', archived' if archived else ''}"),
        ("cause", run.cause),
        ("platform", run.platform),
        ("context", printable(str(run.definition["context"]))),
        *(("image", image) for image in run.images),
        *(("because", _because_of(moved)) for moved in run.reason if "base" in moved),
        *(
            ("because", f"timer {told['timer']} was due at {_moment(told['due_at'])}")
            for told in run.reason
            if "timer" in told
        ),
        ("because", printable(run.source_text)),
        ("wave", str(run.wave or "")),
        ("error", printable(run.error) if run.error else ""),
        ("asked for", _moment(run.created_at)),
        ("started", _moment(run.started_at)),
        ("finished", _moment(run.finished_at)),
        ("duration", clock_text(run.duration_s(at))),
    ]
    click.echo(click.style(run.run_id, bold=True))
    for label, text in lines:
        if text:
            click.echo(paragraph(f"{label:12}{text}", "  "))
    for output in run.outputs:  # names are not broken, so a long one would leave its label alone
        click.echo(f"  {'output':12}{output['reference']}@{output['digest']}")
        for platform, digest in output.get("platforms", {}).items():
            if digest != output["digest"]:  # a part of an index
                click.echo(f"  {'':12}{platform} is {digest}")
    if shown.steps:
        for line in lay_out(
            [Row(f"  step {step.id}", _facts(step)) for step in shown.steps], terminal_width()
        ):
            click.echo(line)


def _facts(step: StepRow) -> tuple[str, ...]:
    """Kind, status, exit code, tries and how long it took."""
    code = f"exit {step.exit_code}" if step.exit_code else ""
    tries = f"{step.tries} tries" if step.tries > 1 else ""
    took = None
    if step.started_at and step.finished_at:
        took = (from_text(step.finished_at) - from_text(step.started_at)).total_seconds()
    return step.kind, step.status, code, tries, clock_text(took)


@click.command("logs")
@click.option("--run-id", metavar="ID", help="This run.")
@click.option("-n", "--name", metavar="NAME", help="The newest run of this task.")
@click.option("--image", metavar="IMAGE", help="The newest run that was to make this image.")
@click.option(
    "--follow/--no-follow", "-f", default=True, show_default=True, help="Go on until the run has finished."
)
@server_options
@click.pass_context
def logs(
    context: click.Context,
    run_id: str | None,
    name: str | None,
    image: str | None,
    follow: bool,
    server: ServerAsked,
) -> None:
    """Print a log: that of the newest run, unless something else is said.

    The exit status is that of the printing, not of the run.
    """
    if not (run_id or name or image):
        run_id = _newest_run(context.obj, server)
        click.echo(f"the newest run is {run_id}", err=True)
    named = {"server": server.server, "token_file": server.token_file, "ca_file": server.ca_file}
    context.invoke(logs_of_run, run=run_id, task=name, image=image, follow=follow, **named)


def _newest_run(place: Place, server: ServerAsked) -> str:
    found = seen(place, server, "runs", NewestRuns, runs_view, top=1).runs
    if not found:
        raise TrackerError(
            "there is no run yet", hint="'tracker task run' makes one, as does 'tracker build'"
        )
    return found[0].run_id


@click.command("cancel-run")
@_RUN
@server_options
@click.pass_obj
def cancel_run_command(place: Place, run_id: str, server: ServerAsked) -> None:
    """End a run: at once while it is queued, else within a second or so, with all its containers.

    Its images are left as they are until a base moves again, or somebody runs the task.
    """
    status = _canceled(place, server, run_id)
    if status is Status.CANCELED:
        click.echo(f"run {run_id} is canceled", err=True)
    else:
        click.echo(
            f"run {run_id} is asked to stop; 'tracker task show-run --run-id {run_id}' tells", err=True
        )


def _canceled(place: Place, server: ServerAsked, run_id: str) -> Status:
    service = server.for_change(place)
    if service is not None:
        return Status(service.post(f"/runs/{run_id}/cancel")["status"])
    with changing(place) as change:
        return cancel_run(change.sql, run_id, change.at)


@click.command("update-run")
@_RUN
@click.option(
    "--no-archive",
    is_flag=False,
    flag_value="true",
    type=SWITCH,
    required=True,
    metavar="[true|false]",
    help="false: it is kept, with its log, when others of its age go.",
)
@server_options
@click.pass_obj
def update_run(place: Place, run_id: str, no_archive: bool, server: ServerAsked) -> None:
    """Say whether a run stays, with its log, when those of its age are forgotten."""
    service = server.for_change(place)
    if service is not None:
        service.ask("PATCH", f"/runs/{run_id}", {"archived": not no_archive})
    else:
        with changing(place) as change:
            runs = Runs(change.sql)
            runs.set_archived(runs.get(run_id), archived=not no_archive)
    what = "goes with its time" if no_archive else "is kept"
    click.echo(f"run {run_id} {what}, with its log", err=True)


def _moment(text: str | None) -> str:
    return text[:19].replace("T", " ") if text else ""


def _because_of(moved: Mapping[str, Any]) -> str:
    if "newer_tag" in moved:
        return f"{moved['newer_tag']} {moved['platform']} is newer than {moved['base']}"
    return f"{moved['base']} {moved['platform']} moved"
