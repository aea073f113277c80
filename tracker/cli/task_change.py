"""`tracker task create`, `update` and `delete`: what is typed becomes a saved task. Runs none."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from rebuild.definition import DockerStep
from rebuild.stored_task import Secrets, StoredTasks, WholeTask
from rebuild.task import Task, Tasks, check_name
from rebuild.task_edit import Usual, definition_of
from rebuild.task_scan import Scanned
from rebuild.timers import timers_of
from rebuild.trigger_edit import (
    BaseImageAsked,
    SourceAsked,
    base_image_trigger,
    changed_source_trigger,
    source_trigger,
)
from rebuild.triggers import BaseImageTrigger, Bases, Payload
from tracker.cli.changing import changing
from tracker.cli.habits import refuse_system_task
from tracker.cli.looking import looking
from tracker.cli.main import Place
from tracker.cli.table import print_json
from tracker.cli.task_options import (
    DEFINITION,
    JSON,
    NAME,
    asked_of,
    secrets_of,
)
from tracker.cli.task_webhook import (
    REGISTER,
    UNREGISTER,
    chosen_hook,
    register_hook,
    unregister_before_deletion,
    unregister_hook,
)
from tracker.settings import Settings, load
from tracker.state import find_config, find_state
from tracker.task_saving import Archive
from tracker.views.tasks import task_json
from tracker.webhooks import HookChoice
from tracker.workshop import Workshop, host_platform

_REMOVABLE = ["base-image-trigger", "source-trigger", "timers"]


@click.command("create")
@NAME
@DEFINITION
@click.option(
    "--schedule", "schedules", multiple=True, metavar="[NAME:]CRON",
    help="A timer: minute hour day month weekday, in UTC; repeat for more.",
)  # fmt: skip
@REGISTER
@JSON
@click.option("--is-system-task", is_flag=True, hidden=True, callback=refuse_system_task, expose_value=False)
@click.pass_obj
def create(place: Place, /, name: str, as_json: bool, schedules: tuple[str, ...], **typed: Any) -> None:
    """Save a task called NAME. Its files are read now, so that its bases are watched before its first run.

    It needs a context: a folder, a URL, or /dev/null together with --cmd or --file.
    """
    check_name(name)
    settings = load(find_config(place.config))
    definition = definition_of(asked_of(typed, os.environ), usual_of(settings))
    wanted = WholeTask(
        name,
        definition,
        enabled=_enabled(typed, True),
        base_images=base_image_trigger(_base_image(typed), BaseImageTrigger()),
        source=source_trigger(definition.context, _source(typed), None),
        timers=timers_of(schedules),
    )
    hook = chosen_hook(definition.context, settings, typed["hook_name"])
    _save(place, settings, wanted, secrets_of(typed, os.environ), new=True, as_json=as_json, hook=hook)


@click.command("update")
@NAME
@DEFINITION
@click.option(
    "--remove", "removed", multiple=True, type=click.Choice(_REMOVABLE), help="Take it from the task."
)
@REGISTER
@UNREGISTER
@JSON
@click.pass_obj
def update(place: Place, /, name: str, as_json: bool, removed: tuple[str, ...], **typed: Any) -> None:
    """Change what is given of the task NAME. An option that is not given keeps its value, an empty one
    (--target '', --arg '') clears it. Nothing that was recorded of its images is lost.
    """
    settings = load(find_config(place.config))
    with looking(place) as look:
        old = StoredTasks.of_reader(look.sql).whole(Tasks(look.sql).named(name))
    asked = asked_of(typed, os.environ, context=old.definition.context)
    definition = definition_of(asked, usual_of(settings), old.definition)
    heard = old.source if "source-trigger" not in removed else None
    wanted = replace(
        old,
        definition=definition,
        enabled=_enabled(typed, old.enabled),
        base_images=base_image_trigger(_base_image(typed), old.base_images),
        source=changed_source_trigger(definition.context, _source(typed), heard, old.definition.context),
        timers=() if "timers" in removed else old.timers,
    )
    if "base-image-trigger" in removed:
        wanted = replace(wanted, base_images=BaseImageTrigger(enabled=False))
    hook = chosen_hook(definition.context, settings, typed["hook_name"])
    if typed["unregisters"]:
        unregister_hook(place, name)
    _save(place, settings, wanted, secrets_of(typed, os.environ), new=False, as_json=as_json, hook=hook)


@click.command("delete")
@NAME
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete(place: Place, name: str, yes: bool) -> None:
    """Remove the task NAME, with its timers, triggers and secrets. Images, runs and logs stay."""
    with looking(place) as look:
        Tasks(look.sql).named(name)
    if not yes:
        click.confirm(f"Remove task {name}?", abort=True, err=True)
    unregister_before_deletion(place, name)
    with changing(place) as change:
        StoredTasks(change.sql, change.cipher).delete(name, change.at)
    click.echo(f"task {name} is removed", err=True)


def usual_of(settings: Settings) -> Usual:
    """What counts for a new task where nothing is said."""
    rebuild = settings.rebuild
    return Usual(settings.registry, host_platform(), rebuild.timeout, rebuild.reproducible)


def tell_unknown(name: str, scanned: Scanned) -> None:
    """Bases that nobody watches yet, and why."""
    for reason in scanned.unknown:
        click.echo(f"warning: task {name}: not watched before its first run: {reason}", err=True)


def _save(
    place: Place,
    settings: Settings,
    wanted: WholeTask,
    secrets: Secrets,
    *,
    new: bool,
    as_json: bool,
    hook: HookChoice | None,
) -> None:
    workshop = Workshop(settings, find_state(place.state, find_config(place.config)))

    async def work() -> None:
        async with workshop:
            task, scanned = await Archive.of(workshop).save(wanted, secrets, new=new)
            tell_unknown(wanted.name, scanned)
            _tell(workshop, task, scanned, as_json=as_json)
            if hook is not None:
                await register_hook(workshop, task, hook)

    asyncio.run(work())


def _tell(workshop: Workshop, task: Task, scanned: Scanned, *, as_json: bool) -> None:
    step = task.definition.step
    if isinstance(step, DockerStep) and not step.images:
        click.echo("warning: the task names no image: what it builds is not pushed", err=True)
    if as_json:
        print_json(task_json(workshop.connection, task))
        return
    names = {base.reference for base in scanned.bases}
    watched = f"; {len(names)} {'base is' if len(names) == 1 else 'bases are'} watched" if names else ""
    click.echo(f"task {task.name} is saved{watched}", err=True)


def _enabled(typed: Mapping[str, Any], old: bool) -> bool:
    return old if typed["status"] is None else str(typed["status"]).lower() == "enabled"


def _base_image(typed: Mapping[str, Any]) -> BaseImageAsked:
    bases, payload = typed["base_image_trigger_type"], typed["update_trigger_payload_type"]
    return BaseImageAsked(
        name=typed["base_image_trigger_name"],
        enabled=typed["base_image_trigger_enabled"],
        bases=Bases(bases) if bases else None,
        endpoint=typed["update_trigger_endpoint"],
        payload=Payload(payload) if payload else None,
    )


def _source(typed: Mapping[str, Any]) -> SourceAsked:
    return SourceAsked(
        name=typed["source_trigger_name"],
        commits=typed["commit_trigger_enabled"],
        pull_requests=typed["pull_request_trigger_enabled"],
        **{name: typed[name] or None for name in ("branches", "tags", "paths", "targets")},
        forks=typed["trigger_forks"],
    )
