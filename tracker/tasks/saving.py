"""Saves a task together with the bases that its files name. Asks no registry, and starts no run."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from graph.clock import now
from graph.database import immediate
from graph.errors import TrackerError
from graph.expecting import Expectations
from graph.record import dataclass
from rebuild.alias_rules import AliasRules
from rebuild.context.reach import Reach
from rebuild.runs.definition import Definition, DockerStep
from rebuild.runs.scratch import SCAN_PREFIX
from rebuild.secrets.context_secrets import OF_SERVER, ContextSecrets, of_the_same_server
from rebuild.secrets.context_secrets import USES as CONTEXT_USES
from rebuild.secrets.credentials import RegistryCredentials
from rebuild.secrets.kept_source import FindCipher
from rebuild.secrets.secret_reader import Places, SecretUnavailable
from rebuild.secrets.secret_source import Source
from rebuild.secrets.task_secrets import SecretUse, TaskSecrets
from rebuild.steps.step_rules import StepRules
from rebuild.tasks.stored_task import Secrets, StoredTasks, WholeTask
from rebuild.tasks.task import Task, Tasks
from rebuild.tasks.task_edit import Usual
from rebuild.tasks.task_scan import Scanned, Scanning, scan_task
from rebuild.tasks.whole_task_edit import WholeAsked, changed_task, new_task
from tracker.equipping import read_context_secrets
from tracker.tasks.declared import DeclaredCredential
from tracker.workshop import Workshop, host_platform, reaching, user_credentials


class ChangedMeanwhile(TrackerError):
    """Somebody else gave the task another definition while its files were read."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A task that is to be saved. `wanted` reads what there is of it, before its files are read and
    again when it is written; `new` refuses a name that is taken."""

    wanted: Callable[[sqlite3.Connection], WholeTask]
    secrets: Secrets
    new: bool = False
    credentials: Sequence[DeclaredCredential] | None = None

    @classmethod
    def of(cls, name: str, asked: WholeAsked, usual: Usual, *, new: bool) -> Draft:
        """Of what somebody asks of a task that is there, or of a new one."""

        def wanted(connection: sqlite3.Connection) -> WholeTask:
            if new:
                return new_task(name, asked, usual)
            stored = StoredTasks.of_reader(connection)
            return changed_task(stored.whole(Tasks(connection).named(name)), asked, usual)

        return cls(wanted, asked.secrets, new)


@dataclass(frozen=True, slots=True)
class Saved:
    """What is told of a task that was saved: how many bases are watched, and why others are not yet."""

    watched: int
    unknown: tuple[str, ...]
    names_no_image: bool

    @classmethod
    def of(cls, definition: Definition, scanned: Scanned) -> Saved:
        step = definition.step
        names_none = isinstance(step, DockerStep) and not step.images
        return cls(len({base.reference for base in scanned.bases}), scanned.unknown, names_none)


@dataclass(frozen=True, slots=True)
class Archive:
    """Where tasks are kept, and what finding their bases may reach."""

    connection: sqlite3.Connection
    cipher: FindCipher
    places: Places
    scratch: Path
    registry: str
    aliases: AliasRules = field(default_factory=AliasRules)
    rules: StepRules = field(default_factory=StepRules)
    reach: Reach = field(default_factory=Reach)

    @classmethod
    def of(cls, workshop: Workshop) -> Archive:
        return cls(
            workshop.connection,
            workshop.cipher,
            workshop.places(),
            workshop.state.scratch,
            workshop.settings.registry,
            workshop.settings.alias_rules,
            workshop.settings.step_rules,
            reaching(workshop.settings).as_whom(user_credentials()),
        )

    async def save(self, draft: Draft) -> tuple[Task, Scanned]:
        """Scan the task, then save it with the bases that were found: all of it or nothing.

        Raises `WrongUse` for files that no run could use either, `ChangedMeanwhile`.
        """
        wanted = draft.wanted(self.connection)
        scanned = await self.scan(wanted, draft.secrets)
        with immediate(self.connection):
            return self.write_draft(draft, wanted, scanned), scanned

    def write_draft(self, draft: Draft, seen: WholeTask, scanned: Scanned) -> Task:
        """Belongs inside `immediate()`. `seen` is what was scanned; what is beside the definition may have
        changed since then. Raises `ChangedMeanwhile`."""
        wanted = draft.wanted(self.connection)
        if wanted.definition != seen.definition:
            raise ChangedMeanwhile(
                f"task {wanted.name} was changed by somebody else meanwhile", hint="look at it, and try again"
            )
        return self.write(wanted, draft.secrets, scanned, new=draft.new, credentials=draft.credentials)

    def write(
        self,
        wanted: WholeTask,
        secrets: Secrets,
        scanned: Scanned,
        *,
        new: bool = False,
        credentials: Sequence[DeclaredCredential] | None = None,
    ) -> Task:
        """Belongs inside `immediate()`. `new` refuses a name that is taken; credentials that are given become
        the only ones."""
        stored = StoredTasks(self.connection, self.cipher)
        task = (stored.create if new else stored.save)(wanted, self.fitting(wanted, secrets), now())
        Expectations(self.connection).expect(task.task_id, scanned.bases, now())
        if credentials is not None:
            self._write_credentials(task, credentials)
        return task

    def _write_credentials(self, task: Task, wanted: Sequence[DeclaredCredential]) -> None:
        kept = RegistryCredentials(self.connection, self.cipher)
        for known in kept.list(task.task_id):
            kept.remove(task.task_id, known.registry)
        for one in wanted:
            kept.add(task.task_id, one.registry, username=one.username, password=one.password, at=now())

    def fitting(self, wanted: WholeTask, secrets: Secrets) -> Secrets:
        """With the end of a token and a key that was for another server, where nothing is said of it."""
        if not Tasks(self.connection).exists(wanted.name):
            return secrets
        before = Tasks(self.connection).named(wanted.name).definition.context
        stays = of_the_same_server(before, wanted.definition.context)
        return secrets if stays else {**{use: {} for use in OF_SERVER}, **secrets}

    async def scan(self, wanted: WholeTask, secrets: Secrets) -> Scanned:
        """The bases of a task, from its files as they are now."""
        with self.scanning() as scanning:
            values = frozenset(self._kept(wanted.name, SecretUse.VALUE, secrets))
            try:
                opening = await self._opening(wanted.name, self.fitting(wanted, secrets))
            except SecretUnavailable as error:
                return Scanned(unknown=(f"what opens its context cannot be read here: {error.message}",))
            fitted = replace(scanning, context_secrets=opening, secret_values=values)
            return await scan_task(wanted.name, wanted.definition, fitted)

    @contextlib.contextmanager
    def scanning(self) -> Iterator[Scanning]:
        """In a folder that is gone afterwards."""
        with tempfile.TemporaryDirectory(prefix=SCAN_PREFIX, dir=self.scratch) as folder:
            yield Scanning(
                Path(folder),
                host_platform(),
                self.registry,
                now(),
                aliases=self.aliases,
                helper=self.rules.helper,
                reach=self.reach,
            )

    async def _opening(self, name: str, secrets: Secrets) -> ContextSecrets:
        kept = {use: self._kept(name, use, secrets).get("") for use in CONTEXT_USES}
        sources = {use: source for use, source in kept.items() if source is not None}
        return await read_context_secrets(sources, self.places)

    def _kept(self, name: str, use: SecretUse, secrets: Secrets) -> Mapping[str, Source]:
        """What the task will have once it is saved."""
        if use in secrets:
            return secrets[use]
        if not Tasks(self.connection).exists(name):
            return {}
        task_id = Tasks(self.connection).named(name).task_id
        return TaskSecrets(self.connection, self.cipher).sources(task_id, use)
