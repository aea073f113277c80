"""`tracker run` in this process: what it would do, and doing it."""

from __future__ import annotations

import asyncio
import json
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Any

import click

from graph.clock import now
from graph.dockerfile.error import printable
from graph.record import dataclass
from rebuild.context.where import Folder, Nothing
from rebuild.context.where import Source as ContextSource
from rebuild.rendering import Prepared as PreparedText
from rebuild.runs.definition import Definition, FileStep, InlineStep
from rebuild.runs.preparation import Prepared, prepare
from rebuild.runs.record import Cause
from rebuild.runs.run import outputs_of
from rebuild.runs.run_summary import summary
from rebuild.runs.run_variables import RunVariables
from rebuild.runs.table import Run, Status
from rebuild.secrets.context_secrets import ContextSecrets
from rebuild.secrets.secret import UNKNOWN, Secret
from rebuild.secrets.secret_source import Opaque, Source
from rebuild.steps.foreseen import Foreseen, foresee
from rebuild.steps.step_place import EngineCalls, EngineKind, PlanSetting, RunPlace
from rebuild.steps.step_plan import PlannedStep, plan_steps, refuse_exposed
from rebuild.steps.task_work import Work, Written, finish_work, prepare_work, read_written
from rebuild.template import Surroundings
from tracker.carrying import carry_out_here
from tracker.cli.main import report
from tracker.cli.run_typed import Asked
from tracker.cli.secret_options import input_for
from tracker.cli.table import print_json
from tracker.equipping import read_context_secrets
from tracker.settings.settings import Settings
from tracker.state import State
from tracker.terminal import Terminal
from tracker.workshop import Workshop, reaching, unheard, user_credentials

if TYPE_CHECKING:  # most machines have no workers
    from rebuild.steps.plan_elsewhere import WorkersOfPlan

DRY_RUN_ID = "dryrun"


def print_plan(
    asked: Asked, definition: Definition, settings: Settings, state: State, *, as_json: bool
) -> None:
    """The engine calls of each step; needs no engine."""
    with tempfile.TemporaryDirectory(prefix="tracker-") as scratch:
        ready = asyncio.run(_ready(asked, definition, settings, state, Path(scratch)))
        foreseen = foresee(*ready.text, strict=asked.strict)
        plan = plan_json(foreseen, settings, state, definition, ready.context)
    _print_plan(plan, as_json=as_json)


def run_here(
    asked: Asked, definition: Definition, settings: Settings, state: State, *, quiet: bool, as_json: bool
) -> int:
    """Carry it out; answers the exit status. A mistake in a task file of this machine makes no run."""
    if isinstance(ContextSource.parse(definition.context).place, Folder | Nothing):
        work = asyncio.run(_work(asked, definition, settings, state))
        refuse_exposed(_planned(work, settings, state, definition))
    return _carry_out(asked, definition, settings, state, quiet=quiet, as_json=as_json)


async def _work(asked: Asked, definition: Definition, settings: Settings, state: State) -> Work:
    """What there is to do, with *** for what a vault would give."""
    with tempfile.TemporaryDirectory(prefix="tracker-") as scratch:
        ready = await _ready(asked, definition, settings, state, Path(scratch))
        return finish_work(*ready.text, strict=asked.strict)


@dataclass(frozen=True, slots=True)
class _Ready:
    """The task file and its secrets, to be rendered, and the context that it is of."""

    text: tuple[PreparedText, Written, dict[str, Secret]]
    context: Path


async def _ready(
    asked: Asked, definition: Definition, settings: Settings, state: State, scratch: Path
) -> _Ready:
    """`scratch` is a folder for the context, unless that is one of this machine."""
    step = definition.step
    assert isinstance(step, FileStep | InlineStep)
    opening = await _opened(asked, settings, state)
    stdin = input_for(asked.context)
    reach = reaching(settings).as_whom(user_credentials())
    fetched = await prepare(
        definition, scratch, Terminal.of_command().hear, secrets=opening, reach=reach, stdin=stdin
    )
    context = fetched.folder
    written = read_written(step, context, _unfetched(asked.secret_values))
    variables = _variables(definition, fetched, settings.registry)
    prepared = prepare_work(
        written,
        variables,
        Surroundings(variables.date, SystemRandom()),
        context=context,
        aliases=settings.alias_rules,
    )
    hidden = dict.fromkeys((source.id for source in prepared.wanted), UNKNOWN)
    return _Ready((prepared, written, hidden), context)


def _unfetched(sources: Mapping[str, Source]) -> dict[str, Secret]:
    """What a plan has in the place of secrets; none is fetched for it."""
    return {name: source.value if isinstance(source, Opaque) else UNKNOWN for name, source in sources.items()}


def _variables(definition: Definition, fetched: Prepared, registry: str) -> RunVariables:
    """As a run would have them, but for its id."""
    return RunVariables(
        DRY_RUN_ID,
        now(),
        registry,
        os=definition.platform.os,
        architecture=definition.platform.architecture,
        commit=fetched.commit or "",
        branch=fetched.branch or "",
        triggered_by=Cause.QUICK,
    )


async def _opened(asked: Asked, settings: Settings, state: State) -> ContextSecrets:
    if not asked.opening:
        return ContextSecrets()
    async with Workshop(settings, state) as workshop:
        return await read_context_secrets(asked.opening, workshop.places())


def plan_json(
    foreseen: Foreseen, settings: Settings, state: State, definition: Definition, context: Path
) -> dict[str, object]:
    """What the engines would be called with, for people and programs."""
    work = foreseen.work
    planned = _planned(work, settings, state, definition, context)
    steps = [step.to_json(work.secrets) for step in planned]
    for step in steps:
        if lacking := foreseen.lacking(step):
            step["lacks"] = lacking
    warnings = [*foreseen.refusals, *work.taskfile.warnings]
    return {
        "steps": foreseen.restored(steps),
        "warnings": foreseen.restored([warning.with_hint for warning in warnings]),
    }


def _planned(
    work: Work, settings: Settings, state: State, definition: Definition, context: Path | None = None
) -> tuple[PlannedStep, ...]:
    """The calls on a machine that needs no special options; with a context also those of workers."""
    place = RunPlace(DRY_RUN_ID, str(state.scratch / DRY_RUN_ID))
    kind = EngineKind.DOCKER if settings.engine == "docker" else EngineKind.PODMAN
    setting = PlanSetting(
        place,
        EngineCalls.unprobed(kind),
        rules=settings.step_rules,
        platform=definition.platform,
        registry=settings.registry,
        elsewhere=_elsewhere(settings, context, place.workspace) if context else None,
    )
    return plan_steps(work.taskfile, setting, secrets=work.secrets)


def _elsewhere(settings: Settings, context: Path, workspace: str) -> WorkersOfPlan | None:
    if not settings.workers:
        return None
    from rebuild.steps.plan_elsewhere import WorkersOfPlan

    workers = tuple(section.named(name) for name, section in settings.workers.items())
    return WorkersOfPlan(workers, context, workspace)


def _print_plan(plan: dict[str, Any], *, as_json: bool) -> None:
    for warning in plan["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        print_json({"steps": plan["steps"]})
        return
    for step in plan["steps"]:
        after = f" after {', '.join(step['depends_on'])}" if step["depends_on"] else ""
        click.echo(click.style(printable(f"{step['id']}: {step['kind']}{after}"), bold=True))
        if "fetch" in step:
            click.echo(f"  fetch {printable(step['fetch'])}")
        before = [step["pull"]] if "pull" in step else []
        for call in [*before, step["argv"], *step.get("also", [])]:
            click.echo(f"  {_shown(call)}")
        for sign, key in (("|", "pipe"), ("then", "then")):
            if key in step:
                click.echo(f"  {sign} {_shown(step[key])}")


def _shown(call: Sequence[str]) -> str:
    """As a shell takes it, without what a terminal would take for its own."""
    return "\n".join(map(printable, shlex.join(call).split("\n")))


def _announce(run: Run) -> None:
    click.echo(f"Queued a run with ID: {run.run_id}", err=True)


def _carry_out(
    asked: Asked, definition: Definition, settings: Settings, state: State, *, quiet: bool, as_json: bool
) -> int:
    terminal = Terminal.of_command()
    workshop = Workshop(
        settings,
        state,
        listen=unheard if quiet else terminal.hear,
        on_push=None if quiet else terminal.on_push,
        typed_values=asked.secret_values,
        typed_context=asked.opening,
        stdin=input_for(asked.context),
    )
    done, outcome = asyncio.run(carry_out_here(workshop, definition, announce=_announce))
    if outcome.error is not None:
        report(outcome.error, outcome.hint)
    outputs = outputs_of(outcome)
    if as_json:
        told = {"run_id": done.run_id, "status": outcome.status, "error": outcome.error, "outputs": outputs}
        click.echo(json.dumps(told, indent=2))
    else:
        for output in outputs:
            click.echo(f"{output['reference']}@{output['digest']}")
        click.echo(summary(done.run_id, outcome.status, (now() - done.created_at).total_seconds()), err=True)
    return 0 if outcome.status is Status.SUCCEEDED else 1
