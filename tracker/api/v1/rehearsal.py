"""Reads the task file of a run before the run is queued, where that needs no fetching. Runs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from rebuild.aliases import SourceUnavailable
from rebuild.context.fault import ContextError
from rebuild.context.where import Folder, Nothing, Source, Uploaded
from rebuild.runs.definition import Definition, FileStep, InlineStep
from rebuild.runs.preparation import prepare
from rebuild.runs.uploads import MIB, upload_path
from rebuild.secrets.secret import Secret
from rebuild.steps.step_place import EngineCalls, EngineKind, PlanSetting, RunPlace
from rebuild.steps.step_plan import plan_steps, refuse_exposed
from rebuild.tasks.task_scan import read_work
from tracker.api.v1.desk import Desk

WAIT_S = 10.0
UPLOAD_BYTES_MOST = 32 * MIB
AT_ONCE_MOST = 2


class Rehearsal:
    """A mistake in a task file at hand makes no run, as it makes none of `tracker run` in its own process.

    What is not at hand, too large or too slow is left to the run, which tells the same.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._turn = asyncio.Semaphore(AT_ONCE_MOST)

    async def check(self, definition: Definition, values: Mapping[str, Secret]) -> None:
        """`values` are the secrets that came along. Raises `WrongUse`."""
        step = definition.step
        if not isinstance(step, FileStep | InlineStep) or not self._is_at_hand(definition):
            return
        try:
            async with asyncio.timeout(WAIT_S), self._turn:
                await self._plan(definition, step, values)
        except (TimeoutError, ContextError, SourceUnavailable):
            return

    def _is_at_hand(self, definition: Definition) -> bool:
        match Source.parse(definition.context).place:
            case Nothing() | Folder():
                return True
            case Uploaded(upload_id=upload_id):
                size = upload_path(self._desk.state.uploads, upload_id).stat().st_size
                return size <= UPLOAD_BYTES_MOST
            case _:
                return False

    async def _plan(
        self, definition: Definition, step: FileStep | InlineStep, values: Mapping[str, Secret]
    ) -> None:
        archive = self._desk.archive
        with archive.scanning() as scanning:
            context = await prepare(definition, scanning.scratch, scanning.log, self._desk.state.uploads)
            work = await read_work("", definition, step, context, replace(scanning, given_values=values))
            setting = PlanSetting(
                RunPlace("rehearsal", str(scanning.scratch)),
                EngineCalls.unprobed(EngineKind.PODMAN),
                rules=archive.rules,
                platform=definition.platform,
            )
            refuse_exposed(await asyncio.to_thread(plan_steps, work.taskfile, setting, secrets=work.secrets))
