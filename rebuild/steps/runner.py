"""Starts steps when they are ready and stops them when the run has failed. Knows no engine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import field
from datetime import datetime
from typing import Any

from graph.record import dataclass
from rebuild.steps.one_step import StepResult
from rebuild.steps.progress import Progress, Trouble
from rebuild.taskfile import Step, StepStatus
from rebuild.uninterrupted import uninterrupted

Start = Callable[[Step], Coroutine[Any, Any, StepResult]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How many steps at a time, and how long. `None` is no bound."""

    timeout_s: float = 3600.0
    last_steps_s: float = 60.0  # for steps that run in spite of a cancellation or time-out
    steps_most: int | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """What became of each step, in the order of the file, and why the run ended early, if it did."""

    results: tuple[StepResult, ...]
    trouble: Trouble | None


async def run_steps(
    steps: tuple[Step, ...],
    start: Start,
    pace: Pace,
    *,
    now: Callable[[], datetime],
    canceled: asyncio.Event | None = None,
    ended: Callable[[StepResult], None] = lambda result: None,
) -> Course:
    """Run them all; `ended` hears of each when it is over. Setting `canceled` stops what runs; steps that ask
    for it still get `last_steps_s`.

    Cancelling the call itself stops everything at once. What a step raises is raised, and stops the others.
    """
    async with _Runner(steps, start, pace, now, ended).at_work(canceled or asyncio.Event()) as runner:
        await runner.to_the_end()
        return runner.course()


@dataclass
class _Runner:
    steps: tuple[Step, ...]
    start: Start
    pace: Pace
    now: Callable[[], datetime]
    ended: Callable[[StepResult], None]
    progress: Progress = field(init=False)
    began: dict[str, datetime] = field(default_factory=dict)
    tasks: dict[asyncio.Task[StepResult], Step] = field(default_factory=dict)
    results: dict[str, StepResult] = field(default_factory=dict)
    alarms: dict[asyncio.Task[object], Trouble] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.progress = Progress(self.steps)

    @contextlib.asynccontextmanager
    async def at_work(self, canceled: asyncio.Event) -> AsyncIterator[_Runner]:
        self._set_alarm(canceled.wait(), Trouble.CANCELED)
        self._set_alarm(asyncio.sleep(self.pace.timeout_s), Trouble.TIMED_OUT)
        try:
            yield self
        finally:
            await uninterrupted(_ended((*self.tasks, *self.alarms)))

    async def to_the_end(self) -> None:
        while not self.progress.is_over:
            while turn := self.progress.turn(self.pace.steps_most):
                for step_id in turn.skip:
                    self._note(StepResult(step_id, self._step(step_id).kind, StepStatus.SKIPPED))
                for step_id in turn.stop:
                    self._stop(step_id)
                for step_id in turn.start:
                    self._start(self._step(step_id))
            if not self.progress.is_over:
                await self._wait()

    def course(self) -> Course:
        return Course(tuple(self.results[step.id] for step in self.steps), self.progress.trouble)

    def _start(self, step: Step) -> None:
        self.progress = self.progress.started(step.id)
        self.began[step.id] = self.now()
        self.tasks[asyncio.create_task(self.start(step))] = step

    def _stop(self, step_id: str) -> None:
        self.progress = self.progress.told_to_stop(step_id)
        next(task for task, step in self.tasks.items() if step.id == step_id).cancel()

    async def _wait(self) -> None:
        done, _ = await asyncio.wait([*self.tasks, *self.alarms], return_when=asyncio.FIRST_COMPLETED)
        for task in [task for task in self.tasks if task in done]:
            step = self.tasks.pop(task)
            self._note(self._stopped(step) if task.cancelled() else task.result())
        for alarm in [alarm for alarm in self.alarms if alarm in done]:
            self._ring(self.alarms.pop(alarm))

    def _stopped(self, step: Step) -> StepResult:
        began = self.began[step.id]
        return StepResult(step.id, step.kind, StepStatus.CANCELED, began, self.now(), tries=1)

    def _note(self, result: StepResult) -> None:
        self.results[result.id] = result
        self.progress = self.progress.ended(result.id, result.outcome)
        self.ended(result)

    def _ring(self, trouble: Trouble) -> None:
        """The last steps have a time of their own; when that is over, they are stopped, too."""
        if trouble is Trouble.TIMED_OUT and self.progress.is_interrupted:
            self.progress = self.progress.closed()
            return
        self.progress = self.progress.interrupted(trouble)
        self._set_alarm(asyncio.sleep(self.pace.last_steps_s), Trouble.TIMED_OUT)

    def _set_alarm(self, waiting: Coroutine[Any, Any, object], trouble: Trouble) -> None:
        self.alarms[asyncio.create_task(waiting)] = trouble

    def _step(self, step_id: str) -> Step:
        return next(step for step in self.steps if step.id == step_id)


async def _ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Stop them all, and wait until they have cleared up."""
    waiting = list(tasks)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
