"""`tracker run` by a service: send what it needs, ask for the run, stay with it. Runs nothing here."""

from __future__ import annotations

from collections.abc import Mapping

from rebuild.secrets.context_secrets import Sources as ContextSources
from rebuild.secrets.secret_source import Source
from tracker.remote.attend import attend, say
from tracker.remote.client import Client
from tracker.remote.context import run_context
from tracker.remote.outcome import exit_status, print_run
from tracker.remote.request import RunTyped, run_json
from tracker.remote.secret_values import opening_json, values_of
from tracker.remote.service import Wait


def run_there(
    client: Client,
    typed: RunTyped,
    secrets: Mapping[str, Source],
    opening: ContextSources,
    *,
    wait: Wait,
    as_json: bool,
) -> int:
    """Answers the exit status: that of the run where somebody waits for it. `secrets` are for templates,
    `opening` is what opens the context."""
    opened = opening_json(opening)
    definition = run_json(typed, run_context(client, typed.context, typed.step.files))
    values = values_of(secrets)
    run = client.post("/runs", {**definition, "secrets": values, **opened})
    say(f"Queued a run with ID: {run['run_id']}")
    run = attend(client, run["run_id"], wait)
    print_run(run, wait, as_json=as_json)
    return exit_status(run, wait)
