"""Tasks as a service is to save them: sends what is asked, and reads what came of it. Prints notes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from graph.errors import TrackerError
from graph.record import dataclass
from rebuild.secrets.secret_source import FromCredential, FromEnvironment, FromFile
from rebuild.secrets.secret_source import Source as SecretSource
from rebuild.tasks.task_edit import kept_context
from rebuild.tasks.whole_task_edit import WholeAsked
from tracker.remote.asked_json import asked_json
from tracker.remote.attend import say
from tracker.remote.client import Client, quoted
from tracker.sources.webhooks import HookAsked, Registration
from tracker.tasks.apply import Action, Difference, Outcome
from tracker.tasks.saving import Saved
from tracker.tasks.task_files import TaskFileText


@dataclass(frozen=True, slots=True)
class SavedThere:
    """What came of a task, and of its webhook: registered, or of which repository it went."""

    saved: Saved
    registered: Registration | None
    unregistered: str | None


def save_there(client: Client, name: str, asked: WholeAsked, hook: HookAsked, *, new: bool) -> SavedThere:
    """Save a new task, or change what is asked of one. Raises what `Client.ask` does."""
    for named in asked.secrets.values():
        say_where_read(named)
    context = asked.definition.context
    if context is not None:  # its secrets go beside it; a folder by its whole path
        asked = replace(asked, definition=replace(asked.definition, context=kept_context(context)))
    body = asked_json(asked) | _hook_json(hook)
    if new:
        told = client.post("/tasks", {"name": name, **body})
    else:
        told = client.ask("PATCH", f"/tasks/{quoted(name)}", body)
    step = told["definition"]["step"]
    names_none = step["kind"] == "docker" and not step["images"]
    saved = Saved(told["watched"], tuple(told["unknown"]), names_none)
    registered = told["registered_webhook"]
    return SavedThere(saved, registered and Registration(**registered), told["unregistered_webhook"])


def delete_there(client: Client, name: str) -> TrackerError | None:
    """What kept its webhook from going along. Raises what `Client.ask` does."""
    told = client.ask("DELETE", f"/tasks/{quoted(name)}")
    return told and TrackerError(told["warning"], hint=told["hint"])


def apply_there(client: Client, files: Sequence[TaskFileText], *, prune: bool, dry_run: bool) -> Outcome:
    """Raises what `Client.ask` does."""
    told = client.post(
        "/apply", {"files": [asked_json(file) for file in files], "prune": prune, "dry_run": dry_run}
    )
    left = [TrackerError(one["warning"], hint=one["hint"]) for one in told["left"]]
    return Outcome([_difference(one) for one in told["differences"]], told["unknown"], left)


def say_where_read(sources: Mapping[str, SecretSource | None]) -> None:
    """A file and a variable are not those of this machine."""
    for name, source in sources.items():
        if isinstance(source, FromFile | FromEnvironment | FromCredential):
            say(f"note: {f'{name}: ' if name else ''}{source} is read where the service runs, at each run")


def _hook_json(hook: HookAsked) -> dict[str, Any]:
    registers = {} if hook.register is None else {"register_webhook": hook.register or True}
    return registers | ({"unregister_webhook": True} if hook.unregister else {})


def _difference(told: Mapping[str, Any]) -> Difference:
    changes = {key: (each["before"], each["after"]) for key, each in told["changes"].items()}
    return Difference(told["name"], Action(told["action"]), changes)
