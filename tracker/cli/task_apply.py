"""`tracker task apply`: the saved tasks become those of a file or folder; the difference is shown first."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from tracker.cli.main import Place
from tracker.cli.table import paragraph, print_json
from tracker.cli.task_change import tell_unknown, usual_of
from tracker.cli.task_options import JSON
from tracker.declared_tasks import DeclaredTask, read_declared
from tracker.settings import load
from tracker.state import find_config, find_state
from tracker.task_apply import Action, Difference, differences, shown
from tracker.task_apply import apply as make_so
from tracker.task_saving import Archive
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
@click.pass_obj
def apply(place: Place, path: Path, dry_run: bool, prune: bool, as_json: bool) -> None:
    """Make the saved tasks equal to those that PATH declares: a YAML file with one document a task, a folder
    of such files, or - for standard input. Done twice, the second time changes nothing.

    Secrets and credentials of which a task says nothing stay as they are.
    """
    config = find_config(place.config)
    settings = load(config)
    declared = read_declared(path, usual_of(settings))
    workshop = Workshop(settings, find_state(place.state, config))
    asyncio.run(_apply(workshop, declared, dry_run=dry_run, prune=prune, as_json=as_json))


async def _apply(
    workshop: Workshop, declared: Sequence[DeclaredTask], *, dry_run: bool, prune: bool, as_json: bool
) -> None:
    async with workshop:
        archive = Archive.of(workshop)
        found = differences(archive, declared, prune=prune)
        if as_json:
            print_json([_plain(one) for one in found])
        else:
            _print(found)
        if not dry_run:
            for name, scanned in (await make_so(archive, declared, prune=prune)).items():
                tell_unknown(name, scanned)
    if not as_json:
        click.echo(_counted(found, _TO_DO if dry_run else _DONE))
    if dry_run:
        click.echo("dry run: nothing was changed", err=True)


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


def _plain(one: Difference) -> dict[str, object]:
    return {
        "name": one.name,
        "action": str(one.action),
        "changes": {key: {"before": before, "after": after} for key, (before, after) in one.changes.items()},
    }
