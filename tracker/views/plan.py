"""What would be rebuilt now, or if one image moved. Prints nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from graph.plan import Plan
from graph.plan import plan as plan_wave
from graph.record import dataclass
from graph.snapshot import if_moved
from graph.staleness import Decision, Limits, Reason, Snapshot, decide
from rebuild.runs.table import Runs
from rebuild.runs.waves import task_states
from tracker.settings.written import workers_of
from tracker.views.look import Look
from tracker.views.verdicts import decide_all


@dataclass(frozen=True, slots=True)
class Preview:
    """A wave and what it leaves out, with the names of all of them."""

    wave: Plan
    left_out: tuple[Decision, ...]  # would have to follow, but something holds them
    images: Mapping[int, str]
    tasks: Mapping[int, str]
    running: frozenset[int]  # tasks that are at work already
    settled_at: datetime | None  # when the last of its bases has rested for long enough


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A preview, the image that is supposed to have moved for it, and how many runs go side by side."""

    name: str | None
    preview: Preview
    workers: int


def plan_view(look: Look, image: str | None = None, workers: int | None = None) -> Foreseen:
    side_by_side = workers or workers_of(look.written)
    return Foreseen(*_foresee(look, image, side_by_side), side_by_side)


def _foresee(look: Look, image: str | None, workers: int) -> tuple[str | None, Preview]:
    """What would happen, and the name of the image that is supposed to have moved. Of a large graph, what
    it rests on takes more memory than the answer, and is gone afterwards."""
    name, snapshot, decisions = _situation(look, image)
    return name, _preview(look, snapshot, decisions, workers)


def _situation(look: Look, image: str | None) -> tuple[str | None, Snapshot, dict[int, Decision]]:
    """The graph as it is; or as it would be if that image alone had moved."""
    if image is None:
        return None, *decide_all(look)
    image_id, name = look.image(image)
    snapshot = if_moved(look.sql, image_id, look.now, task_states(look.sql, look.now))
    return name, snapshot, decide(snapshot, look.now, Limits())


def _preview(look: Look, snapshot: Snapshot, decisions: Mapping[int, Decision], workers: int) -> Preview:
    going = going_now(decisions)
    wave = plan_wave(
        going,
        bases=snapshot.bases,
        tasks=snapshot.tasks,
        durations_s=Runs(look.sql).durations_s(),
        workers=workers,
    )
    left_out = tuple(
        d for d in decisions.values() if d.image_id not in going and d.reason is not Reason.FRESH
    )
    named = {*going, *(d.image_id for d in left_out), *(base for d in left_out for base in d.waits_for)}
    return Preview(
        wave,
        left_out,
        look.image_names(named),
        look.task_names(step.task_id for step in wave.steps),
        frozenset(snapshot.busy),
        max((d.until for d in going.values() if d.until is not None), default=None),
    )


_STARTING = (Reason.BASE_MOVED, Reason.NEWER_TAG, Reason.REQUESTED, Reason.SETTLING, Reason.RUNNING)


def going_now(decisions: Mapping[int, Decision]) -> dict[int, Decision]:
    """Those at work or to start by themselves, and those that wait for nothing but them; bases first."""
    going: dict[int, Decision] = {}
    for image_id, decision in decisions.items():
        starts = decision.reason in _STARTING
        follows = decision.reason is Reason.BASE_PENDING and all(map(going.__contains__, decision.waits_for))
        if starts or follows:
            going[image_id] = decision
    return going


def steps_json(preview: Preview) -> Iterator[dict[str, Any]]:
    names = {step.task_id: task_name(preview, step.task_id) for step in preview.wave.steps}
    for step in preview.wave.steps:
        yield {
            "task": names[step.task_id],
            "images": [preview.images[image_id] for image_id in step.images],
            "level": step.level,
            "waits_for": [names[task_id] for task_id in step.waits_for],
            "duration_s": step.duration_s,
            "starts_s": _rounded(step.starts_s),
        }


def totals_json(wave: Plan) -> dict[str, Any]:
    return {
        "critical_path_s": _rounded(wave.critical_path_s),
        "work_s": _rounded(wave.work_s),
        "makespan_s": _rounded(wave.makespan_s),
    }


def _rounded(duration_s: float) -> float:
    """To the millisecond that runs are timed to: sums of such numbers have more digits than truth."""
    return round(float(duration_s), 3)


def task_name(preview: Preview, task_id: int) -> str:
    return preview.tasks.get(task_id, str(task_id))
