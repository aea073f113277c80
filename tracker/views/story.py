"""All that is known of one image: why it is, or is not, about to be rebuilt. Prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from graph.ancestry import Base, Image, bases_of
from graph.database import numbers
from graph.record import dataclass
from graph.reference import ImageRef
from graph.staleness import Decision, Reason, Verdict
from graph.store import is_left_behind
from tracker.views.bases import base_fresh, image_fresh, tag_json
from tracker.views.look import Look
from tracker.views.runs import RunRow, run_json, runs_of_image
from tracker.views.verdicts import Names, decide_all, decision_json, read_names

_RUNS_MOST = 5


@dataclass(frozen=True, slots=True)
class Poll:
    """How asking about one reference goes."""

    changed_at: str | None = None
    checked_at: str | None = None
    due_at: str | None = None
    failures: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one image."""

    image: Image
    decision: Decision
    names: Names
    polls: dict[int, Poll]
    not_followed: frozenset[int]  # bases whose changes rebuild nothing, for they would close a circle
    task: tuple[str, bool] | None  # its name, and whether it is enabled
    runs: Sequence[RunRow]
    dependants: int
    left_behind: bool = False  # it has the name of an earlier run of its task


def story_view(look: Look, image: str) -> Story:
    image_id, _ = look.image(image)
    tree = _recorded(bases_of(look.sql, image_id))
    _, decisions = decide_all(look)
    decision = decisions.get(image_id) or Decision(image_id, Verdict.KEEP, Reason.FRESH)
    names = read_names(look, [decision])
    return Story(
        tree,
        decision,
        names,
        _read_polls(look, [image_id, *(base.image.image_id for base in tree.bases)]),
        frozenset(
            row[0]
            for row in look.sql.execute(
                "SELECT base_id FROM edges WHERE image_id = ? AND followed = 0", (image_id,)
            )
        ),
        look.sql.execute(
            "SELECT t.name, t.enabled FROM images i JOIN tasks t ON t.id = i.task_id WHERE i.id = ?",
            (image_id,),
        ).fetchone(),
        runs_of_image(look.sql, image_id, most=_RUNS_MOST),
        look.sql.execute("SELECT count(*) FROM edges WHERE base_id = ?", (image_id,)).fetchone()[0],
        is_left_behind(look.sql, image_id),
    )


def _read_polls(look: Look, image_ids: Sequence[int]) -> dict[int, Poll]:
    rows = look.sql.execute(
        "SELECT o.image_id, o.changed_at, o.checked_at, o.due_at, o.failures, o.error FROM json_each(?) s"
        " JOIN observations o ON o.image_id = s.value",
        (numbers(image_ids),),
    )
    return {row[0]: Poll(*row[1:]) for row in rows}


def _recorded(image: Image) -> Image:
    """With its own bases alone, and without what it only says of itself, on which nothing rests."""
    own = tuple(replace(base, image=replace(base.image, bases=())) for base in image.bases if not base.said)
    return replace(image, bases=own)


def story_json(story: Story, at: datetime) -> dict[str, Any]:
    image = story.image
    return decision_json(story.decision, story.names, at) | {
        "reference": image.reference,
        "origin": image.origin,
        "digest": image.digest,
        "built_at": image.built_at,
        "step": image.step or None,
        "fresh": image_fresh(image),
        "task": {"name": story.task[0], "enabled": bool(story.task[1])} if story.task else None,
        "dependants": story.dependants,
        "left_behind": story.left_behind,
        "bases": [_base_json(base, story) for base in image.bases],
        "runs": [run_json(run, at) for run in story.runs],
    }


def _base_json(base: Base, story: Story) -> dict[str, Any]:
    poll = story.polls.get(base.image.image_id, Poll())
    return {
        "reference": base.reference,
        **tag_json(base),
        "role": base.role,
        "via": base.via,
        "stage": base.stage,
        "line": base.line,
        "pinned": ImageRef.parse(base.reference).digest is not None,
        "followed": base.image.image_id not in story.not_followed,
        "fresh": base_fresh(base),
        "recorded_digest": base.recorded_digest,
        "recorded_platform_digests": dict(base.recorded_platform_digests),
        "observed_digest": base.observed_digest,
        "observed_at": base.observed_at,
        "changed_at": base.changed_at,
        "due_at": poll.due_at,
        "failures": poll.failures,
        "error": poll.error,
    }
