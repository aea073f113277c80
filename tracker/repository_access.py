"""git and the forge's API for the repository of a task, with the token that fetches its context."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from graph.record import dataclass
from rebuild.context.git_command import GitCommand
from rebuild.context.limits import MIB, Limits, Meter
from rebuild.context.where import Git, keeps_secrets
from rebuild.login import Login
from rebuild.secret_reader import Places
from rebuild.task import Task
from rebuild.task_secrets import TaskSecrets
from tracker.equipping import context_sources, read_context_secrets

ASKED_MOST_S = 60.0
TRANSFER_MOST = 256 * MIB


@dataclass(frozen=True, slots=True)
class RepositoryAccess:
    """Who a task is to the server of its repository."""

    secrets: TaskSecrets
    places: Places

    async def login(self, task: Task) -> Login | None:
        """None where the task has no token. Raises `TrackerError`."""
        sources = context_sources(self.secrets, task, task.definition.context)
        return (await read_context_secrets(sources, self.places)).login

    def has_token(self, task: Task) -> bool:
        return bool(context_sources(self.secrets, task, task.definition.context))


@contextlib.contextmanager
def git_for(context: Git, login: Login | None) -> Iterator[GitCommand]:
    """git closed off, for a minute at most, with a home that is gone afterwards."""
    fitting = login if context.scheme == "ssh" or keeps_secrets(context.url) else None
    with tempfile.TemporaryDirectory() as scratch:
        meter = Meter(Limits(timeout_s=ASKED_MOST_S, transfer_bytes=TRANSFER_MOST))
        yield GitCommand(context, fitting, None, meter, Path(scratch))
