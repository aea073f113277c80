"""Has the forge of a task's repository call this service, and stop doing so. Receives nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime

from graph.database import immediate
from graph.errors import TrackerError, WrongUse
from graph.record import dataclass
from rebuild.context.where import Git
from rebuild.secrets.login import Login
from rebuild.secrets.secret import Secret
from rebuild.sources.repository_url import is_same_repository
from rebuild.tasks.task import Task
from rebuild.tasks.task_edit import repository_of
from rebuild.tasks.task_webhooks import Registered, TaskWebhooks
from tracker.forges.address import Address, NoForge
from tracker.forges.fault import ForgeError
from tracker.forges.hooks import Wanted, can_register, register, unregister
from tracker.settings.hooks import HookSource
from tracker.settings.senders import secrets_of
from tracker.settings.settings import SenderName, Settings
from tracker.sources.forge_finding import Forges
from tracker.sources.repository_access import RepositoryAccess


@dataclass(frozen=True, slots=True)
class HookAsked:
    """What is to become of the webhook of a task that is saved."""

    register: str | None = None  # a section `hooks.NAME` of the settings; empty: the one that fits
    unregister: bool = False


@dataclass(frozen=True, slots=True)
class HookChoice:
    """What the forge is to call: a section of the settings, by its name, its URL and its secret."""

    at: Address
    name: str
    url: str
    secret: Secret


def choose_hook(context: str, settings: Settings, forges: Forges, *, name: str | None = None) -> HookChoice:
    """The section `hooks.NAME` that fits the repository; `name` where several do. Raises `WrongUse`."""
    at = _address(context, forges)
    public_url = settings.serve.public_url
    if public_url is None:
        raise WrongUse(
            "no webhook can be registered: nobody has said where this service is reached",
            hint='set serve.public_url = "https://tracker.example.com"',
        )
    chosen, section = _section(at, settings, name)
    secrets = secrets_of(chosen, section, "hooks")
    if not secrets:
        raise WrongUse(
            f"hooks.{chosen} has no secret, so anybody could send in the name of {at.host}",
            hint=f"set hooks.{chosen}.secret or secret_file, for the service as well",
        )
    return HookChoice(at, chosen, f"{public_url}/hooks/{chosen}", secrets[0])


def _address(context: str, forges: Forges) -> Address:
    repository = repository_of(context)
    if repository is None:
        raise WrongUse(f"context {context!r} is no git repository, so there is nobody to call this service")
    try:
        at = forges.address(repository)
    except NoForge as error:
        raise WrongUse(f"no webhook can be registered: {error.message}", hint=error.hint) from None
    if not can_register(at.kind):
        raise WrongUse(
            f"webhooks of {at.kind} are not registered from here: only those of GitHub, GitLab and Gitea",
            hint="add it on the page of the repository, with the URL /hooks/NAME of this service",
        )
    return at


def _section(at: Address, settings: Settings, name: str | None) -> tuple[str, HookSource]:
    fitting: dict[str, HookSource] = {
        str(each): section for each, section in settings.hooks.items() if _fits(each, section, at)
    }
    if name is not None and name in fitting:
        return name, fitting[name]
    if name is None and len(fitting) == 1:
        return next(iter(fitting.items()))
    names = ", ".join(fitting) or "none"
    if name is not None:
        raise WrongUse(
            f"the settings have no hooks.{name} of kind {at.kind}", hint=f"those of that kind: {names}"
        )
    if fitting:
        raise WrongUse(
            f"the settings have several hooks of kind {at.kind}: {names}",
            hint=f"name one: --register-webhook={next(iter(fitting))}",
        )
    raise WrongUse(
        f"the settings have no hooks of kind {at.kind} that {at.host} could call",
        hint=f'add [hooks.{at.kind}] with secret_file = "…", and restart the service',
    )


def _fits(name: SenderName, section: HookSource, at: Address) -> bool:
    return str(section.provider_of(name)) == str(at.kind)


@dataclass(frozen=True, slots=True)
class Registration:
    """A webhook as the forge has it now: of which repository, and what it calls."""

    web: str
    url: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Registers with the token that fetches the task's context."""

    connection: sqlite3.Connection
    settings: Settings
    forges: Forges
    access: RepositoryAccess
    now: Callable[[], datetime]

    def chosen(self, context: str, asked: HookAsked) -> HookChoice | None:
        """What is to be registered, None where nobody asks for it. Raises `WrongUse`."""
        if asked.register is None:
            return None
        return choose_hook(context, self.settings, self.forges, name=asked.register or None)

    async def register(self, task: Task, chosen: HookChoice) -> Registration:
        """For a task that has been saved. Raises `ForgeError`, which says so."""
        try:
            login = await self._login(task, chosen.at)
            wanted = Wanted(chosen.url, chosen.secret)
            is_new = await register(self.forges.client, chosen.at, login, wanted)
        except TrackerError as error:
            raise ForgeError(
                f"task {task.name} is saved; its webhook is not registered: {error.message}", hint=error.hint
            ) from None
        with immediate(self.connection):
            registered = Registered(_url(task), chosen.url, self.now())
            TaskWebhooks(self.connection).set(task.task_id, registered)
        return Registration(chosen.at.web, chosen.url, is_new)

    async def unregister(self, task: Task) -> Registered | None:
        """What was registered for the task; it stays for as long as another task rests on it. Raises
        `ForgeError`."""
        try:
            return await self._unregister(task)
        except TrackerError as error:
            raise ForgeError(
                f"the webhook of task {task.name} stays: {error.message}", hint=error.hint
            ) from None

    async def withdraw(self, task: Task) -> ForgeError | None:
        """For a task that is to be deleted, while it has its token: what kept its webhook from going."""
        try:
            await self.unregister(task)
        except ForgeError as error:
            return error
        return None

    async def _unregister(self, task: Task) -> Registered | None:
        table = TaskWebhooks(self.connection)
        known = table.of_task(task.task_id)
        if known is None:
            return None
        if not table.is_shared(task.task_id):
            at = self.forges.address(Git(known.repository))
            if not is_same_repository(known.repository, _url(task)):
                raise ForgeError(
                    f"the webhook is at {known.repository}, which is not the task's repository any more",
                    hint=f"remove it there by hand: it calls {known.url}",
                )
            await unregister(self.forges.client, at, await self._login(task, at), known.url)
        with immediate(self.connection):
            table.remove(task.task_id)
        return known

    async def _login(self, task: Task, at: Address) -> Login:
        login = await self.access.login(task)
        if login is None:
            raise ForgeError(
                f"task {task.name} has no token with which to change the webhooks of {at.web}",
                hint="give it one with --git-access-token",
            )
        return login


def _url(task: Task) -> str:
    repository = repository_of(task.definition.context)
    return repository.url if repository else ""
