"""`tracker task apply`: the saved tasks become those of a file or folder; the difference is shown first."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import click

from tracker.cli.main import Place
from tracker.cli.table import paragraph, print_json
from tracker.cli.task_change import tell_unknown, usual_of
from tracker.cli.task_options import JSON
from tracker.cli.task_webhook import warn_that_it_stays, webhooks_of
from tracker.remote.service import ServerAsked, server_options
from tracker.settings.reading import load
from tracker.state import find_config, find_state
from tracker.tasks.apply import Action, Difference, Outcome, differences, plain_difference, shown
from tracker.tasks.apply import apply as make_so
from tracker.tasks.declared import declared_in
from tracker.tasks.saving import Archive
from tracker.tasks.task_files import TaskFileText, read_files
from tracker.wording import printable
from tracker.workshop import Workshop

_MARKS = {Action.CREATE: ("+", "green"), Action.CHANGE: ("~", "yellow"), Action.REMOVE: ("-", "red")}
_TO_DO = {
    Action.CREATE: "to create",
    Action.CHANGE: "to change",
    Action.REMOVE: "to remove",
    Action.KEEP: "as declared",
}
_DONE = {
    Action.CREATE: "created",
    Action.CHANGE: "changed",
    Action.REMOVE: "removed",
    Action.KEEP: "as declared",
}
_LINE_MOST = 200  # of a value


@click.command("apply")
@click.argument("path", type=click.Path(path_type=Path, exists=True, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Show the difference, and change nothing.")
@click.option("--prune", is_flag=True, help="Remove the tasks that are not declared.")
@JSON
@server_options
@click.pass_obj
def apply(place: Place, path: Path, dry_run: bool, prune: bool, as_json: bool, server: ServerAsked) -> None:
    """Make the saved tasks equal to those that PATH declares: a YAML file with one document a task, a folder
    of such files, or - for standard input. Done twice, the second time changes nothing.

    Secrets and credentials of which a task says nothing stay as they are.
    """
    files = read_files(path)
    tell = partial(_tell, as_json=as_json)
    service = server.for_change(place)
    if service is not None:
        from tracker.remote.saving import apply_there

        done = apply_there(service, files, prune=prune, dry_run=dry_run)
        tell(done.differences)
    else:
        done = asyncio.run(_apply_here(place, files, tell, prune=prune, dry_run=dry_run))
    for name, reasons in done.unknown.items():
        tell_unknown(name, reasons)
    for fault in done.left:
        warn_that_it_stays(fault)
    if not as_json:
        click.echo(_counted(done.differences, _TO_DO if dry_run else _DONE))
    if dry_run:
        click.echo("dry run: nothing was changed", err=True)


async def _apply_here(
    place: Place,
    files: Sequence[TaskFileText],
    tell: Callable[[Sequence[Difference]], None],
    *,
    prune: bool,
    dry_run: bool,
) -> Outcome:
    """What is to be done is told before it is done."""
    config = find_config(place.config)
    settings = load(config)
    declared = declared_in(files, usual_of(settings))
    async with Workshop(settings, find_state(place.state, config)) as workshop:
        archive = Archive.of(workshop)
        found = differences(archive, declared, prune=prune)
        tell(found)
        if dry_run:
            return Outcome(found)
        async with webhooks_of(workshop) as webhooks:
            return await make_so(archive, webhooks, declared, prune=prune)


def _tell(found: Sequence[Difference], *, as_json: bool) -> None:
    if as_json:
        print_json([plain_difference(one) for one in found])
    else:
        _print(found)


def _print(found: Sequence[Difference]) -> None:
    for one in found:
        if one.action is Action.KEEP:
            continue
        mark, colour = _MARKS[one.action]
        click.echo(click.style(f"{mark} {one.name}", fg=colour, bold=True))
        for key, (before, after) in one.changes.items():
            arrow = f"{_short(before)} → " if one.action is Action.CHANGE else ""
            click.echo(paragraph(f"{key}: {arrow}{_short(after)}", "    "))


def _counted(found: Sequence[Difference], words: Mapping[Action, str]) -> str:
    counts = Counter(one.action for one in found)
    if not counts:
        return "no task is declared"
    said = [f"{counts[action]} {what}" for action, what in words.items() if counts[action]]
    rest = "; nothing to do" if counts.keys() == {Action.KEEP} else ""
    return f"tasks: {', '.join(said)}{rest}"


def _short(value: object) -> str:
    text = printable(shown(value))
    return text if len(text) <= _LINE_MOST else f"{text[:_LINE_MOST]}…"
