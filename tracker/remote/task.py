"""`tracker task run` by a service: what was typed for this once goes there. Prints nothing but the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rebuild.context.where import Folder, Source
from rebuild.runs.override import Override
from rebuild.secrets.task_secrets import SecretUse
from tracker.cli.secret_options import context_secrets
from tracker.cli.task_asked import override_of, typed_secrets
from tracker.cli.update_token import typed_token
from tracker.remote.attend import attend, say
from tracker.remote.client import Client, quoted
from tracker.remote.context import build_context, run_context
from tracker.remote.secret_values import opening_json, values_of
from tracker.remote.service import Wait
from tracker.remote.views import told_view
from tracker.views.runs import RunRow


def run_task_there(client: Client, name: str, typed: Mapping[str, Any], wait: Wait) -> RunRow:
    """The run with its outcome, or as it stands where nobody waits."""
    token, others = typed_token(typed), {**typed, "update_trigger_token": None}
    kept = {} if token is None else {"update_trigger_token": token.reveal()}
    run = client.post("/runs", {"task": name, **_asked(client, name, others), **kept})
    say(f"Queued a run with ID: {run['run_id']}")
    attend(client, run["run_id"], wait)
    return told_view(client, "run", RunRow, {"run": run["run_id"]})


def _asked(client: Client, name: str, typed: Mapping[str, Any]) -> dict[str, Any]:
    if not any(typed.values()):
        return {}
    saved = client.get(f"/tasks/{quoted(name)}")["definition"]
    use = SecretUse.BUILD if saved["step"]["kind"] == "docker" else SecretUse.VALUE
    override = override_of(typed, saved_context=saved["context"])
    return {
        "text": override.text,
        "build_args": dict(override.build_args),
        "values": dict(override.values),
        "target": override.target,
        "secrets": values_of(typed_secrets(name, typed, use)),
        **_place(client, override, use, saved["step"]),
        **opening_json(context_secrets(override.context) if override.context else {}),
    }


def _place(
    client: Client, asked: Override, use: SecretUse, saved: Mapping[str, Any]
) -> dict[str, str | None]:
    """Another context and file, where they were typed; a folder of this machine is uploaded."""
    if asked.context is None:
        return {"file": asked.file}
    if use is SecretUse.VALUE:
        kept = tuple(filter(None, (asked.file or saved.get("file"), saved.get("values_file"))))
        return {"context": run_context(client, asked.context, kept), "file": asked.file}
    where = build_context(client, asked.context, _dockerfile(asked.context, asked.file))
    return {"context": where.context, "file": where.dockerfile}


def _dockerfile(context: str, file: str | None) -> str | None:
    """Of a folder here the path that leads to it from here: that of a task is in its context."""
    place = Source.parse(context).place
    return str(place.path / file) if file and isinstance(place, Folder) else file
