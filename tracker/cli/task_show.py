"""`tracker task show` and `list`: what is saved, for people and for programs. Changes nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import click

from graph.clock import now
from rebuild.runs.definition import DockerStep, FileStep, InlineStep
from rebuild.tasks.triggers import Payload, SourceTrigger
from tracker.cli.main import Place
from tracker.cli.seen import seen
from tracker.cli.table import Row, paragraph, print_json, print_rows
from tracker.cli.task_options import JSON, NAME
from tracker.remote.service import ServerAsked, server_options
from tracker.views.tasks import SavedTasks, TaskView, task_view, tasks_view
from tracker.wording import ago, clock_text, counted, familiar, printable

_LABEL = 14


@click.command("show")
@NAME
@JSON
@server_options
@click.pass_obj
def show(place: Place, name: str, as_json: bool, server: ServerAsked) -> None:
    """Show all about the task NAME; of secrets only where they come from."""
    task = seen(place, server, "task", TaskView, task_view, task=name)
    if as_json:
        print_json(task.plain)
        return
    click.echo(click.style(name, bold=True))
    for label, text in _lines(task):
        click.echo(paragraph(f"{label:{_LABEL}}{text}", "  "))
    if (run := task.last_run) is not None:
        click.echo(f"  {'last run':{_LABEL}}{run.run_id} {run.status}, {ago(run.created_at, now())}")


@click.command("list")
@JSON
@server_options
@click.pass_obj
def list_tasks(place: Place, as_json: bool, server: ServerAsked) -> None:
    """List the tasks by name. TRIGGERS has the kinds that are switched on."""
    tasks = seen(place, server, "tasks", SavedTasks, tasks_view).tasks
    if as_json:
        print_json([task.plain for task in tasks])
    elif tasks:
        _print_table(tasks)
    else:
        click.echo("there are no tasks; 'tracker task create' makes one", err=True)


def _lines(task: TaskView) -> Iterator[tuple[str, str]]:
    """Labels and texts, most telling first."""
    plain = task.plain
    yield "status", str(plain["status"])
    yield "context", printable(task.definition.context)
    yield from _step_lines(task)
    yield "platform", str(plain["platform"])
    yield "timeout", clock_text(task.definition.timeout_s)
    yield from _trigger_lines(task)
    for timer in plain["timers"]:
        upcoming = f"next at {timer['next_at'][:16].replace('T', ' ')} UTC" if timer["next_at"] else "resting"
        yield "timer", f"{timer['name']}: {timer['schedule']} {timer['time_zone']}; {upcoming}"
    for secret in plain["secrets"]:
        name = f"{secret['use']} {secret['name']}".strip()
        yield "secret", f"{name}: {printable(secret['source'])}"
    for credential in plain["credentials"]:
        user = f"user {printable(credential['username'])}, " if credential["username"] else ""
        yield "credential", f"{credential['registry']}: {user}password {printable(credential['password'])}"
    for base in plain["bases"]:
        step = f", step {base['step']}" if base["step"] else ""
        unbuilt = "; expected" if base["expected"] else ""
        what = f"{base['role']}, {base['via']}, line {base['line']}{step}{unbuilt}"
        yield "base", f"{familiar(base['reference'])} ({what})"
    yield "saved", plain["updated_at"][:19].replace("T", " ")


def _step_lines(task: TaskView) -> Iterator[tuple[str, str]]:
    match task.definition.step:
        case DockerStep() as step:
            switches = [("" if step.push else ", not pushed"), (", no cache" if step.no_cache else "")]
            target = f", target {step.target}" if step.target else ""
            yield "builds", f"{step.dockerfile or 'its Dockerfile'}{target}{''.join(switches)}"
            yield from (("image", image) for image in step.images)
            yield from (
                ("argument", f"{key}={printable(value)}") for key, value in sorted(step.build_args.items())
            )
        case FileStep() as step:
            beside = f", values {step.values_file}" if step.values_file else ""
            yield "task file", f"{step.file}{beside}"
            yield from _values(step.values)
        case InlineStep() as step:
            lines = step.text.count("\n") + 1
            yield "task file", f"of its own, {lines} {'line' if lines == 1 else 'lines'}: --json shows it"
            yield from _values(step.values)


def _values(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, value in sorted(values.items()):
        yield "value", f"{key}={printable(value)}"


def _trigger_lines(task: TaskView) -> Iterator[tuple[str, str]]:
    base, source = task.base_images, task.source
    if not base.enabled:
        yield "base images", "off: a base that moves starts no run"
    else:
        which = "any base" if base.bases == "All" else "a base of the final stage"
        syntax = "" if base.syntax else ", but for the image of a syntax line"
        yield "base images", f"{base.bases}: it runs when {which} moves{syntax}"
    for rule in task.plain["base_image_trigger"]["follow"]:
        yield "", f"the newest tag of {rule} takes the place of the one that is written"
    if base.endpoint:
        told = "the update" if base.payload is Payload.DEFAULT else "the token"
        yield "", f"{told} is posted to {base.endpoint}"
    if source is not None:
        yield from _source_lines(source)
        yield from _hearing_lines(task.plain)


def _hearing_lines(plain: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """How the repository is heard of, and what its forge refuses."""
    webhook, polling = plain.get("webhook"), plain.get("polling")
    if webhook:
        yield "webhook", f"registered; it calls {printable(webhook['url'])}"
    if polling and polling["fault"]:
        yield "asking", f"failed {counted(polling['failures'], 'time')}: {printable(polling['fault'])}"
        yield from ([("", f"hint: {printable(polling['hint'])}")] if polling["hint"] else [])
    elif polling and polling["asked_at"]:
        missed = f"; webhooks missed {counted(polling['missed'], 'change')}" if polling["missed"] else ""
        yield "asking", f"last asked for its refs at {polling['asked_at'][:16].replace('T', ' ')} UTC{missed}"
    for refusal in plain.get("refusals", ()):
        yield "refused", f"{refusal['what']}: {printable(refusal['message'])}"
        yield from ([("", f"hint: {printable(refusal['hint'])}")] if refusal["hint"] else [])
    for waiting in plain.get("tried_again", ()):
        commit, at = waiting["commit"][:12], waiting["at"][:19].replace("T", " ")
        yield "waits", f"commit {commit} of {printable(waiting['subject'])}: tried again at {at} UTC"


def _source_lines(source: SourceTrigger) -> Iterator[tuple[str, str]]:
    filters = source.filters
    branches = ", ".join(filters.branches) or source.branch or "the default branch"
    label = "source"
    if source.commits:
        yield label, f"commits on {printable(branches)}"
        label = ""
    if filters.tags:
        yield label, f"tags {printable(', '.join(filters.tags))}"
        label = ""
    if source.pull_requests:
        forks = "from forks, too" if filters.forks else "not from forks"
        into = ", ".join(filters.targets) or branches
        yield label, f"pull requests into {printable(into)}, {forks}: tried out, not pushed"
    if filters.paths:
        yield "", f"only for changes of {printable(', '.join(filters.paths))}"


def _print_table(tasks: Sequence[TaskView]) -> None:
    """Every column in one line, however wide: scripts know them by their place."""
    rows = [
        Row(task.name, (str(task.definition.platform), _status(task), _source(task), task.triggers or "-"))
        for task in tasks
    ]
    print_rows(Row("NAME", ("PLATFORM", "STATUS", "SOURCE REPOSITORY", "TRIGGERS")), rows, width=sys.maxsize)


def _status(task: TaskView) -> str:
    return "Enabled" if task.enabled else "Disabled"


def _source(task: TaskView) -> str:
    """The context without what all of its kind have."""
    text = printable(task.definition.context)
    parts = urlsplit(text)
    if parts.scheme in ("http", "https"):
        shown = text.removeprefix(f"{parts.scheme}://")
        return shown.replace(".git#", "#").removesuffix(".git")
    return "-" if text == "/dev/null" else text
