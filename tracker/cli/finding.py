"""One thing that `tracker doctor` tried, and how it is to be taken."""

from __future__ import annotations

from enum import StrEnum

from graph.record import dataclass


class Mark(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    NOTE = "note"  # works without it
    FAULT = "fault"  # something will fail until somebody acts


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried."""

    subject: str
    mark: Mark
    text: str
    hint: str | None = None
