"""`tracker rdeps`: what stands on an image."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from graph.clock import now
from graph.dependants import Dependant
from tracker.cli.habits import json_option
from tracker.cli.main import Place
from tracker.cli.seen import seen
from tracker.cli.table import Row, print_json, print_rows
from tracker.remote.service import ServerAsked, server_options
from tracker.views.dependants import Above, dependant_json, rdeps_view
from tracker.wording import age, counted, familiar, starred


@click.command()
@click.argument("image")
@json_option("Print the list as JSON.")
@click.option("--depth", type=click.IntRange(min=1), help="List only so many steps above it.")
@server_options
@click.pass_obj
def rdeps(place: Place, image: str, as_json: bool, depth: int | None, server: ServerAsked) -> None:
    """List what stands on IMAGE, nearest first.

    STEPS is the shortest way down to IMAGE; ROLE is what the lowest step of that way takes it for. A star
    stands where the way leads over what an image that was not built here says of itself.
    """
    view = seen(place, server, "rdeps", Above, rdeps_view, image=image)
    name, above = view.name, [d for d in view.dependants if depth is None or d.distance <= depth]
    if as_json:
        print_json({"reference": name, "dependants": [dependant_json(d) for d in above]})
    elif above:
        _print_dependants(name, above, now())
    else:
        click.echo(f"nothing known stands on {familiar(name)}")


def _print_dependants(name: str, above: Sequence[Dependant], now: datetime) -> None:
    heads = Row("STEPS", ("ROLE", "AGE", "IMAGE"))
    rows = [
        Row(
            f"{d.distance:>5}",
            (starred(d.role, d.said), age(d.built_at, now), familiar(d.reference)),
        )
        for d in above
    ]
    print_rows(heads, rows)
    if any(d.said for d in above):
        click.echo("\n* by what an image on the way says of itself: not recorded here and not watched")
    click.echo(f"\n{counted(len(above), 'image stands', 'images stand')} on {familiar(name)}")
