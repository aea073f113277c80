"""A run whose definition is a task file: context, rendering, steps. Writes nothing down."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import SystemRandom

from graph.errors import TrackerError
from rebuild.context.fetch import fetch
from rebuild.context.where import Source
from rebuild.definition import FileStep, InlineStep
from rebuild.equipment import Discretion, Equipment
from rebuild.preparation import Prepared, prepare
from rebuild.run_record import Run
from rebuild.run_variables import RunVariables
from rebuild.steps.narration import RUN
from rebuild.steps.run_site import FetchContext
from rebuild.steps.runner import Pace
from rebuild.task_run import TaskMeans, TaskOutcome, TaskRequest, run_task
from rebuild.task_work import Work, finish_work, prepare_work, read_written
from rebuild.template import Surroundings

_STAMP = re.compile(rb"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ")
LINE_BYTES_MOST = 8192  # of a line without an end, until it is handed on as it is


class NoContainers(TrackerError):
    """The process that has the run cannot start containers."""


@dataclass(frozen=True, slots=True)
class TaskPlace:
    """Where a run of a task file happens."""

    folder: Path  # the run's alone, and named by its id: by it are containers of dead runs found
    uploads: Path | None
    registry: str  # `.Run.Registry`
    task_name: str


async def run_task_file(
    run: Run, step: FileStep | InlineStep, place: TaskPlace, equipment: Equipment, hear: Discretion
) -> TaskOutcome:
    """Carry out the steps in a folder of the run's own; a local context is copied there first."""
    if equipment.containers is None:
        raise NoContainers("no engine that runs containers is at hand")
    context = await prepare(
        run.definition,
        place.folder,
        hear,
        place.uploads,
        git_token=equipment.git_token,
        in_place=False,
    )
    work = await _work(run, step, context, place, equipment)
    hear.learn(replace(equipment, hidden=(*equipment.hidden, *work.secrets)))
    for warning in work.taskfile.warnings:
        hear(f"warning: {warning}\n".encode())
    context.folder.rename(place.folder / "workspace")
    lines = StepLines(hear)
    request = TaskRequest(
        work.taskfile, run.run_id, place.folder, work.secrets, run.definition.platform, context.commit
    )
    means = TaskMeans(
        tools=equipment.tools,
        containers=equipment.containers,
        fetch=_fetch_with(hear),
        sink=lines.feed,
        pace=Pace(timeout_s=run.definition.timeout_s),
    )
    try:
        return await run_task(request, means)
    finally:
        lines.flush()


async def _work(
    run: Run, step: FileStep | InlineStep, context: Prepared, place: TaskPlace, equipment: Equipment
) -> Work:
    written = read_written(step, context.folder, equipment.values)
    now = equipment.tools.now()
    variables = RunVariables(
        id=run.run_id,
        date=run.created_at,
        registry=place.registry,
        os=run.definition.platform.os,
        architecture=run.definition.platform.architecture,
        commit=context.commit or "",
        branch=context.branch or "",
        task_name=place.task_name,
        triggered_by=str(run.cause),
    )
    prepared = prepare_work(written, variables, Surroundings(now, SystemRandom()), context=context.folder)
    wanted = {source.id: source.keyvault for source in prepared.wanted}
    secrets = await equipment.read_keyvaults(wanted) if wanted else {}
    return finish_work(prepared, written, secrets)


def _fetch_with(log: Callable[[bytes], None]) -> FetchContext:
    async def fetch_context(text: str, into: Path) -> Path:
        return (await fetch(Source.parse(text), into, log=log, in_place=False)).folder

    return fetch_context


@dataclass(slots=True)
class StepLines:
    """Puts the step's id before each line that a step prints, for several may print at the same time."""

    hear: Callable[[bytes], None]
    _begun: dict[str, bytes] = field(default_factory=dict)

    def feed(self, step: str, piece: bytes) -> None:
        """Hand on whole lines; the rest waits for its end."""
        *lines, rest = (self._begun.pop(step, b"") + piece).split(b"\n")
        for line in lines:
            self._say(step, line + b"\n")
        if len(rest) > LINE_BYTES_MOST:
            self._say(step, rest + b"\n")
        elif rest:
            self._begun[step] = rest

    def flush(self) -> None:
        for step, rest in self._begun.items():
            self._say(step, rest + b"\n")
        self._begun.clear()

    def _say(self, step: str, line: bytes) -> None:
        """Lines of tracker's own begin with the time and name the step themselves: scripts look for them."""
        is_ours = step == RUN or _STAMP.match(line) is not None
        self.hear(line if is_ours else f"{step}| ".encode() + line)
