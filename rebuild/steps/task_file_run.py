"""A run whose definition is a task file: context, rendering, steps. Writes nothing down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from random import SystemRandom

from graph.errors import TrackerError
from graph.record import dataclass
from rebuild.alias_rules import AliasRules
from rebuild.context.fetch import Access, fetch
from rebuild.context.reach import Reach
from rebuild.context.where import Source
from rebuild.runs.cancellation import Cancellation
from rebuild.runs.definition import FileStep, InlineStep
from rebuild.runs.equipment import Discretion, Equipment
from rebuild.runs.preparation import Prepared, prepare
from rebuild.runs.record import Run
from rebuild.runs.run_names import variables_of
from rebuild.steps.intents import Intents
from rebuild.steps.run_site import FetchContext
from rebuild.steps.runner import Pace
from rebuild.steps.step_log import StepLog
from rebuild.steps.step_records import StepRecord
from rebuild.steps.step_rules import StepRules
from rebuild.steps.task_run import TaskMeans, TaskOutcome, TaskRequest, run_task
from rebuild.steps.task_work import Work, finish_work, prepare_work, read_written
from rebuild.template import Surroundings


class NoContainers(TrackerError):
    """The process that has the run cannot start containers."""


@dataclass(frozen=True, slots=True)
class TaskPlace:
    """Where a run of a task file happens."""

    folder: Path  # the run's alone, and named by its id: by it are containers of dead runs found
    uploads: Path | None
    registry: str  # `.Run.Registry`
    task_name: str
    aliases: AliasRules
    cancellation: Cancellation = field(default_factory=Cancellation)
    rules: StepRules = field(default_factory=StepRules)
    ended: Callable[[StepRecord], None] = lambda step: None  # hears of each step when it is over
    note: Callable[[str], None] = lambda text: None  # writes down what is about to be pushed


async def run_task_file(
    run: Run, step: FileStep | InlineStep, place: TaskPlace, equipment: Equipment, hear: Discretion
) -> TaskOutcome:
    """Carry out the steps in a folder of the run's own; a local context is copied there first."""
    if equipment.containers is None:
        raise NoContainers("no engine that runs containers is at hand")
    request = await _request(run, step, place, equipment, hear)
    log = StepLog(hear)
    means = TaskMeans(
        tools=equipment.tools,
        containers=equipment.containers,
        fetch=_fetch_with(hear, equipment.reach),
        sink=log.feed,
        rules=place.rules,
        pace=Pace(timeout_s=run.definition.timeout_s),
        ended=place.ended,
        pushes=not run.definition.is_trial,
        intents=Intents.resuming(run.intent, place.note),
    )
    try:
        with place.cancellation.awaited() as canceled:
            return await run_task(request, means, canceled=canceled)
    finally:
        log.finish()


async def _request(
    run: Run, step: FileStep | InlineStep, place: TaskPlace, equipment: Equipment, hear: Discretion
) -> TaskRequest:
    """With the context as the workspace."""
    context = await prepare(
        run.definition,
        place.folder,
        hear,
        place.uploads,
        secrets=equipment.context_secrets,
        reach=equipment.reach,
        stdin=equipment.stdin,
        in_place=False,
    )
    work = await _work(run, step, context, place, equipment)
    hear.learn_more(work.secrets)
    for warning in work.taskfile.warnings:
        hear(f"warning: {warning.with_hint}\n".encode())
    context.folder.rename(place.folder / "workspace")
    return TaskRequest(
        work.taskfile,
        run.run_id,
        place.folder,
        work.secrets,
        run.definition.platform,
        context.commit,
        run.definition.follow,
        place.task_name,
        place.registry,
    )


async def _work(
    run: Run, step: FileStep | InlineStep, context: Prepared, place: TaskPlace, equipment: Equipment
) -> Work:
    written = read_written(step, context.folder, equipment.values)
    now = equipment.tools.now()
    variables = variables_of(run, context, registry=place.registry, task_name=place.task_name)
    prepared = await asyncio.to_thread(
        prepare_work,
        written,
        variables,
        Surroundings(now, SystemRandom()),
        context=context.folder,
        aliases=place.aliases,
    )
    wanted = {source.id: source.keyvault for source in prepared.wanted}
    secrets = await equipment.read_keyvaults(wanted) if wanted else {}
    return finish_work(prepared, written, secrets, strict=step.strict)


def _fetch_with(hear: Discretion, reach: Reach) -> FetchContext:
    """Not with the secrets of the task's own context: who writes a task file may name any server."""

    async def fetch_context(text: str, into: Path) -> Path:
        with hear.stream() as log:
            source, access = Source.parse(text), Access(reach=reach)
            return (await fetch(source, into, log=log, access=access, in_place=False)).folder

    return fetch_context
