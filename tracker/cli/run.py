"""`tracker run`: a task file or one command, once; or what it would do."""

from __future__ import annotations

import os

import click

from rebuild.context.where import Source
from rebuild.values import parse_assignments
from tracker.cli.habits import PLACES, RUNS, json_option, takes
from tracker.cli.main import Place
from tracker.cli.option_types import SECONDS, platform_option
from tracker.cli.run_typed import DEFAULT_FILE, NO_CONTEXT, Asked, definition_of, step_of
from tracker.cli.secret_options import GIT_TOKEN, SSH_KEY, context_secrets, secret_values
from tracker.remote.request import RunTyped
from tracker.remote.service import ServerAsked, Wait, refuse_to_detach, server_options, wait_options
from tracker.settings.reading import load
from tracker.state import find_config, find_state


@click.command("run")
@click.argument("context", default=NO_CONTEXT)
@click.option(
    "-f",
    "--file",
    metavar="PATH",
    help=f"The task file in the context. Default: {DEFAULT_FILE}. '-': standard input.",
)
@click.option(
    "--cmd", "command", metavar="COMMAND", help="One command instead of a task file: IMAGE ARGUMENTS."
)
@click.option("--values", "values_file", metavar="PATH", help="Values in YAML, in the context.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="A value; always text.")
@click.option(
    "--set-secret", "secret_assignments", multiple=True, metavar="NAME[=SOURCE]",
    help="A secret value: env:NAME, file:PATH, vault:PATH#KEY, or the text itself. Without =SOURCE: from the"
    " environment.",
)  # fmt: skip
@GIT_TOKEN
@SSH_KEY
@platform_option
@click.option("--timeout", "timeout_s", type=SECONDS, metavar="TIME", help="Limit of the run: 3600, 30m, 2h.")
@wait_options
@server_options
@click.option("--strict", is_flag=True, help="Refuse what would only be warned of, such as unknown keys.")
@click.option("--dry-run", is_flag=True, help="Print the engine calls of each step instead; needs no engine.")
@json_option("Print JSON; the log goes to standard error.")
@click.pass_obj
def run(
    place: Place,
    server: ServerAsked,
    wait: Wait,
    context: str,
    file: str | None,
    command: str | None,
    assignments: tuple[str, ...],
    secret_assignments: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    values_file: str | None,
    platform: str | None,
    timeout_s: float | None,
    strict: bool,
    git_token: str | None,
    ssh_key: str | None,
) -> int:
    """Carry out a task file, or one command, once. The exit status is that of the run.

    CONTEXT is a folder, a git repository, a tarball, an OCI artifact, or /dev/null for none; its files are
    in /workspace of every step.
    """
    asked = Asked(
        context=context,
        file=file,
        command=command,
        values_file=values_file,
        values=parse_assignments((a if "=" in a else f"{a}=" for a in assignments), option="--set"),
        secret_values=secret_values(secret_assignments, os.environ),
        platform=platform,
        timeout_s=timeout_s,
        strict=strict,
        opening=context_secrets(context, git_token, ssh_key),
    )
    service = None if dry_run else server.for_work(place)
    if service is not None:
        from tracker.remote.run import run_there

        typed = RunTyped(context, platform, timeout_s, step_of(asked, Source.parse(context)))
        return run_there(service, typed, asked.secret_values, asked.opening, wait=wait, as_json=as_json)
    refuse_to_detach(wait)
    config = find_config(place.config)
    settings, state = load(config), find_state(place.state, config)
    definition = definition_of(asked, settings)
    from tracker.cli.run_here import print_plan, run_here

    if dry_run:
        print_plan(asked, definition, settings, state, as_json=as_json)
        return 0
    quiet = wait is Wait.OUTCOME
    return run_here(asked, definition, settings, state, quiet=quiet, as_json=as_json)


takes(run, *PLACES, *RUNS)
