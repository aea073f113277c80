"""`--register-webhook` and `--unregister-webhook`: what was typed, and what came of it. Asks no forge."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import click

from graph.clock import now
from graph.errors import TrackerError
from rebuild.secrets.task_secrets import TaskSecrets
from tracker.sources.forge_finding import forges_of
from tracker.sources.repository_access import RepositoryAccess
from tracker.sources.webhooks import HookAsked, Registration, Webhooks
from tracker.workshop import Workshop

_ANY = ""

REGISTER = click.option(
    "--register-webhook", "hook_name", is_flag=False, flag_value=_ANY, metavar="[NAME]",
    help="Have the forge call /hooks/NAME of the service, by the git token. NAME: of the settings' hooks.",
)  # fmt: skip
UNREGISTER = click.option("--unregister-webhook", "unregisters", is_flag=True, help="Have it stop doing so.")


def hook_asked(typed: Mapping[str, Any]) -> HookAsked:
    return HookAsked(typed["hook_name"], bool(typed.get("unregisters")))


@contextlib.asynccontextmanager
async def webhooks_of(workshop: Workshop) -> AsyncIterator[Webhooks]:
    """With connections to forges that are closed at the end."""
    access = RepositoryAccess(TaskSecrets(workshop.connection, workshop.cipher), workshop.places())
    forges = forges_of(workshop.settings)
    async with forges.client:
        yield Webhooks(workshop.connection, workshop.settings, forges, access, now)


def say_registered(registered: Registration | None) -> None:
    """Nothing where none was asked for."""
    if registered is not None:
        done = "is registered" if registered.is_new else "was there already, and is up to date"
        click.echo(f"the webhook of {registered.web} {done}: it calls {registered.url}", err=True)


def say_unregistered(name: str, repository: str | None) -> None:
    if repository is None:
        click.echo(f"no webhook was registered for task {name}", err=True)
    else:
        click.echo(f"the webhook of {repository} does not call for task {name} any more", err=True)


def warn_that_it_stays(fault: TrackerError | None) -> None:
    """For a task that is gone; nothing where its webhook is gone as well."""
    if fault is not None:
        click.echo(f"warning: {fault.message}", err=True)
        if fault.hint:
            click.echo(f"hint: {fault.hint}", err=True)
