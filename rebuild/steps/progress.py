"""How far a run is: which steps can start, which never will, which have to stop. Pure; starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from enum import Enum, StrEnum, auto
from typing import assert_never

from graph.record import dataclass
from rebuild.taskfile import Circumstances, Step, StepOutcome, StepStatus


class Trouble(StrEnum):
    """Why a run does not go on. The first reason counts."""

    FAILED = "failed"
    CANCELED = "canceled"
    TIMED_OUT = "timed out"


@dataclass(frozen=True, slots=True)
class Turn:
    """What there is to do now, by step id."""

    start: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.start or self.skip or self.stop)


class _Verdict(Enum):
    WAIT = auto()
    START = auto()
    SKIP = auto()


@dataclass(frozen=True, slots=True)
class Progress:
    """A step is unknown here (it waits), running, or has an outcome."""

    steps: tuple[Step, ...]
    running: frozenset[str] = frozenset()
    stopping: frozenset[str] = frozenset()
    outcomes: Mapping[str, StepOutcome] = field(default_factory=dict)
    trouble: Trouble | None = None
    is_interrupted: bool = False  # from outside: only the last steps still run
    is_closed: bool = False  # not even those

    @property
    def is_over(self) -> bool:
        return len(self.outcomes) == len(self.steps)

    def turn(self, running_most: int | None = None) -> Turn:
        """`running_most` bounds how many run side by side; those higher up in the file come first."""
        verdicts = {step.id: self._verdict(step) for step in self._waiting()}
        ready = [step_id for step_id, verdict in verdicts.items() if verdict is _Verdict.START]
        free = len(ready) if running_most is None else max(0, running_most - len(self.running))
        return Turn(
            start=tuple(ready[:free]),
            skip=tuple(step_id for step_id, verdict in verdicts.items() if verdict is _Verdict.SKIP),
            stop=tuple(step.id for step in self.steps if self._has_to_stop(step)),
        )

    def started(self, step_id: str) -> Progress:
        return replace(self, running=self.running | {step_id})

    def told_to_stop(self, step_id: str) -> Progress:
        return replace(self, stopping=self.stopping | {step_id})

    def ended(self, step_id: str, outcome: StepOutcome) -> Progress:
        """The first failure is the run's."""
        failed = outcome.status is StepStatus.FAILED
        return replace(
            self,
            running=self.running - {step_id},
            stopping=self.stopping - {step_id},
            outcomes={**self.outcomes, step_id: outcome},
            trouble=self.trouble or (Trouble.FAILED if failed else None),
        )

    def skipped(self, step_id: str) -> Progress:
        return self.ended(step_id, StepOutcome(StepStatus.SKIPPED))

    def interrupted(self, trouble: Trouble) -> Progress:
        """From now on only steps that ask for it run. After a failure the cancellation is what counts."""
        first = self.trouble if self.trouble is Trouble.CANCELED else trouble
        return replace(self, trouble=first, is_interrupted=True)

    def closed(self) -> Progress:
        """Nothing starts any more, and everything stops."""
        return replace(self, is_closed=True)

    def _waiting(self) -> list[Step]:
        return [step for step in self.steps if step.id not in self.outcomes and step.id not in self.running]

    def _verdict(self, step: Step) -> _Verdict:
        if self.is_closed or (self.trouble is not None and not _minds_trouble(step)):
            return _Verdict.SKIP
        if any(parent not in self.outcomes for parent in step.depends_on) or self._is_ahead(step):
            return _Verdict.WAIT
        if step.condition is not None and not step.condition.holds(self._circumstances(step)):
            return _Verdict.SKIP
        return _Verdict.START

    def _is_ahead(self, step: Step) -> bool:
        """Whether something before it is not over: a failure skips steps ahead of those that still run."""
        if self.trouble is None:
            return False
        waits_for = {each.id: each.depends_on for each in self.steps}
        behind, seen = list(step.depends_on), set(step.depends_on)
        while behind:
            outcome = self.outcomes.get(step_id := behind.pop())
            if outcome is None:
                return True
            if outcome.status is StepStatus.SKIPPED:
                behind += [parent for parent in waits_for[step_id] if parent not in seen]
                seen.update(waits_for[step_id])
        return False

    def _has_to_stop(self, step: Step) -> bool:
        if step.id not in self.running or step.id in self.stopping:
            return False
        return self.is_closed or (self.trouble is not None and not _minds_trouble(step))

    def _circumstances(self, step: Step) -> Circumstances:
        return Circumstances(
            self.outcomes,
            failed=_is_failure(self.trouble),
            canceled=self.trouble is Trouble.CANCELED,
            environment=dict(step.environment),
        )


def _minds_trouble(step: Step) -> bool:
    """Whether the step is one for the time after a failure: it decides by itself."""
    return step.is_finally or (step.condition is not None and step.condition.minds_failure)


def _is_failure(trouble: Trouble | None) -> bool:
    match trouble:
        case Trouble.FAILED | Trouble.TIMED_OUT:
            return True
        case Trouble.CANCELED | None:
            return False
        case _:
            assert_never(trouble)
