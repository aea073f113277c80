"""`tracker task timer`: when tasks run. Keeps schedules; goes by no clock."""

from __future__ import annotations

from typing import Any

import click

from rebuild.schedule import Schedule
from rebuild.task import Tasks
from rebuild.timers import UTC, Timer, Timers, check_time_zone, check_timer_name
from tracker.cli.changing import changing
from tracker.cli.looking import looking
from tracker.cli.main import Place
from tracker.cli.table import Row, print_json, print_rows
from tracker.cli.task_options import JSON, NAME

_TIMER = click.option("--timer-name", required=True, metavar="TIMER", help="The timer.")
_ZONE = "Such as Europe/Berlin."


@click.group("timer")
def timer() -> None:
    """The timers of a task. They are kept and checked; no clock goes by them yet."""


@timer.command("add")
@NAME
@_TIMER
@click.option("--schedule", required=True, metavar="CRON", help="Minute hour day month weekday.")
@click.option("--enabled", type=bool, default=True, show_default=True)
@click.option("--time-zone", default=UTC, show_default=True, metavar="ZONE", help=_ZONE)
@click.pass_obj
def add(place: Place, name: str, timer_name: str, schedule: str, enabled: bool, time_zone: str) -> None:
    """Give the task NAME one more timer. Its schedule must differ from those of the others."""
    wanted = Timer(
        check_timer_name(timer_name), Schedule.parse(schedule), enabled, check_time_zone(time_zone)
    )
    with changing(place) as change:
        Timers(change.sql).add(change.task(name).task_id, wanted, change.at)
    _tell(name, wanted)


@timer.command("update")
@NAME
@_TIMER
@click.option("--schedule", metavar="CRON", help="Minute hour day month weekday.")
@click.option("--enabled", type=bool)
@click.option("--time-zone", metavar="ZONE", help=_ZONE)
@click.pass_obj
def update(
    place: Place,
    name: str,
    timer_name: str,
    schedule: str | None,
    enabled: bool | None,
    time_zone: str | None,
) -> None:
    """Change what is given of a timer, and leave the rest."""
    with changing(place) as change:
        changed = Timers(change.sql).update(
            change.task(name).task_id,
            timer_name,
            change.at,
            schedule=Schedule.parse(schedule) if schedule else None,
            enabled=enabled,
            time_zone=time_zone,
        )
    _tell(name, changed)


@timer.command("remove")
@NAME
@_TIMER
@click.pass_obj
def remove(place: Place, name: str, timer_name: str) -> None:
    """Take a timer from the task NAME."""
    with changing(place) as change:
        Timers(change.sql).remove(change.task(name).task_id, timer_name)
    click.echo(f"timer {timer_name} of task {name} is removed", err=True)


@timer.command("list")
@NAME
@JSON
@click.pass_obj
def list_timers(place: Place, name: str, as_json: bool) -> None:
    """List the timers of the task NAME."""
    with looking(place) as look:
        timers = Timers(look.sql).of_task(Tasks(look.sql).named(name).task_id)
    if as_json:
        print_json([_plain(one) for one in timers])
    elif timers:
        rows = [
            Row(one.name, (str(one.schedule), one.time_zone, "yes" if one.enabled else "no"))
            for one in timers
        ]
        print_rows(Row("NAME", ("SCHEDULE", "TIME ZONE", "ENABLED")), rows)
    else:
        click.echo(f"task {name} has no timers; 'tracker task timer add' makes one", err=True)


def _tell(name: str, one: Timer) -> None:
    off = "" if one.enabled else ", off"
    click.echo(f"timer {one.name} of task {name}: {one.schedule} {one.time_zone}{off}", err=True)


def _plain(one: Timer) -> dict[str, Any]:
    return {
        "name": one.name,
        "schedule": str(one.schedule),
        "enabled": one.enabled,
        "time_zone": one.time_zone,
    }
