"""`tracker build` by a service: send what it needs, ask for the run, stay with it. Builds nothing here."""

from __future__ import annotations

from collections.abc import Mapping

from rebuild.secrets.context_secrets import Sources as ContextSources
from rebuild.secrets.secret_source import Source
from tracker.cli.build_typed import BuildTyped
from tracker.remote.attend import attend, say
from tracker.remote.client import Client, quoted
from tracker.remote.context import build_context
from tracker.remote.outcome import exit_status, print_build
from tracker.remote.request import build_json
from tracker.remote.secret_values import kept_with_task, opening_json, values_of
from tracker.remote.service import Wait


def build_there(
    client: Client,
    typed: BuildTyped,
    secrets: Mapping[str, Source],
    opening: ContextSources,
    *,
    task_name: str | None,
    wait: Wait,
    as_json: bool,
) -> int:
    """Answers the exit status: that of the run where somebody waits for it. `opening` are the secrets of the
    context."""
    values = values_of(secrets)
    where = build_context(client, typed.context, typed.dockerfile)
    definition = {**build_json(typed, where), **opening_json(opening)}
    if task_name is None:
        run = client.post("/runs", {**definition, "secrets": values})
    else:
        client.ask("PUT", f"/tasks/{quoted(task_name)}", {**definition, **kept_with_task(secrets)})
        run = client.post("/runs", {"task": task_name, "secrets": values})
    say(f"Queued a build with ID: {run['run_id']}")
    run = attend(client, run["run_id"], wait)
    print_build(run, wait, as_json=as_json)
    return exit_status(run, wait)
