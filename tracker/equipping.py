"""Gives each run the credentials and secrets of its task, and takes them away after it. Builds nothing."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from graph.record import dataclass
from rebuild.engines.engine import Engine
from rebuild.images.tools import Tools
from rebuild.images.trial import NothingKnown, StrangersEngine, TrialEngine
from rebuild.runs.definition import DockerStep
from rebuild.runs.equipment import Equipment
from rebuild.runs.table import Run
from rebuild.secrets.auth_file import write_auth_file
from rebuild.secrets.context_secrets import OF_SERVER, ContextSecrets, of_the_same_server
from rebuild.secrets.context_secrets import USES as CONTEXT_USES
from rebuild.secrets.context_secrets import Sources as ContextSources
from rebuild.secrets.credentials import RegistryCredentials, RegistryLogin, read_logins
from rebuild.secrets.kept_source import FindCipher
from rebuild.secrets.run_secrets import RunSecrets
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_reader import Places, SecretUnavailable, read_secrets, text_of
from rebuild.secrets.secret_source import Source, parse_keyvault
from rebuild.secrets.task_secrets import SecretUse, TaskSecrets
from rebuild.tasks.task import Task, Tasks
from tracker.reaching import Reaching
from tracker.registry import BUILDING, Credential, Credentials, IdentityToken, Login, RegistryClient

if TYPE_CHECKING:  # loaded only where a run has need of them
    from rebuild.engines.container import Containers
    from rebuild.secrets.cipher import Cipher
    from tracker.vault.client import VaultClient


class NewClient(Protocol):
    """Makes a registry client that looks here for credentials."""

    def __call__(self, credentials: Credentials) -> RegistryClient: ...


@dataclass(frozen=True, slots=True)
class TaskCredentials:
    """A task's own credentials first, then those of the user that tracker runs as."""

    own: Mapping[str, Credential]
    users: Credentials

    @classmethod
    def of(cls, logins: tuple[RegistryLogin, ...], users: Credentials) -> TaskCredentials:
        return cls({login.registry: _credential(login) for login in logins}, users)

    async def find(self, registry: str) -> Credential | None:
        return self.own.get(registry) or await self.users.find(registry)


class NoCredentials:
    """For whom nobody vouches."""

    async def find(self, registry: str) -> None:
        return None


@dataclass(frozen=True, slots=True)
class AuthFiles:
    """Logins of one run for each kind of engine, written when one of that kind needs them."""

    folder: Path  # of the run
    logins: tuple[RegistryLogin, ...] = field(repr=False)
    user_file: Path | None

    def for_engine(self, name: str) -> Path:
        folder = self.folder / "auth" / name
        if not folder.exists():
            write_auth_file(folder, self.logins, user_file=self.user_file, engine=name)
        return folder / "config.json"


def tried_out(tools: Tools) -> Tools:
    """For a run that tries out a pull request."""
    return tools.dressed(TrialEngine)


def _credential(login: RegistryLogin) -> Credential:
    if login.username is None:
        return IdentityToken(login.password)
    return Login(login.username, login.password)


@dataclass(frozen=True, slots=True)
class Outfitter:
    """`rebuild.runs.equipment.Equip` out of the tables: for a run of a task what is kept with it.

    What came with the wish for the run comes before what is kept with its task; `typed` are secrets of
    builds and `typed_values` secret values of templates that somebody gave to this process, before both.
    """

    credentials: RegistryCredentials
    tasks: Tasks
    secrets: TaskSecrets
    run_secrets: RunSecrets
    places: Places
    tools: Tools
    users: Credentials
    user_file: Path | None
    new_client: NewClient
    reaching: Reaching
    typed: Mapping[str, Source]
    new_containers: Callable[[Engine], Containers]
    typed_values: Mapping[str, Source] = field(default_factory=dict)
    typed_context: ContextSources = field(default_factory=dict)
    stdin: BinaryIO | None = None

    @contextlib.asynccontextmanager
    async def __call__(self, run: Run, folder: Path) -> AsyncIterator[Equipment]:
        if run.definition.is_foreign:
            async with self._for_a_stranger(run, folder) as equipment:
                yield equipment
            return
        logins, secrets, opening = await self._fetched(run)
        has_steps = not isinstance(run.definition.step, DockerStep)
        equipment = Equipment(
            tried_out(self.tools) if run.definition.is_trial else self.tools,
            secrets,
            hidden=(*(login.password for login in logins), *opening.hidden),
            values=await self._values(run),
            context_secrets=opening,
            reach=self.reaching.as_whom(TaskCredentials.of(logins, self.users)),
            stdin=self.stdin,
            containers=self.new_containers(self.tools.engine) if has_steps else None,
            read_keyvaults=self._read_keyvaults,
        )
        if not logins:
            yield equipment
            return
        files = AuthFiles(folder, logins, self.user_file)
        async with self.new_client(TaskCredentials.of(logins, self.users)) as client:
            tools = equipment.tools.dressed(lambda engine: engine.with_auth(files.for_engine(engine.name)))
            containers = equipment.containers
            if containers is not None:
                containers = containers.with_auth(files.for_engine(self.tools.engine.name))
            tools = replace(tools, registry=client.with_patience(BUILDING))
            yield replace(equipment, tools=tools, containers=containers)

    @contextlib.asynccontextmanager
    async def _for_a_stranger(self, run: Run, folder: Path) -> AsyncIterator[Equipment]:
        """Nothing that opens anything: no login, not even the own one, no secret, no token."""
        auth_file = write_auth_file(folder / "auth", (), user_file=None, engine=self.tools.engine.name)
        tools = self.tools.dressed(lambda engine: StrangersEngine(engine).as_nobody(auth_file))
        containers = None
        if not isinstance(run.definition.step, DockerStep):
            containers = self.new_containers(self.tools.engine).as_nobody(auth_file)
        async with self.new_client(TaskCredentials({}, NoCredentials())) as client:
            registry = client.with_patience(BUILDING)
            reach = self.reaching.as_nobody(NoCredentials())
            tools = replace(tools, registry=registry, memory=NothingKnown())
            yield Equipment(tools, reach=reach, containers=containers)

    async def _read_keyvaults(self, wanted: Mapping[str, str]) -> Mapping[str, Secret]:
        sources = {name: parse_keyvault(url) for name, url in wanted.items()}
        found = await read_secrets(sources, self.places)
        return {name: text_of(secret) for name, secret in found.items()}

    async def _values(self, run: Run) -> dict[str, Secret]:
        sources = {**self._sources(run, SecretUse.VALUE), **self.typed_values}
        found = await read_secrets(sources, self.places)
        return {name: text_of(secret) for name, secret in found.items()}

    def _sources(self, run: Run, use: SecretUse) -> dict[str, Source]:
        of_task = self.secrets.sources(run.task_id, use) if run.task_id is not None else {}
        return {**of_task, **self.run_secrets.sources(run.number, use)}

    async def _fetched(self, run: Run) -> tuple[tuple[RegistryLogin, ...], dict[str, Secret], ContextSecrets]:
        build = await read_secrets({**self._sources(run, SecretUse.BUILD), **self.typed}, self.places)
        opening = await read_context_secrets(self._opening(run), self.places)
        if run.task_id is None:
            return (), build, opening
        return await read_logins(self.credentials.sources(run.task_id), self.places), build, opening

    def _opening(self, run: Run) -> dict[SecretUse, Source]:
        """What fetches the context. What is kept with the task is for the task's own context: a token for its
        server, a query for its URL."""
        kept = {use: self.run_secrets.sources(run.number, use).get("") for use in CONTEXT_USES}
        found = {use: source for use, source in kept.items() if source is not None}
        if run.task_id is not None:
            task = self.tasks.get(run.task_id)
            of_task = context_sources(self.secrets, task, run.definition.context)
            found = {**of_task, **found}
        return {**found, **self.typed_context}


@dataclass(slots=True)
class VaultOfEnvironment:
    """`rebuild.secrets.secret_reader.Vault` as the variables say, set up when a secret is first asked of it.

    Before that nothing is checked: VAULT_ADDR may be set for other programs.
    """

    environment: Mapping[str, str] = field(repr=False)
    _client: VaultClient | None = None

    async def read(self, path: str, key: str) -> Secret:
        if self._client is None:
            from tracker.vault.client import VaultClient
            from tracker.vault.settings import VaultSettings

            settings = VaultSettings.of_environment(self.environment)
            if settings is None:
                raise SecretUnavailable("no Vault is configured", hint="set VAULT_ADDR where tracker runs")
            self._client = VaultClient(settings)
        return await self._client.read(path, key)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None


async def git_token(secrets: TaskSecrets, task_id: int, places: Places) -> Secret | None:
    """The token, or USER:PASSWORD, that fetches a task's context, None where it has none. Raises
    `SecretUnavailable`."""
    return (await read_secrets(secrets.sources(task_id, SecretUse.GIT), places)).get("")


def context_sources(secrets: TaskSecrets, task: Task, context: str) -> dict[SecretUse, Source]:
    """Of what is kept with the task, what this context may have. Raises `rebuild.secrets.cipher.NotOurs`."""
    own = task.definition.context
    uses = [*OF_SERVER] if of_the_same_server(own, context) else []
    uses += [SecretUse.QUERY] if context == own else []
    found = {use: secrets.sources(task.task_id, use).get("") for use in uses}
    return {use: source for use, source in found.items() if source is not None}


async def read_context_secrets(sources: ContextSources, places: Places) -> ContextSecrets:
    """Raises `SecretUnavailable`."""
    found = await read_secrets({str(use): source for use, source in sources.items()}, places)
    return ContextSecrets.by_use({SecretUse(use): secret for use, secret in found.items()})


def cipher_of(state_folder: Path, environment: Mapping[str, str]) -> FindCipher:
    """The cipher of a state folder, found at need, and anew when its key file was replaced."""
    found: dict[tuple[int, ...], Cipher] = {}

    def find() -> Cipher:
        from rebuild.secrets.cipher import KEY_FILE, find_cipher

        stamp = _stamp(state_folder / KEY_FILE)
        if stamp not in found:
            cipher = find_cipher(state_folder, environment)
            found.clear()
            found[stamp] = cipher
        return found[stamp]

    return find


def _stamp(path: Path) -> tuple[int, ...]:
    """Tells one content of a file from the next; empty where there is none."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size
