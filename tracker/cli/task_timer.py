"""`tracker task timer`: when tasks run. Keeps schedules and tells their times; the service goes by them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC as UTC_ZONE
from datetime import datetime, tzinfo
from itertools import islice
from typing import Any

import click

from graph.clock import now
from graph.errors import WrongUse
from rebuild.tasks.next_fire import fires
from rebuild.tasks.schedule import Schedule
from rebuild.tasks.timers import UTC, zone_of
from tracker.cli.changing import changed
from tracker.cli.main import Place
from tracker.cli.option_types import switch
from tracker.cli.seen import seen
from tracker.cli.table import Row, print_json, print_rows
from tracker.cli.task_options import JSON, NAME
from tracker.remote.asked_json import Route, asked_json, quoted
from tracker.remote.service import ServerAsked, server_options
from tracker.tasks.parts import TimerAsked, add_timer, remove_timer, timer_of, update_timer
from tracker.views.tasks import TaskTimers, timers_view
from tracker.wording import ago

_TIMER = click.option("--timer-name", required=True, metavar="TIMER", help="The timer.")
_ZONE = "Such as Europe/Berlin."
_COUNT_MOST = 1000
_YEARS = range(1970, 9000)  # zones know little before, and the calendar ends not long after


@click.group("timer")
def timer() -> None:
    """The timers of a task. The service runs the task when one of them is due."""


@timer.command("add")
@NAME
@_TIMER
@click.option("--schedule", required=True, metavar="CRON", help="Minute hour day month weekday.")
@switch("--enabled", "false: it rests. Default: true.")
@click.option("--time-zone", default=UTC, show_default=True, metavar="ZONE", help=_ZONE)
@server_options
@click.pass_obj
def add(
    place: Place,
    name: str,
    timer_name: str,
    schedule: str,
    enabled: bool | None,
    time_zone: str,
    server: ServerAsked,
) -> None:
    """Give the task NAME one more timer. Its schedule must differ from those of the others."""
    asked = TimerAsked(schedule=schedule, enabled=enabled, time_zone=time_zone)
    route = Route("POST", f"/tasks/{quoted(name)}/timers", {"name": timer_name, **asked_json(asked)})
    timer_of(timer_name, asked)
    _tell(name, changed(place, server, route, lambda change: add_timer(change, name, timer_name, asked)))


@timer.command("update")
@NAME
@_TIMER
@click.option("--schedule", metavar="CRON", help="Minute hour day month weekday.")
@switch("--enabled", "false: it rests.")
@click.option("--time-zone", metavar="ZONE", help=_ZONE)
@server_options
@click.pass_obj
def update(
    place: Place,
    name: str,
    timer_name: str,
    schedule: str | None,
    enabled: bool | None,
    time_zone: str | None,
    server: ServerAsked,
) -> None:
    """Change what is given of a timer, and leave the rest."""
    asked = TimerAsked(schedule=schedule, enabled=enabled, time_zone=time_zone)
    route = Route("PATCH", _path(name, timer_name), asked_json(asked))
    _tell(name, changed(place, server, route, lambda change: update_timer(change, name, timer_name, asked)))


@timer.command("remove")
@NAME
@_TIMER
@server_options
@click.pass_obj
def remove(place: Place, name: str, timer_name: str, server: ServerAsked) -> None:
    """Take a timer from the task NAME."""
    route = Route("DELETE", _path(name, timer_name))
    changed(place, server, route, lambda change: remove_timer(change, name, timer_name))
    click.echo(f"timer {timer_name} of task {name} is removed", err=True)


@timer.command("list")
@NAME
@JSON
@server_options
@click.pass_obj
def list_timers(place: Place, name: str, as_json: bool, server: ServerAsked) -> None:
    """List the timers of the task NAME."""
    timers = seen(place, server, "timers", TaskTimers, timers_view, task=name).timers
    if as_json:
        print_json(timers)
    elif timers:
        print_rows(
            Row("NAME", ("SCHEDULE", "TIME ZONE", "ENABLED", "NEXT (UTC)")), [_row(one) for one in timers]
        )
    else:
        click.echo(f"task {name} has no timers; 'tracker task timer add' makes one", err=True)


@timer.command("next")
@click.argument("schedule", metavar="EXPR")
@click.option(
    "--from", "after", metavar="TIME", help="Later than this, ISO 8601; UTC where it names no zone."
)
@click.option(
    "--count", type=click.IntRange(1, _COUNT_MOST), default=5, show_default=True, help="So many times."
)
@click.option("--time-zone", default=UTC, show_default=True, metavar="ZONE", help=_ZONE)
@JSON
def next_times(schedule: str, after: str | None, count: int, time_zone: str, as_json: bool) -> None:
    """Print when a timer with the schedule EXPR would be due, such as '0 21 * * Mon-Fri'."""
    zone, at = zone_of(time_zone), now()
    upcoming = [
        *islice(fires(Schedule.parse(schedule), at if after is None else _moment(after), zone), count)
    ]
    if as_json:
        print_json({"next": [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in upcoming]})
        return
    in_utc = time_zone == UTC
    heads = Row(f"TIME ({time_zone})", ("DAY", *([] if in_utc else ["TIME (UTC)"]), "WHEN"))
    print_rows(heads, [_time_row(moment, zone, at, in_utc=in_utc) for moment in upcoming])


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.year not in _YEARS:
        raise WrongUse(
            f"--from {text[:80]!r} is no time from {_YEARS[0]} to {_YEARS[-1]}, as ISO 8601 has them",
            hint="write one such as 2026-12-01T08:30Z, 2026-12-01T08:30+01:00 or 2026-12-01",
        )
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC_ZONE)


def _row(one: Mapping[str, Any]) -> Row:
    enabled = "yes" if one["enabled"] else "no"
    return Row(one["name"], (one["schedule"], one["time_zone"], enabled, _minute(one) or "-"))


def _minute(one: Mapping[str, Any]) -> str:
    """When it is due next; empty while it rests."""
    return str(one["next_at"] or "")[:16].replace("T", " ")


def _time_row(moment: datetime, zone: tzinfo, at: datetime, *, in_utc: bool) -> Row:
    wall, when = moment.astimezone(zone), ago(moment, at)
    if in_utc:
        return Row(f"{moment:%Y-%m-%d %H:%M}", (f"{moment:%a}", when))
    offset = f"{wall:%z}"
    shown = f"{wall:%Y-%m-%d %H:%M} {offset[:3]}:{offset[3:5]}"
    return Row(shown, (f"{wall:%a}", f"{moment:%Y-%m-%d %H:%M}", when))


def _path(name: str, timer_name: str) -> str:
    return f"/tasks/{quoted(name)}/timers/{quoted(timer_name)}"


def _tell(name: str, one: Mapping[str, Any]) -> None:
    off = "" if one["enabled"] else ", off"
    upcoming = f"; next at {_minute(one)} UTC" if one["next_at"] else ""
    schedule = f"{one['schedule']} {one['time_zone']}"
    click.echo(f"timer {one['name']} of task {name}: {schedule}{off}{upcoming}", err=True)
