"""git for the repository of a task, and who the task is there: with what fetches its context."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path

from graph.record import dataclass
from rebuild.context.git_command import GitCommand
from rebuild.context.limits import MIB, Limits, Meter
from rebuild.context.reach import SshHosts
from rebuild.context.ssh import files_for
from rebuild.context.where import Git, keeps_secrets
from rebuild.secrets.context_secrets import ContextSecrets
from rebuild.secrets.login import Login
from rebuild.secrets.secret_reader import Places
from rebuild.secrets.task_secrets import TaskSecrets
from rebuild.tasks.task import Task
from tracker.equipping import context_sources, read_context_secrets

ASKED_MOST_S = 60.0
TRANSFER_MOST = 256 * MIB


@dataclass(frozen=True, slots=True)
class RepositoryAccess:
    """Who a task is to the server of its repository. `ssh` is what the operator has for hosts of ssh."""

    secrets: TaskSecrets
    places: Places
    ssh: SshHosts = field(default_factory=SshHosts)

    async def opened(self, task: Task) -> ContextSecrets:
        """What opens its context. Raises `TrackerError`."""
        sources = context_sources(self.secrets, task, task.definition.context)
        return await read_context_secrets(sources, self.places)

    async def login(self, task: Task) -> Login | None:
        """None where the task has no token. Raises `TrackerError`."""
        return (await self.opened(task)).login

    def has_own(self, task: Task) -> bool:
        """Whether anything that opens its context is kept with the task."""
        return bool(context_sources(self.secrets, task, task.definition.context))

    @contextlib.contextmanager
    def git(
        self, context: Git, opened: ContextSecrets, *, most_s: float = ASKED_MOST_S
    ) -> Iterator[GitCommand]:
        """git closed off, for a minute at most, with a home that is gone afterwards."""
        login = opened.login if keeps_secrets(context.url) else None
        with tempfile.TemporaryDirectory() as scratch:
            home = Path(scratch) / "home"
            home.mkdir()
            ssh = files_for(context.url, self.ssh, opened.ssh_key, Path(scratch))
            meter = Meter(Limits(timeout_s=most_s, transfer_bytes=TRANSFER_MOST))
            yield GitCommand(context, login, ssh, meter, home)
