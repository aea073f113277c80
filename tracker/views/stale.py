"""The images whose bases have moved, and what becomes of them. Prints nothing."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime

from graph.drift import read_pinned
from graph.record import dataclass
from graph.staleness import Decision, Reason, Verdict
from tracker.views.look import Look
from tracker.views.verdicts import Names, decide_all, read_names


@dataclass(frozen=True, slots=True)
class StaleImages:
    """The decisions about images whose bases have moved, the most urgent first.

    At the end stand the images on pinned bases whose tags have moved: nothing follows from those.
    `following` counts those that stand on images which will be rebuilt.
    """

    found: list[Decision]
    names: Names
    following: int

    @property
    def stale(self) -> list[Decision]:
        return [decision for decision in self.found if decision.reason is not Reason.PINNED]


def stale_view(look: Look) -> StaleImages:
    _, decisions = decide_all(look)
    found = sorted((d for d in decisions.values() if d.evidence), key=_urgency)
    found += pinned_behind(look, {decision.image_id for decision in found})
    following = sum(1 for decision in decisions.values() if decision.pending and not decision.evidence)
    return StaleImages(found, read_names(look, found), following)


def pinned_behind(look: Look, stale: Container[int]) -> list[Decision]:
    """Images that are what their files say, and whose files have fallen behind, the longest first."""
    pinned = read_pinned(look.sql)
    told = [
        Decision(image_id, Verdict.KEEP, Reason.PINNED, evidence)
        for image_id, evidence in pinned.items()
        if image_id not in stale
    ]
    return sorted(told, key=_urgency)


def _urgency(decision: Decision) -> tuple[int, datetime]:
    """Blocked ones first, for a person has to act; then by how long they have been stale."""
    return int(decision.verdict is not Verdict.BLOCKED), min(moved.since for moved in decision.evidence)
