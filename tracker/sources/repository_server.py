"""Asks the server of a task's repository what an event leaves open. Keeps no answer."""

from __future__ import annotations

import tempfile
from pathlib import Path

from graph.record import dataclass
from rebuild.context.changes import look_at_change
from rebuild.context.refs import default_branch
from rebuild.context.where import Git
from rebuild.tasks.task import Task
from tracker.sources.repository_access import RepositoryAccess

ANSWER_MOST_S = 15.0  # other events of its host wait meanwhile
_PEELED = "^{}"  # after the name of an annotated tag: the commit that it names


@dataclass(frozen=True, slots=True)
class RepositoryServer:
    """With the token that fetches the task's context. Every question may raise `TrackerError`."""

    access: RepositoryAccess

    async def default_branch(self, task: Task, context: Git) -> str | None:
        """None where HEAD leads nowhere."""
        with self.access.git(context, await self.access.opened(task), most_s=ANSWER_MOST_S) as git:
            return await default_branch(git)

    async def commit_of(self, task: Task, context: Git, ref: str) -> str:
        """What the ref points to now, by its full name; empty where there is no such ref."""
        with self.access.git(context, await self.access.opened(task), most_s=ANSWER_MOST_S) as git:
            listed = await git.run("ls-remote", "--", context.url, ref, f"{ref}{_PEELED}")
        lines = (line.partition("\t") for line in listed.decode(errors="replace").splitlines())
        told = {name: commit for commit, _, name in lines}
        return told.get(f"{ref}{_PEELED}") or told.get(ref, "")

    async def message_of(self, task: Task, context: Git, commit: str) -> str:
        """What its author wrote. Raises `ContextError` where the server does not give the commit."""
        opened = await self.access.opened(task)
        with (
            self.access.git(context, opened, most_s=ANSWER_MOST_S) as git,
            tempfile.TemporaryDirectory() as new,
        ):
            return (await look_at_change(git, commit, None, Path(new) / "commit")).message
