"""`tracker plan`: what would be rebuilt now, or if one image moved; in which order, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import click

from graph.clock import now
from graph.plan import Step
from tracker.cli.habits import json_option
from tracker.cli.main import Place
from tracker.cli.seen import seen
from tracker.cli.table import Row, paragraph, print_json_rows, print_rows
from tracker.reasons import why_decided
from tracker.remote.service import ServerAsked, server_options
from tracker.views.plan import Foreseen, Preview, plan_view, steps_json, task_name, totals_json
from tracker.wording import ago, clock_text, counted, familiar, listed


@click.command()
@click.argument("image", required=False)
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Runs side by side. Default: the setting rebuild.workers."
)
@json_option("Print the plan as JSON.")
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
            before = listed([task_name(preview, task_id) for task_id in step.waits_for])
            notes.append(paragraph(f"after {before}", "    "))
        name = click.style(f"  {task_name(preview, step.task_id)}", bold=True) + mark
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
