"""`tracker plan`: what would be rebuilt now, or if one image moved; in which order, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from graph.clock import now
from graph.plan import Plan, Step
from graph.plan import plan as plan_wave
from graph.snapshot import if_moved
from graph.staleness import Decision, Limits, Reason, Snapshot, decide
from rebuild.runs import Runs
from rebuild.waves import task_states
from tracker.cli.looking import Look
from tracker.cli.main import Place
from tracker.cli.seen import seen
from tracker.cli.table import Row, paragraph, print_json_rows, print_rows
from tracker.cli.verdicts import decide_all
from tracker.reasons import why_decided
from tracker.remote.service import ServerAsked, server_options
from tracker.wording import ago, clock_text, counted, familiar, listed
from tracker.written_settings import workers_of


@dataclass(frozen=True, slots=True)
class Preview:
    """A wave and what it leaves out, with the names of all of them."""

    wave: Plan
    left_out: tuple[Decision, ...]  # would have to follow, but something holds them
    images: Mapping[int, str]
    tasks: Mapping[int, str]
    running: frozenset[int]  # tasks that are at work already
    settled_at: datetime | None  # when the last of its bases has rested for long enough


@click.command()
@click.argument("image", required=False)
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Runs side by side. Default: the setting rebuild.workers."
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@server_options
@click.pass_obj
def plan(place: Place, image: str | None, workers: int | None, as_json: bool, server: ServerAsked) -> None:
    """Show what would be rebuilt now, level by level; with IMAGE: what would be rebuilt if that image moved.

    Durations are those of the last successful run of each task, and a task that never ran counts as
    long as is usual for the others. A rebuild that changes nothing stops the wave there, so that a
    plan is the most that happens.
    """
    view, at = seen(place, server, "plan", Foreseen, plan_view, image=image, workers=workers), now()
    name, preview = view.name, view.preview
    if as_json:
        print_json_rows("steps", steps_json(preview), totals_json(preview.wave))
    elif preview.wave.steps:
        _print_steps(preview)
        _print_summary(preview, view.workers, at)
    else:
        nothing = (
            f"nothing would be rebuilt if {familiar(name)} moved" if name else "nothing is to be rebuilt now"
        )
        click.echo(nothing)
    if not as_json:
        _print_left_out(preview, at)


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
    snapshot = if_moved(look.sql, image_id, look.now, task_states(look.sql))
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


def going_now(decisions: Mapping[int, Decision]) -> dict[int, Decision]:
    """Those at work or to start by themselves, and those that wait for nothing but them; bases first."""
    going: dict[int, Decision] = {}
    for image_id, decision in decisions.items():
        starts = decision.reason in (Reason.BASE_MOVED, Reason.SETTLING, Reason.RUNNING)
        follows = decision.reason is Reason.BASE_PENDING and all(map(going.__contains__, decision.waits_for))
        if starts or follows:
            going[image_id] = decision
    return going


def steps_json(preview: Preview) -> Iterator[dict[str, Any]]:
    names = {step.task_id: _task_name(preview, step.task_id) for step in preview.wave.steps}
    for step in preview.wave.steps:
        yield {
            "task": names[step.task_id],
            "images": [preview.images[image_id] for image_id in step.images],
            "level": step.level,
            "waits_for": [names[task_id] for task_id in step.waits_for],
            "duration_s": step.duration_s,
            "starts_s": step.starts_s,
        }


def totals_json(wave: Plan) -> dict[str, Any]:
    return {
        "critical_path_s": wave.critical_path_s,
        "work_s": float(wave.work_s),  # of no step at all it is 0
        "makespan_s": wave.makespan_s,
    }


def _task_name(preview: Preview, task_id: int) -> str:
    return preview.tasks.get(task_id, str(task_id))


def _print_steps(preview: Preview) -> None:
    by_level = sorted(preview.wave.steps, key=lambda step: (step.level, step.starts_s, step.task_id))
    print_rows(Row("LEVEL AND TASK", ("STARTS", "TAKES")), list(_rows(preview, by_level)))


def _rows(preview: Preview, steps: Sequence[Step]) -> Iterator[Row]:
    level = -1
    for step in steps:
        if step.level != level:
            level = step.level
            yield Row(f"level {level}" + (": waits for nothing" if level == 0 else ""))
        mark = " (at work)" if step.task_id in preview.running else ""
        starts = "now" if step.starts_s == 0 else f"+{clock_text(step.starts_s)}"
        notes = [f"    {familiar(preview.images[image_id])}" for image_id in step.images]
        if step.waits_for:
            before = listed([_task_name(preview, task_id) for task_id in step.waits_for])
            notes.append(paragraph(f"after {before}", "    "))
        name = click.style(f"  {_task_name(preview, step.task_id)}", bold=True) + mark
        yield Row(name, (starts, clock_text(step.duration_s)), "", tuple(notes))


def _print_summary(preview: Preview, workers: int, at: datetime) -> None:
    wave = preview.wave
    images = sum(len(step.images) for step in wave.steps)
    what = f"{counted(len(wave.steps), 'task')}, {counted(images, 'image')}"
    side_by_side = counted(workers, "run at a time", "runs at a time")
    click.echo(f"\n{what}; {clock_text(wave.makespan_s)} in all with {side_by_side}")
    click.echo(f"longest chain {clock_text(wave.critical_path_s)}, work {clock_text(wave.work_s)}")
    if preview.settled_at is not None:
        click.echo(f"a base moved a moment ago and may move again; it counts {ago(preview.settled_at, at)}")


def _print_left_out(preview: Preview, at: datetime) -> None:
    if preview.left_out:
        click.echo("\nnot in the plan:")
    for decision in preview.left_out:
        why = why_decided(decision, preview.images, at)
        click.echo(f"  {familiar(preview.images[decision.image_id])}")
        click.echo(paragraph(f"{decision.verdict}: {why}", "    "))
