"""One step from its delay to its result, whatever it does: time limit, retries, faults, what is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import field
from datetime import datetime

from graph.errors import TrackerError, WrongUse
from graph.record import dataclass
from rebuild.images.registry import RegistryRefused
from rebuild.steps import narration
from rebuild.steps.attempts import Attempt, Try, persist
from rebuild.steps.build_context import copy_place
from rebuild.steps.build_step import prepare_build
from rebuild.steps.cmd_step import prepare_cmd
from rebuild.steps.push_step import prepare_push
from rebuild.steps.run_site import Site
from rebuild.taskfile import WORKSPACE, Kind, Step, StepOutcome, StepStatus

_NETWORK = "--network="


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one step ended. Times are None where it never started."""

    id: str
    kind: Kind
    status: StepStatus
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    error: str | None = None  # set, too, where errors are ignored
    hint: str | None = None
    is_our_fault: bool = False  # or the machine's, or a registry's: nothing that the task file says
    outputs: dict[str, str] = field(default_factory=dict)
    tries: int = 0

    @property
    def outcome(self) -> StepOutcome:
        """What conditions of later steps see."""
        return StepOutcome(self.status, self.exit_code, self.outputs)


@dataclass(frozen=True, slots=True)
class _End:
    attempt: Attempt
    hint: str | None = None
    is_our_fault: bool = False


@dataclass(slots=True)
class _Counted:
    """A try that counts how often it is made, whatever comes of it."""

    tries: int = 0

    def counting(self, attempt: Try) -> Try:
        async def once() -> Attempt:
            self.tries += 1
            return await attempt()

        return once


async def carry_out(step: Step, site: Site) -> StepResult:
    """Only a cancellation and defects of tracker escape."""
    started_at, started_s = site.tools.now(), time.monotonic()
    say = site.narrator.saying(step)
    if step.start_delay_s:
        say(f"Waiting {step.start_delay_s} seconds before step ID: {step.id}")
        await asyncio.sleep(step.start_delay_s)
    counted = _Counted()
    end = await _without_faults(step, site, counted)
    if not step.detach:
        site.narrator.ended(step)
    error = end.attempt.error
    if error is not None:
        say(narration.failed(step, error))
    if end.hint is not None:
        say(f"hint: {end.hint}")
    if error is None or step.ignore_errors:
        say(narration.successful(step, time.monotonic() - started_s))
    return StepResult(
        step.id,
        step.kind,
        StepStatus.SUCCEEDED if error is None or step.ignore_errors else StepStatus.FAILED,
        started_at,
        site.tools.now(),
        end.attempt.exit_code,
        error,
        end.hint,
        end.is_our_fault,
        site.outputs.get(step.id, {}),
        counted.tries,
    )


async def _without_faults(step: Step, site: Site, counted: _Counted) -> _End:
    """What tools complain of becomes the error of the step."""
    try:
        return _End(await _in_time(step, site, counted))
    except TrackerError as error:
        is_our_fault = not isinstance(error, WrongUse | RegistryRefused)
        return _End(Attempt(_as_seen(error.message, step, site)), error.hint, is_our_fault)


async def _in_time(step: Step, site: Site, counted: _Counted) -> Attempt:
    """The limit holds for all tries together. Bringing images and contexts here has limits of its own."""
    say = site.narrator.saying(step)
    say(narration.executing(step, _network(step, site)))
    attempt = counted.counting(await _PREPARE[step.kind](step, site))
    try:
        async with asyncio.timeout(step.timeout_s) as limit:
            if step.kind is Kind.PUSH:  # which has tries of its own for each image
                return await attempt()
            return await persist(step, attempt, say, what=step.id)
    except TimeoutError:
        if not limit.expired():
            raise
        return Attempt(f"timed out after {step.timeout_s} seconds")


def _as_seen(text: str, step: Step, site: Site) -> str:
    """Paths of the machine as the step knows them."""
    for folder in (copy_place(step, site), site.place):
        text = text.replace(folder.workspace, WORKSPACE)
    return text


def _network(step: Step, site: Site) -> str | None:
    if step.kind is not Kind.CMD:
        return None
    flags = (word for word in site.plan(step).calls[0] if word.startswith(_NETWORK))
    return next((word.removeprefix(_NETWORK) for word in flags), None)


_PREPARE: dict[Kind, Callable[[Step, Site], Awaitable[Try]]] = {
    Kind.CMD: prepare_cmd,
    Kind.BUILD: prepare_build,
    Kind.PUSH: prepare_push,
}
