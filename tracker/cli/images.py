"""`tracker images`: every image in the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from graph.clock import now
from graph.lineage import Listed, list_images
from tracker.cli.looking import Look
from tracker.cli.main import Place
from tracker.cli.seen import seen
from tracker.cli.table import Row, print_json, print_rows
from tracker.remote.service import ServerAsked, server_options
from tracker.wording import age, counted, familiar


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
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


@dataclass(frozen=True, slots=True)
class AllImages:
    """Every image, and the names of the tasks that build them."""

    images: list[Listed]
    tasks: dict[int, str]


def images_view(look: Look) -> AllImages:
    found = list_images(look.sql)
    return AllImages(found, look.task_names({image.task_id for image in found if image.task_id is not None}))


def _row(image: Listed, built: str) -> Row:
    facts = (f"{image.bases:>5}", f"{image.dependants:>5}", built, familiar(image.reference))
    return Row(image.origin, facts)


def image_json(image: Listed, tasks: Mapping[int, str]) -> dict[str, Any]:
    return {
        "reference": image.reference,
        "origin": image.origin,
        "digest": image.digest,
        "built_at": image.built_at,
        "bases": image.bases,
        "dependants": image.dependants,
        "task": tasks.get(image.task_id) if image.task_id is not None else None,
    }
