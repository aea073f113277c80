"""How the steps of a run have ended so far: what an `if` may ask about. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from graph.record import dataclass


class StepStatus(StrEnum):
    """How a step ended, as `steps.ID.status` tells it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What a step that has ended left. `exit_code` is None where no container ran."""

    status: StepStatus
    exit_code: int | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What an `if` may ask about, at the moment when its step could start."""

    steps: Mapping[str, StepOutcome]
    failed: bool = False  # some step has failed, and was not told to ignore it
    canceled: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
