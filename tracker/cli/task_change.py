"""`tracker task create`, `update` and `delete`: what is typed becomes a saved task. Runs none."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import click

from graph.errors import TrackerError, WrongUse
from rebuild.tasks.stored_task import StoredTasks
from rebuild.tasks.task import check_name
from rebuild.tasks.task_edit import Usual
from rebuild.tasks.timers import timers_of
from rebuild.tasks.trigger_edit import BaseImageAsked, SourceAsked
from rebuild.tasks.triggers import Bases, Payload
from rebuild.tasks.whole_task_edit import Removable, WholeAsked
from tracker.cli.changing import changing
from tracker.cli.habits import refuse_system_task
from tracker.cli.main import Place
from tracker.cli.seen import seen
from tracker.cli.table import print_json
from tracker.cli.task_options import DEFINITION, JSON, NAME, asked_of, secrets_of
from tracker.cli.task_webhook import (
    REGISTER,
    UNREGISTER,
    chosen_hook,
    register_hook,
    unregister_before_deletion,
    unregister_hook,
)
from tracker.remote.service import ServerAsked, server_options
from tracker.settings.reading import load
from tracker.settings.settings import Settings
from tracker.state import find_config, find_state
from tracker.tasks.saving import Archive, Draft, Saved
from tracker.views.tasks import TaskView, task_view
from tracker.workshop import Workshop, host_platform


@click.command("create")
@NAME
@DEFINITION
@click.option(
    "--schedule", "schedules", multiple=True, metavar="[NAME:]CRON",
    help="A timer: minute hour day month weekday, in UTC; repeat for more.",
)  # fmt: skip
@REGISTER
@JSON
@server_options
@click.option("--is-system-task", is_flag=True, hidden=True, callback=refuse_system_task, expose_value=False)
@click.pass_obj
def create(
    place: Place, /, name: str, as_json: bool, schedules: tuple[str, ...], server: ServerAsked, **typed: Any
) -> None:
    """Save a task called NAME. Its files are read now, so that its bases are watched before its first run.

    It needs a context: a folder, a URL, or /dev/null together with --cmd or --file.
    """
    check_name(name)
    asked = replace(_asked(typed), timers=timers_of(schedules))
    _save(place, server, name, asked, typed, new=True, as_json=as_json)


@click.command("update")
@NAME
@DEFINITION
@click.option(
    "--remove",
    "removed",
    multiple=True,
    type=click.Choice([str(part) for part in Removable]),
    help="Take it from the task.",
)
@REGISTER
@UNREGISTER
@JSON
@server_options
@click.pass_obj
def update(
    place: Place, /, name: str, as_json: bool, removed: tuple[str, ...], server: ServerAsked, **typed: Any
) -> None:
    """Change what is given of the task NAME. An option that is not given keeps its value, an empty one
    (--target '', --arg '') clears it. Nothing that was recorded of its images is lost.
    """
    old = seen(place, server, "task", TaskView, task_view, task=name)
    asked = _asked(typed, context=old.definition.context)
    asked = replace(asked, remove=frozenset(Removable(part) for part in removed))
    _save(place, server, name, asked, typed, new=False, as_json=as_json)


@click.command("delete")
@NAME
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@server_options
@click.pass_obj
def delete(place: Place, name: str, yes: bool, server: ServerAsked) -> None:
    """Remove the task NAME, with its timers, triggers and secrets. Images, runs and logs stay."""
    seen(place, server, "task", TaskView, task_view, task=name)
    if not yes and not _agreed(name):
        raise TrackerError(f"task {name} is not removed: nobody said yes", hint="--yes removes it unasked")
    service = server.for_change(place)
    if service is not None:
        service.ask("DELETE", f"/tasks/{name}")
    else:
        unregister_before_deletion(place, name)
        with changing(place) as change:
            StoredTasks(change.sql, change.cipher).delete(name, change.at)
    click.echo(f"task {name} is removed", err=True)


def _agreed(name: str) -> bool:
    try:
        return click.confirm(f"Remove task {name}?", err=True)
    except click.Abort:  # Ctrl-C, or nobody there to be asked
        click.echo(err=True)
        return False


def usual_of(settings: Settings) -> Usual:
    """What counts for a new task where nothing is said."""
    rebuild = settings.rebuild
    return Usual(settings.registry, host_platform(), rebuild.timeout, rebuild.reproducible)


def tell_unknown(name: str, unknown: Iterable[str]) -> None:
    """Bases that nobody watches yet, and why."""
    for reason in unknown:
        click.echo(f"warning: task {name}: not watched before its first run: {reason}", err=True)


def _save(
    place: Place,
    server: ServerAsked,
    name: str,
    asked: WholeAsked,
    typed: Mapping[str, Any],
    *,
    new: bool,
    as_json: bool,
) -> None:
    def tell(saved: Saved) -> None:
        tell_unknown(name, saved.unknown)
        if saved.names_no_image:
            click.echo("warning: the task names no image: what it builds is not pushed", err=True)
        if as_json:
            print_json(seen(place, server, "task", TaskView, task_view, task=name).plain)
            return
        bases = "base is" if saved.watched == 1 else "bases are"
        watched = f"; {saved.watched} {bases} watched" if saved.watched else ""
        click.echo(f"task {name} is saved{watched}", err=True)

    service = server.for_change(place)
    if service is not None:
        from tracker.remote.saving import save_there

        _refuse_hooks(typed)
        tell(save_there(service, name, asked, new=new))
    else:
        _save_here(place, name, asked, typed, new=new, tell=tell)


def _save_here(
    place: Place,
    name: str,
    asked: WholeAsked,
    typed: Mapping[str, Any],
    *,
    new: bool,
    tell: Callable[[Saved], None],
) -> None:
    config = find_config(place.config)
    settings, state = load(config), find_state(place.state, config)
    draft = Draft.of(name, asked, usual_of(settings), new=new)
    with contextlib.closing(state.write()) as sql:
        context = draft.wanted(sql).definition.context
    hook = chosen_hook(context, settings, typed["hook_name"])
    if typed.get("unregisters"):
        unregister_hook(place, name)

    async def work() -> None:
        async with Workshop(settings, state) as workshop:
            task, scanned = await Archive.of(workshop).save(draft)
            tell(Saved.of(task.definition, scanned))
            if hook is not None:
                await register_hook(workshop, task, hook)

    asyncio.run(work())


def _refuse_hooks(typed: Mapping[str, Any]) -> None:
    """Only the machine that a forge is to call knows its hooks, and the forges."""
    if typed["hook_name"] is not None or typed.get("unregisters"):
        raise WrongUse(
            "a webhook is registered and removed where the service runs",
            hint="save the task without it, and give --register-webhook to 'tracker task update' there",
        )


def _asked(typed: Mapping[str, Any], *, context: str = "") -> WholeAsked:
    """What was typed; `context` is that of the task, where it has one."""
    status = typed["status"]
    return WholeAsked(
        definition=asked_of(typed, os.environ, context=context),
        enabled=None if status is None else str(status).lower() == "enabled",
        base_image_trigger=_base_image(typed),
        source_trigger=_source(typed),
        secrets=secrets_of(typed, os.environ),
    )


def _base_image(typed: Mapping[str, Any]) -> BaseImageAsked:
    bases, payload = typed["base_image_trigger_type"], typed["update_trigger_payload_type"]
    return BaseImageAsked(
        name=typed["base_image_trigger_name"],
        enabled=typed["base_image_trigger_enabled"],
        bases=Bases(bases) if bases else None,
        endpoint=typed["update_trigger_endpoint"],
        payload=Payload(payload) if payload else None,
        syntax=typed["base_image_trigger_syntax"],
    )


def _source(typed: Mapping[str, Any]) -> SourceAsked:
    return SourceAsked(
        name=typed["source_trigger_name"],
        commits=typed["commit_trigger_enabled"],
        pull_requests=typed["pull_request_trigger_enabled"],
        **{name: typed[name] or None for name in ("branches", "tags", "paths", "targets")},
        forks=typed["trigger_forks"],
    )
