"""The images whose bases have moved, and what becomes of them. Prints nothing."""

from __future__ import annotations

from datetime import datetime

from graph.record import dataclass
from graph.staleness import Decision, Verdict
from tracker.views.look import Look
from tracker.views.verdicts import Names, decide_all, read_names


@dataclass(frozen=True, slots=True)
class StaleImages:
    """The decisions about images whose bases have moved, the most urgent first.

    `following` counts those that stand on images which will be rebuilt.
    """

    found: list[Decision]
    names: Names
    following: int


def stale_view(look: Look) -> StaleImages:
    _, decisions = decide_all(look)
    found = sorted((d for d in decisions.values() if d.evidence), key=_urgency)
    following = sum(1 for decision in decisions.values() if decision.pending and not decision.evidence)
    return StaleImages(found, read_names(look, found), following)


def _urgency(decision: Decision) -> tuple[int, datetime]:
    """Blocked ones first, for a person has to act; then by how long they have been stale."""
    return int(decision.verdict is not Verdict.BLOCKED), min(moved.since for moved in decision.evidence)
