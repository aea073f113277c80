"""Saves a task together with the bases that its files name. Asks no registry, and starts no run."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path

from graph.clock import now
from graph.database import immediate
from graph.expecting import Expectations
from graph.record import dataclass
from graph.reference import ImageRef
from rebuild.alias_rules import AliasRules
from rebuild.context_secrets import USES as CONTEXT_USES
from rebuild.context_secrets import ContextSecrets, of_the_same_server
from rebuild.kept_source import FindCipher
from rebuild.secret_reader import Places, SecretUnavailable
from rebuild.secret_source import Source
from rebuild.step_rules import HELPER
from rebuild.stored_task import Secrets, StoredTasks, WholeTask
from rebuild.task import Task, Tasks
from rebuild.task_scan import Scanned, Scanning, scan_task
from rebuild.task_secrets import SecretUse, TaskSecrets
from tracker.equipping import read_context_secrets
from tracker.workshop import Workshop, host_platform


@dataclass(frozen=True, slots=True)
class Archive:
    """Where tasks are kept, and what finding their bases may reach."""

    connection: sqlite3.Connection
    cipher: FindCipher
    places: Places
    scratch: Path
    registry: str
    aliases: AliasRules = field(default_factory=AliasRules)
    helper: ImageRef = HELPER

    @classmethod
    def of(cls, workshop: Workshop) -> Archive:
        return cls(
            workshop.connection,
            workshop.cipher,
            workshop.places(),
            workshop.state.scratch,
            workshop.settings.registry,
            workshop.settings.alias_rules,
            workshop.settings.step_rules.helper,
        )

    async def save(self, wanted: WholeTask, secrets: Secrets, *, new: bool) -> tuple[Task, Scanned]:
        """Scan the task, then save it with the bases that were found: all of it or nothing.

        `new` refuses a name that is taken. Raises `WrongUse` for files that no run could use either.
        """
        scanned = await self.scan(wanted, secrets)
        with immediate(self.connection):
            return self.write(wanted, secrets, scanned, new=new), scanned

    def write(self, wanted: WholeTask, secrets: Secrets, scanned: Scanned, *, new: bool = False) -> Task:
        """Belongs inside `immediate()`."""
        stored = StoredTasks(self.connection, self.cipher)
        task = (stored.create if new else stored.save)(wanted, self.fitting(wanted, secrets), now())
        Expectations(self.connection).expect(task.task_id, scanned.bases, now())
        return task

    def fitting(self, wanted: WholeTask, secrets: Secrets) -> Secrets:
        """With the end of a token that was for another server, where nothing is said of it."""
        if SecretUse.GIT in secrets or not Tasks(self.connection).exists(wanted.name):
            return secrets
        before = Tasks(self.connection).named(wanted.name).definition.context
        stays = of_the_same_server(before, wanted.definition.context)
        return secrets if stays else {**secrets, SecretUse.GIT: {}}

    async def scan(self, wanted: WholeTask, secrets: Secrets) -> Scanned:
        """The bases of a task, from its files as they are now."""
        with tempfile.TemporaryDirectory(prefix="scan-", dir=self.scratch) as folder:
            scanning = Scanning(
                Path(folder),
                host_platform(),
                self.registry,
                now(),
                aliases=self.aliases,
                helper=self.helper,
            )
            values = frozenset(self._kept(wanted.name, SecretUse.VALUE, secrets))
            try:
                opening = await self._opening(wanted.name, self.fitting(wanted, secrets))
            except SecretUnavailable as error:
                return Scanned(unknown=(f"what opens its context cannot be read here: {error.message}",))
            fitted = replace(scanning, context_secrets=opening, secret_values=values)
            return await scan_task(wanted.name, wanted.definition, fitted)

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
