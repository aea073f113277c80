"""`tracker build` by a service: send what it needs, ask for the run, stay with it. Builds nothing here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rebuild.secret_source import Source
from tracker.cli.build_typed import BuildTyped
from tracker.remote.attend import attend, say
from tracker.remote.client import Client, quoted
from tracker.remote.context import ContextThere, context_there
from tracker.remote.outcome import exit_status, print_build
from tracker.remote.secret_values import kept_with_task, values_of
from tracker.remote.service import Wait


def build_there(
    client: Client,
    typed: BuildTyped,
    secrets: Mapping[str, Source],
    *,
    task_name: str | None,
    wait: Wait,
    as_json: bool,
) -> int:
    """Answers the exit status: that of the run where somebody waits for it."""
    values = values_of(secrets)
    about = client.get("/service")
    where = context_there(client, typed.context, typed.dockerfile, about)
    definition = definition_json(typed, where)
    if task_name is None:
        run = client.post("/runs", {**definition, "secrets": values})
    else:
        client.ask("PUT", f"/tasks/{quoted(task_name)}", {**definition, **kept_with_task(secrets)})
        run = client.post("/runs", {"task": task_name, "secrets": values})
    say(f"Queued a build with ID: {run['run_id']}")
    run = attend(client, run["run_id"], wait)
    print_build(run, as_json=as_json)
    return exit_status(run, wait)


def definition_json(typed: BuildTyped, where: ContextThere) -> dict[str, Any]:
    """What the API takes. What was not typed is left out: the service has settings for it."""
    step: dict[str, Any] = {
        "kind": "docker",
        "images": list(typed.names),
        "dockerfile": where.dockerfile,
        "build_args": dict(typed.build_args),
        "target": typed.target,
        "push": typed.push,
        "no_cache": typed.no_cache,
        "reproducible": typed.reproducible,
    }
    return {
        "context": where.context,
        "step": step,
        "platform": typed.platform,
        "timeout_s": typed.timeout_s,
    }
