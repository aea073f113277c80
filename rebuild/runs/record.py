"""A run as a value: its id, its status, why it exists. Knows no table.

Queued → Started → Running → Succeeded | Failed | Canceled | Error | Timeout
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from graph.record import dataclass
from rebuild.runs.definition import Definition


class Status(StrEnum):
    """Where a run stands."""

    QUEUED = "Queued"  # nobody works on it
    STARTED = "Started"  # a process has claimed it
    RUNNING = "Running"  # the engine is at work
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"  # a step failed: the image owner acts
    CANCELED = "Canceled"  # somebody said so
    ERROR = "Error"  # our fault, the registry's or the machine's
    TIMEOUT = "Timeout"

    @property
    def finished(self) -> bool:
        return self not in (Status.QUEUED, Status.STARTED, Status.RUNNING)


class Cause(StrEnum):
    """Why a run exists."""

    MANUAL = "manual"
    QUICK = "quick"
    COMMIT = "commit"
    PULL_REQUEST = "pull-request"
    BASE_IMAGE = "base-image"
    TIMER = "timer"
    UPSTREAM = "upstream"  # an image of ours below it was rebuilt


@dataclass(frozen=True, slots=True)
class Run:
    """One execution, as the table has it."""

    number: int
    run_id: str
    task_id: int | None
    wave_id: int | None
    cause: Cause
    definition: Definition
    status: Status
    attempt: int
    intent: str | None
    created_at: datetime
    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class Queue:
    """How the runs stand that are not over. `oldest_at`: when the oldest of the queued was asked for."""

    queued: int
    oldest_at: datetime | None
    claimed: int


def run_id_of(number: int) -> str:
    """Short, `[a-z0-9]+`, and increasing as text too: `a1` … `az`, `b10` … `bzz`, `c100` …

    The letter tells how many digits (base 36) follow. It may serve as an image tag.
    """
    digits = ""
    while number:
        number, remainder = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[remainder] + digits
    return chr(ord("a") + len(digits) - 1) + digits
