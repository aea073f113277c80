"""`tracker task create`, `update` and `delete`: what is typed becomes a saved task. Runs none."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import click

from graph.clock import now
from graph.database import immediate
from graph.errors import TrackerError
from rebuild.tasks.stored_task import StoredTasks
from rebuild.tasks.task import Tasks, check_name
from rebuild.tasks.task_edit import Usual
from rebuild.tasks.timers import timers_of
from rebuild.tasks.trigger_edit import BaseImageAsked, SourceAsked
from rebuild.tasks.triggers import Bases, Payload
from rebuild.tasks.whole_task_edit import Removable, WholeAsked
from tracker.cli.habits import refuse_system_task
from tracker.cli.main import Place
from tracker.cli.seen import seen
from tracker.cli.table import print_json
from tracker.cli.task_options import DEFINITION, JSON, NAME, asked_of, secrets_of
from tracker.cli.task_webhook import (
    REGISTER,
    UNREGISTER,
    hook_asked,
    say_registered,
    say_unregistered,
    warn_that_it_stays,
    webhooks_of,
)
from tracker.remote.service import ServerAsked, server_options
from tracker.settings.reading import load
from tracker.settings.settings import Settings
from tracker.sources.webhooks import HookAsked
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
        from tracker.remote.saving import delete_there

        stays = delete_there(service, name)
    else:
        stays = asyncio.run(_delete_here(place, name))
    warn_that_it_stays(stays)
    click.echo(f"task {name} is removed", err=True)


def _agreed(name: str) -> bool:
    try:
        return click.confirm(f"Remove task {name}?", err=True)
    except click.Abort:  # Ctrl-C, or nobody there to be asked
        click.echo(err=True)
        return False


async def _delete_here(place: Place, name: str) -> TrackerError | None:
    """What kept its webhook from going along."""
    config = find_config(place.config)
    async with Workshop(load(config), find_state(place.state, config)) as workshop:
        sql = workshop.connection
        async with webhooks_of(workshop) as webhooks:
            stays = await webhooks.withdraw(StoredTasks.of_reader(sql).deletable(name))
        with immediate(sql):
            StoredTasks(sql, workshop.cipher).delete(name, now())
    return stays


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
            return
        bases = "base is" if saved.watched == 1 else "bases are"
        watched = f"; {saved.watched} {bases} watched" if saved.watched else ""
        click.echo(f"task {name} is saved{watched}", err=True)

    service, hook = server.for_change(place), hook_asked(typed)
    if service is not None:
        from tracker.remote.saving import save_there

        done = save_there(service, name, asked, hook, new=new)
        if hook.unregister:
            say_unregistered(name, done.unregistered)
        tell(done.saved)
        say_registered(done.registered)
    else:
        draft = functools.partial(Draft.of, name, asked, new=new)
        asyncio.run(_save_here(place, draft, hook, tell))
    if as_json:
        print_json(seen(place, server, "task", TaskView, task_view, task=name).plain)


async def _save_here(
    place: Place, drafted: Callable[[Usual], Draft], hook: HookAsked, tell: Callable[[Saved], None]
) -> None:
    config = find_config(place.config)
    settings = load(config)
    async with (
        Workshop(settings, find_state(place.state, config)) as workshop,
        webhooks_of(workshop) as webhooks,
    ):
        sql, draft = workshop.connection, drafted(usual_of(settings))
        wanted = draft.wanted(sql)
        chosen = webhooks.chosen(wanted.definition.context, hook)
        if hook.unregister:
            known = await webhooks.unregister(Tasks(sql).named(wanted.name))
            say_unregistered(wanted.name, known.repository if known else None)
        task, scanned = await Archive.of(workshop).save(draft)
        tell(Saved.of(task.definition, scanned))
        if chosen is not None:
            say_registered(await webhooks.register(task, chosen))


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
