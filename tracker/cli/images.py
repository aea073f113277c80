"""`tracker images`: every image in the graph."""

from __future__ import annotations

import click

from graph.clock import now
from graph.listing import Listed
from tracker.cli.habits import json_option
from tracker.cli.main import Place
from tracker.cli.seen import seen
from tracker.cli.table import Row, print_json, print_rows
from tracker.remote.service import ServerAsked, server_options
from tracker.views.images import AllImages, image_json, images_view
from tracker.wording import age, counted, familiar


@click.command()
@json_option("Print the list as JSON.")
@server_options
@click.pass_obj
def images(place: Place, as_json: bool, server: ServerAsked) -> None:
    """List every image in the graph, by name.

    ORIGIN is how it came into the graph: built here, adopted, or external (known as a base of others).
    BASES and ABOVE count the images that it stands on, and those that stand on it, directly.
    """
    view = seen(place, server, "images", AllImages, images_view)
    found = view.images
    if as_json:
        print_json([image_json(image, view.tasks) for image in found])
        return
    if not found:
        click.echo("no image has been recorded yet")
        return
    heads = Row("ORIGIN", ("BASES", "ABOVE", "AGE", "IMAGE"))
    print_rows(heads, [_row(image, age(image.built_at, now())) for image in found])
    click.echo(f"\n{counted(len(found), 'image')}")


def _row(image: Listed, built: str) -> Row:
    facts = (f"{image.bases:>5}", f"{image.dependants:>5}", built, familiar(image.reference))
    return Row(image.origin, facts)
