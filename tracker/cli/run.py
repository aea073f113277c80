"""`tracker run`: a task file or one command, once; or what it would do."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Any

import click

from graph.clock import now
from graph.errors import WrongUse
from graph.reference import Platform
from rebuild.context.where import Folder, Nothing, Source
from rebuild.context_secrets import ContextSecrets
from rebuild.context_secrets import Sources as ContextSources
from rebuild.definition import Definition, FileStep, InlineStep
from rebuild.preparation import prepare
from rebuild.run import outputs_of
from rebuild.run_variables import RunVariables
from rebuild.runs import Status
from rebuild.secret import HIDDEN, Secret
from rebuild.step_place import EngineCalls, EngineKind, PlanSetting, RunPlace
from rebuild.step_plan import plan_steps
from rebuild.task_work import Work, command_file, finish_work, prepare_work, read_written
from rebuild.template import Surroundings
from rebuild.values import parse_assignments
from tracker.carrying import carry_out_here, to_terminal
from tracker.cli.habits import PLACES, RUNS, json_option, takes
from tracker.cli.main import Place, report
from tracker.cli.option_types import PLATFORM, SECONDS
from tracker.cli.secret_options import GIT_TOKEN, context_secrets
from tracker.cli.table import print_json
from tracker.equipping import read_context_secrets
from tracker.remote.request import RunTyped
from tracker.remote.service import ServerAsked, Wait, refuse_to_detach, server_options, wait_options
from tracker.settings import Settings, load
from tracker.state import State, find_config, find_state
from tracker.workshop import Workshop, host_platform

STDIN = "-"
DEFAULT_FILE = "acb.yaml"
NO_CONTEXT = "/dev/null"
DRY_RUN_ID = "dryrun"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed."""

    context: str
    file: str | None
    command: str | None
    values_file: str | None
    values: Mapping[str, str]
    secret_values: Mapping[str, Secret]
    platform: str | None
    timeout_s: float | None
    strict: bool
    opening: ContextSources  # of the context


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
    "--set-secret", "secret_assignments", multiple=True, metavar="NAME[=VALUE]",
    help="A secret value. Without =VALUE: from the environment.",
)  # fmt: skip
@GIT_TOKEN
@click.option("--platform", type=PLATFORM, metavar="OS/ARCH", help="Default: that of this machine.")
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
        secret_values=_secret_values(secret_assignments),
        platform=platform,
        timeout_s=timeout_s,
        strict=strict,
        opening=context_secrets(context, git_token),
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
    if dry_run:
        _print_plan(asyncio.run(_planned(asked, definition, settings, state)), as_json=as_json)
        return 0
    return _carry_out(asked, definition, settings, state, as_json=as_json)


takes(run, *PLACES, *RUNS)


def definition_of(asked: Asked, settings: Settings) -> Definition:
    """What was typed as a definition; a task file that is not in the context comes along with it."""
    source = Source.parse(asked.context)
    return Definition(
        context=str(source.place.path.resolve()) if isinstance(source.place, Folder) else str(source),
        step=step_of(asked, source),
        platform=Platform.parse(asked.platform) if asked.platform else host_platform(),
        timeout_s=asked.timeout_s or settings.rebuild.timeout,
    )


def step_of(asked: Asked, source: Source) -> FileStep | InlineStep:
    if asked.command is not None:
        if asked.file is not None:
            raise WrongUse("--cmd and --file exclude each other", hint="give one of them")
        return InlineStep(command_file(asked.command, asked.timeout_s), "", asked.values, asked.strict)
    file = asked.file or DEFAULT_FILE
    if file == STDIN:
        return InlineStep(sys.stdin.read(), _values_text(asked), asked.values, asked.strict)
    if isinstance(source.place, Nothing):
        return InlineStep(_read_here(file), _values_text(asked), asked.values, asked.strict)
    return FileStep(file, asked.values_file, asked.values, asked.strict)


def _values_text(asked: Asked) -> str:
    return _read_here(asked.values_file) if asked.values_file else ""


def _read_here(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise WrongUse(f"task file {name!r}: {reason}", hint="name one with --file") from None


def _secret_values(assignments: tuple[str, ...]) -> dict[str, Secret]:
    found = {}
    for text in assignments:
        name, given, value = text.partition("=")
        if not given and name not in os.environ:
            raise WrongUse(f"--set-secret {name!r} has no value, and the environment has none of that name")
        found[name] = Secret(value if given else os.environ[name])
    return found


async def _planned(
    asked: Asked, definition: Definition, settings: Settings, state: State
) -> dict[str, object]:
    """The plan, with *** for what a vault would give."""
    step = definition.step
    assert isinstance(step, FileStep | InlineStep)
    with tempfile.TemporaryDirectory(prefix="tracker-") as scratch:
        opening = await _opened(asked, settings, state)
        context = (await prepare(definition, Path(scratch), to_terminal, secrets=opening)).folder
        written = read_written(step, context, asked.secret_values)
        here = definition.platform
        variables = RunVariables(
            DRY_RUN_ID, now(), settings.registry, os=here.os, architecture=here.architecture
        )
        prepared = prepare_work(
            written,
            variables,
            Surroundings(now(), SystemRandom()),
            context=context,
            aliases=settings.alias_rules,
        )
        hidden = {source.id: Secret(HIDDEN) for source in prepared.wanted}
        work = finish_work(prepared, written, hidden, strict=asked.strict)
    return plan_json(work, settings, state, definition)


async def _opened(asked: Asked, settings: Settings, state: State) -> ContextSecrets:
    if not asked.opening:
        return ContextSecrets()
    async with Workshop(settings, state) as workshop:
        return await read_context_secrets(asked.opening, workshop.places())


def plan_json(work: Work, settings: Settings, state: State, definition: Definition) -> dict[str, object]:
    """What the engine would be called with, on a machine that needs no special options."""
    kind = EngineKind.DOCKER if settings.engine == "docker" else EngineKind.PODMAN
    setting = PlanSetting(
        RunPlace(DRY_RUN_ID, str(state.scratch / DRY_RUN_ID)),
        EngineCalls.unprobed(kind),
        platform=definition.platform,
    )
    steps = plan_steps(work.taskfile, setting, secrets=work.secrets)
    return {
        "steps": [planned.to_json(work.secrets) for planned in steps],
        "warnings": [str(warning) for warning in work.taskfile.warnings],
    }


def _print_plan(plan: dict[str, Any], *, as_json: bool) -> None:
    for warning in plan["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        print_json({"steps": plan["steps"]})
        return
    for step in plan["steps"]:
        after = f" after {', '.join(step['depends_on'])}" if step["depends_on"] else ""
        click.echo(click.style(f"{step['id']}: {step['kind']}{after}", bold=True))
        for call in [step["argv"], *step.get("also", [])]:
            click.echo(f"  {shlex.join(call)}")


def _carry_out(
    asked: Asked, definition: Definition, settings: Settings, state: State, *, as_json: bool
) -> int:
    workshop = Workshop(
        settings,
        state,
        listen=to_terminal,
        typed_values=asked.secret_values,
        typed_context=asked.opening,
    )
    done, outcome = asyncio.run(carry_out_here(workshop, definition))
    if outcome.error is not None:
        report(outcome.error, outcome.hint)
    outputs = outputs_of(outcome)
    if as_json:
        told = {"run_id": done.run_id, "status": outcome.status, "error": outcome.error, "outputs": outputs}
        click.echo(json.dumps(told, indent=2))
    else:
        for output in outputs:
            click.echo(f"{output['reference']}@{output['digest']}")
        click.echo(f"Run ID: {done.run_id} {outcome.status.lower()}", err=True)
    return 0 if outcome.status is Status.SUCCEEDED else 1
