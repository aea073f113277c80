"""Asks the server of a task's repository for the name of its default branch. Keeps no answer."""

from __future__ import annotations

import tempfile
from pathlib import Path

from graph.record import dataclass
from rebuild.context.git_command import GitCommand
from rebuild.context.limits import Limits, Meter
from rebuild.context.refs import default_branch
from rebuild.context.where import Git, keeps_secrets
from rebuild.secret_reader import Places
from rebuild.task import Task
from rebuild.task_secrets import TaskSecrets
from tracker.equipping import context_sources, read_context_secrets

ASKED_MOST_S = 60.0


@dataclass(frozen=True, slots=True)
class DefaultBranches:
    """With the token that fetches the task's context."""

    secrets: TaskSecrets
    places: Places

    async def find(self, task: Task, context: Git) -> str | None:
        """None where HEAD leads nowhere. Raises `TrackerError`."""
        sources = context_sources(self.secrets, task, task.definition.context)
        opened = await read_context_secrets(sources, self.places)
        login = opened.login if context.scheme == "ssh" or keeps_secrets(context.url) else None
        with tempfile.TemporaryDirectory() as scratch:
            meter = Meter(Limits(timeout_s=ASKED_MOST_S))
            return await default_branch(GitCommand(context, login, None, meter, Path(scratch)))
