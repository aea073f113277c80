"""Tasks as a service is to save them: sends what is asked, and reads what came of it. Prints notes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rebuild.secrets.secret_source import FromCredential, FromEnvironment, FromFile
from rebuild.secrets.secret_source import Source as SecretSource
from rebuild.tasks.task_edit import kept_context
from rebuild.tasks.whole_task_edit import WholeAsked
from tracker.remote.asked_json import asked_json
from tracker.remote.attend import say
from tracker.remote.client import Client, quoted
from tracker.tasks.apply import Action, Difference
from tracker.tasks.declared import TaskFileText
from tracker.tasks.saving import Saved


def save_there(client: Client, name: str, asked: WholeAsked, *, new: bool) -> Saved:
    """Save a new task, or change what is asked of one. Raises what `Client.ask` does."""
    for named in asked.secrets.values():
        say_where_read(named)
    context = asked.definition.context
    if context is not None:  # its secrets go beside it; a folder by its whole path
        asked = replace(asked, definition=replace(asked.definition, context=kept_context(context)))
    body = asked_json(asked)
    if new:
        told = client.post("/tasks", {"name": name, **body})
    else:
        told = client.ask("PATCH", f"/tasks/{quoted(name)}", body)
    step = told["definition"]["step"]
    return Saved(told["watched"], tuple(told["unknown"]), step["kind"] == "docker" and not step["images"])


def apply_there(
    client: Client, files: Sequence[TaskFileText], *, prune: bool, dry_run: bool
) -> tuple[list[Difference], Mapping[str, Sequence[str]]]:
    """The differences, and what could not be found out of the bases of each task."""
    told = client.post(
        "/apply", {"files": [asked_json(file) for file in files], "prune": prune, "dry_run": dry_run}
    )
    return [_difference(one) for one in told["differences"]], told["unknown"]


def say_where_read(sources: Mapping[str, SecretSource | None]) -> None:
    """A file and a variable are not those of this machine."""
    for name, source in sources.items():
        if isinstance(source, FromFile | FromEnvironment | FromCredential):
            say(f"note: {f'{name}: ' if name else ''}{source} is read where the service runs, at each run")


def _difference(told: Mapping[str, Any]) -> Difference:
    changes = {key: (each["before"], each["after"]) for key, each in told["changes"].items()}
    return Difference(told["name"], Action(told["action"]), changes)
