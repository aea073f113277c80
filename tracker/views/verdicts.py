"""Has every image decided upon, and finds the names that decisions speak of. Decides nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from graph.clock import to_text
from graph.record import dataclass
from graph.snapshot import read_snapshot
from graph.staleness import BaseMoved, Decision, Snapshot, decide
from rebuild.runs.waves import task_states
from tracker.reasons import why_decided
from tracker.settings.written import limits_of
from tracker.views.look import Look


@dataclass(frozen=True, slots=True)
class Names:
    """The names and digests that decisions speak of by number."""

    images: Mapping[int, str]
    digests: Mapping[int, str]


def decide_all(look: Look) -> tuple[Snapshot, dict[int, Decision]]:
    """What the service would decide at this moment, bases before the images on top of them."""
    snapshot = read_snapshot(look.sql, task_states(look.sql, look.now))
    return snapshot, decide(snapshot, look.now, limits_of(look.written))


def read_names(look: Look, decisions: Iterable[Decision]) -> Names:
    """The names of all images and digests in these decisions."""
    image_ids: set[int] = set()
    digest_ids: set[int] = set()
    for decision in decisions:
        image_ids.update((decision.image_id, *decision.waits_for))
        image_ids.update(moved.base_id for moved in decision.evidence)
        image_ids.update(moved.seen_at_id for moved in decision.evidence if moved.seen_at_id is not None)
        digest_ids.update(moved.recorded_id for moved in decision.evidence)
        digest_ids.update(moved.observed_id for moved in decision.evidence if moved.observed_id is not None)
    return Names(look.image_names(image_ids), look.digests(digest_ids))


def decision_json(decision: Decision, names: Names, at: datetime) -> dict[str, Any]:
    return {
        "reference": names.images[decision.image_id],
        "verdict": str(decision.verdict),
        "reason": str(decision.reason),
        "explanation": why_decided(decision, names.images, at),
        "evidence": [_evidence_json(moved, names) for moved in decision.evidence],
        "waits_for": [names.images[image_id] for image_id in decision.waits_for],
        "until": to_text(decision.until) if decision.until else None,
        "run_id": decision.run_id,
    }


def _evidence_json(moved: BaseMoved, names: Names) -> dict[str, Any]:
    return {
        "base": names.images[moved.base_id],
        "seen_at": names.images[moved.seen_at_id] if moved.seen_at_id is not None else None,
        "platform": moved.platform,
        "recorded_digest": names.digests[moved.recorded_id],
        "observed_digest": names.digests[moved.observed_id] if moved.observed_id is not None else None,
        "since": to_text(moved.since),
        "moved_at": to_text(moved.moved_at),
    }
