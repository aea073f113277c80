"""`tracker task run` by a service: what was typed for this once goes there. Knows no task but by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from rebuild.values import parse_assignments
from tracker.cli.build_typed import build_arg
from tracker.cli.secret_options import context_secrets
from tracker.remote.attend import attend, say
from tracker.remote.client import Client, quoted
from tracker.remote.context import build_context, run_context
from tracker.remote.outcome import exit_status, print_run
from tracker.remote.secret_values import opening_json
from tracker.remote.service import Wait


def run_task_there(client: Client, name: str, typed: Mapping[str, Any], *, wait: Wait, as_json: bool) -> int:
    """Answers the exit status: that of the run where somebody waits for it."""
    asked = {
        "task": name,
        "build_args": dict(build_arg(text, os.environ) for text in typed["args"]),
        "values": parse_assignments(typed["assignments"], option="--set"),
        "target": typed["target"],
        **_place(client, name, typed["context"], typed["file"]),
        **opening_json(context_secrets(typed["context"], None) if typed["context"] else {}),
    }
    run = client.post("/runs", asked)
    say(f"Queued a run with ID: {run['run_id']}")
    run = attend(client, run["run_id"], wait)
    print_run(run, as_json=as_json)
    return exit_status(run, wait)


def _place(client: Client, name: str, context: str | None, file: str | None) -> dict[str, str | None]:
    """Another context and file, where they were typed; a folder of this machine is uploaded."""
    if context is None:
        return {"file": file}
    task = client.get(f"/tasks/{quoted(name)}")
    if task["definition"]["step"]["kind"] != "docker":
        return {"context": run_context(client, context), "file": file}
    where = build_context(client, context, file)
    return {"context": where.context, "file": where.dockerfile}
