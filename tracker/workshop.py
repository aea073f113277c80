"""Puts together what builds need out of the settings: database, registry client, engine. Builds nothing."""

from __future__ import annotations

import os
import platform
import sqlite3
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from graph.clock import now
from graph.reference import Platform
from graph.staleness import Limits
from graph.store import GraphStore
from rebuild.context.reach import SshFiles, SshHosts
from rebuild.engines.engine import Engine
from rebuild.engines.engine_choice import Choice, find_engine
from rebuild.engines.surroundings import Surroundings
from rebuild.images.memory import GraphMemory
from rebuild.images.tools import Tools
from rebuild.runs.run import Workplace
from rebuild.runs.scratch import runs_in_use
from rebuild.secrets.context_secrets import Sources as ContextSources
from rebuild.secrets.credentials import RegistryCredentials
from rebuild.secrets.run_secrets import RunSecrets
from rebuild.secrets.secret_reader import Places
from rebuild.secrets.secret_source import Source, read_keyvaults
from rebuild.secrets.task_secrets import TaskSecrets
from rebuild.tasks.task import Tasks
from tracker.equipping import Outfitter, VaultOfEnvironment, cipher_of
from tracker.reaching import Reaching
from tracker.registry import (
    BUILDING,
    Budgets,
    Credentials,
    DockerCredentials,
    RegistryClient,
    RegistrySettings,
    RequestSeen,
)
from tracker.registry.hosts import pace
from tracker.registry.transport import Transport, few_questions
from tracker.settings.settings import RegistrySection, Settings
from tracker.state import State, home_of

if TYPE_CHECKING:
    from rebuild.engines.container import Containers
    from rebuild.engines.docker import DockerEngine
    from rebuild.engines.podman import PodmanEngine
    from rebuild.engines.push_progress import TellPush
    from rebuild.engines.workers import Workers

LENT_PREFIX = "TRACKER_SECRET_"  # of the service's variables that tasks may name


def unheard(piece: bytes) -> None:
    """Nobody listens."""


class Workshop:
    """Opened for one command or one service; use it as `async with`."""

    def __init__(
        self,
        settings: Settings,
        state: State,
        *,
        on_request: Callable[[RequestSeen], None] | None = None,
        listen: Callable[[bytes], None] = unheard,
        on_push: TellPush | None = None,
        transport: Transport = few_questions,
        typed: Mapping[str, Source] | None = None,
        typed_values: Mapping[str, Source] | None = None,
        typed_context: ContextSources | None = None,
        stdin: BinaryIO | None = None,
        serving: bool = False,
    ) -> None:
        """`on_push` hears how far a push is. `typed` are secrets for this command's builds, `typed_values`
        for its templates, `typed_context` and `stdin` for its context; `serving` keeps from tasks what is
        tracker's own."""
        self.settings = settings
        self.state = state
        self._listen = listen
        self._on_push = on_push
        self.connection: sqlite3.Connection = state.write()
        self.budgets = Budgets()
        self.new_client = partial(registry_client, settings, on_request, transport, budgets=self.budgets)
        self.client = self.new_client()
        self.cipher = cipher_of(state.folder, os.environ)
        self._vault = VaultOfEnvironment(os.environ)
        self.typed = typed or {}
        self._typed_values = typed_values or {}
        self.typed_context = typed_context or {}
        self._stdin = stdin
        self._serving = serving

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.close()
        await self._vault.close()
        self.connection.close()

    async def workplace(self) -> Workplace:
        """Where runs happen; finds out on the way which engine there is and what works with it."""
        engine = await engine_of(self.settings, self.state)
        tools = Tools(
            registry=self.client.with_patience(BUILDING),
            engine=engine.with_progress(self._on_push) if self._on_push else engine,
            memory=GraphMemory(GraphStore(self.connection)),
            build_platform=host_platform(),
            now=now,
            workers=workers_of(self.settings, self.state, self._on_push),
        )
        place = Workplace(self.connection, self.state.logs, self.state.scratch, tools, now, self._listen)
        return replace(
            place,
            equip=self._outfitter(tools),
            uploads=self.state.uploads,
            registry=self.settings.registry,
            aliases=self.settings.alias_rules,
            step_rules=self.settings.step_rules,
            limits=Limits(retry_delays_s=self.settings.rebuild.retry_delays),
        )

    async def clear_left(self, engine: Engine) -> tuple[str, ...]:
        """End the containers that runs of killed processes have left; answers the ids of those runs."""
        from rebuild.steps.task_run import remove_left

        containers = containers_of(surroundings(self.settings, self.state), engine)
        return await remove_left(engine, containers, self.state.scratch, runs_in_use(self.connection))

    def places(self) -> Places:
        """What the sources of secrets may reach."""
        section, keyvaults = self.settings.secrets, read_keyvaults(self.settings.secrets.keyvaults or ())
        if not self._serving:
            return Places.of_user(os.environ, vault=self._vault, keyvaults=keyvaults)
        folders = section.folders or ()
        return Places.of_service(
            os.environ, prefix=LENT_PREFIX, folders=folders, vault=self._vault, keyvaults=keyvaults
        )

    def _outfitter(self, tools: Tools) -> Outfitter:
        return Outfitter(
            credentials=RegistryCredentials(self.connection, self.cipher),
            tasks=Tasks(self.connection),
            secrets=TaskSecrets(self.connection, self.cipher),
            run_secrets=RunSecrets(self.connection, self.cipher),
            places=self.places(),
            tools=tools,
            users=user_credentials(),
            user_file=user_auth_file(),
            new_client=lambda credentials: self.new_client(credentials=credentials),
            reaching=reaching(self.settings),
            typed=self.typed,
            new_containers=partial(containers_of, surroundings(self.settings, self.state)),
            typed_values=self._typed_values,
            typed_context=self.typed_context,
            stdin=self._stdin,
        )


def host_platform() -> Platform:
    """What programs of this machine run on."""
    return Platform.of("linux", platform.machine())


def registry_client(
    settings: Settings,
    on_request: Callable[[RequestSeen], None] | None = None,
    transport: Transport = few_questions,
    credentials: Credentials | None = None,
    budgets: Budgets | None = None,
) -> RegistryClient:
    """A client with these credentials or those of the user; `budgets` are shared with other clients."""
    proxies = urllib.request.getproxies_environment()
    return RegistryClient(
        settings=_by_registry(settings),
        credentials=credentials or user_credentials(),
        proxies=proxies,
        transport=transport,
        on_request=on_request,
        budgets=budgets,
    )


def reaching(settings: Settings) -> Reaching:
    """How contexts are reached, whoever asks for them."""
    hosts: dict[str, SshFiles] = {host: section.files for host, section in settings.ssh_hosts.items()}
    return Reaching(_by_registry(settings), SshHosts(settings.ssh.files, hosts))


def _by_registry(settings: Settings) -> dict[str, RegistrySettings]:
    return {host: registry_settings(section) for host, section in settings.registries.items()}


def user_credentials() -> DockerCredentials:
    return DockerCredentials.of_user(os.environ, home=home_of(), user_id=os.getuid())


def user_auth_file() -> Path | None:
    """Docker's config.json of the user, None where there is none."""
    config = Path(os.environ.get("DOCKER_CONFIG") or home_of() / ".docker") / "config.json"
    return config if config.is_file() else None


def registry_settings(section: RegistrySection) -> RegistrySettings:
    return RegistrySettings(
        insecure=section.insecure,
        ca_file=section.ca_file,
        requests_per_minute=section.requests_per_minute,
        connections=section.connections,
        connect_timeout_s=section.connect_timeout,
        read_timeout_s=section.read_timeout,
    )


def pace_at(settings: Settings, registry: str) -> int | None:
    """How many requests a minute the registry may be asked; None: as many as it answers."""
    section = next((one for host, one in settings.registries.items() if host == registry), RegistrySection())
    return pace(registry, registry_settings(section))


def containers_of(around: Surroundings, engine: Engine) -> Containers:
    """What steps run in: containers of the engine that builds."""
    # Most runs are builds of one Dockerfile and start none.
    from rebuild.engines.container_choice import containers_for

    return containers_for(engine, around)


async def engine_of(settings: Settings, state: State, *, afresh: bool = False) -> PodmanEngine | DockerEngine:
    """The engine that the settings ask for; `afresh` finds out anew what works with it."""
    return await find_engine(Choice(settings.engine), surroundings(settings, state), afresh=afresh)


def workers_of(settings: Settings, state: State, on_push: TellPush | None = None) -> Workers | None:
    """Other machines that the settings name; None of them is asked."""
    if not settings.workers:
        return None
    from rebuild.engines.worker_engine import open_worker
    from rebuild.engines.workers import Workers

    known = tuple(section.named(name) for name, section in settings.workers.items())
    return Workers(known, partial(open_worker, surroundings(settings, state), on_push))


def surroundings(settings: Settings, state: State) -> Surroundings:
    """What the engine's processes find: storage, credentials, registries."""
    sections = settings.registries
    return Surroundings(
        folder=state.folder / "engine",
        storage=settings.engine_storage,
        auth_file=user_auth_file(),
        insecure_registries=frozenset(host for host, section in sections.items() if section.insecure),
        ca_files=tuple(section.ca_file for section in sections.values() if section.ca_file),
    )
