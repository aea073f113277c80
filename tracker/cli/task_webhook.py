"""`--register-webhook` and `--unregister-webhook`: has the forge call this service. Saves no task."""

from __future__ import annotations

import asyncio

import click

from graph.clock import now
from graph.errors import TrackerError
from rebuild.secrets.task_secrets import TaskSecrets
from rebuild.tasks.task import Task, Tasks
from rebuild.tasks.task_webhooks import Registered, TaskWebhooks
from tracker.cli.looking import looking
from tracker.cli.main import Place
from tracker.settings.reading import load
from tracker.settings.settings import Settings
from tracker.sources.forge_finding import forges_of
from tracker.sources.repository_access import RepositoryAccess
from tracker.sources.webhooks import HookChoice, Webhooks, choose_hook
from tracker.state import find_config, find_state
from tracker.workshop import Workshop

_ANY = ""

REGISTER = click.option(
    "--register-webhook", "hook_name", is_flag=False, flag_value=_ANY, metavar="[NAME]",
    help="Have the forge call /hooks/NAME of this service, by the git token. NAME: of the settings' hooks.",
)  # fmt: skip
UNREGISTER = click.option("--unregister-webhook", "unregisters", is_flag=True, help="Have it stop doing so.")


def chosen_hook(context: str, settings: Settings, typed: str | None) -> HookChoice | None:
    """What is to be registered, None where nobody asked for it. Raises `WrongUse`."""
    if typed is None:
        return None
    return choose_hook(context, settings, forges_of(settings), name=typed or None)


async def register_hook(workshop: Workshop, task: Task, chosen: HookChoice) -> None:
    """Raises `TrackerError`, which says that the task is saved all the same."""
    webhooks = _webhooks(workshop)
    async with webhooks.forges.client:
        try:
            is_new = await webhooks.register(task, chosen)
        except TrackerError as error:
            raise TrackerError(
                f"task {task.name} is saved; its webhook is not registered: {error.message}", hint=error.hint
            ) from None
    done = "is registered" if is_new else "was there already, and is up to date"
    click.echo(f"the webhook of {chosen.at.web} {done}: it calls {chosen.url}", err=True)


def unregister_hook(place: Place, name: str) -> None:
    """Raises `TrackerError`."""
    known = asyncio.run(_unregister(place, name))
    if known is None:
        click.echo(f"no webhook was registered for task {name}", err=True)
    else:
        click.echo(f"the webhook of {known.repository} does not call for task {name} any more", err=True)


def unregister_before_deletion(place: Place, name: str) -> None:
    """While the task has its token. What cannot be removed is told, and stays."""
    with looking(place) as look:
        if TaskWebhooks(look.sql).of_task(Tasks(look.sql).named(name).task_id) is None:
            return
    try:
        unregister_hook(place, name)
    except TrackerError as error:
        click.echo(f"warning: the webhook of task {name} stays: {error.message}", err=True)
        if error.hint:
            click.echo(f"hint: {error.hint}", err=True)


async def _unregister(place: Place, name: str) -> Registered | None:
    config = find_config(place.config)
    async with Workshop(load(config), find_state(place.state, config)) as workshop:
        webhooks = _webhooks(workshop)
        async with webhooks.forges.client:
            return await webhooks.unregister(Tasks(workshop.connection).named(name))


def _webhooks(workshop: Workshop) -> Webhooks:
    access = RepositoryAccess(TaskSecrets(workshop.connection, workshop.cipher), workshop.places())
    return Webhooks(workshop.connection, forges_of(workshop.settings), access, now)
