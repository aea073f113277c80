"""`tracker graph`: the graph as a drawing or as JSON."""

from __future__ import annotations

from pathlib import Path

import click

from graph.errors import WrongUse
from tracker.cli.main import Place
from tracker.cli.seen import seen
from tracker.remote.service import ServerAsked, server_options

READABLE_MOST = 300


@click.command()
@click.argument("image", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["dot", "mermaid", "json", "svg"]),
    help="dot for Graphviz, which is the default, mermaid for Markdown pages, json for programs, svg for a"
    " browser.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file instead."
)
@server_options
@click.pass_obj
def graph(
    place: Place,
    image: str | None,
    form: str | None,
    as_json: bool,
    output: Path | None,
    server: ServerAsked,
) -> None:
    """Draw the graph; with IMAGE: only what that image stands on and what stands on it."""
    from graph.figure import Drawing
    from tracker.views.drawing import Form, drawing_view, drawn_as

    if as_json and form not in (None, "json"):
        raise WrongUse(f"--json does not go with --format {form}", hint="leave one out")
    form = form or ("json" if as_json else "dot")
    drawn = seen(place, server, "graph", Drawing, drawing_view, image=image)
    text = drawn_as(Form(form), drawn)
    if len(drawn.nodes) > READABLE_MOST and form != "json":
        way_out = (
            "'tracker graph IMAGE' draws less" if image is None else "'tracker deps' and 'rdeps' list them"
        )
        click.echo(f"note: {len(drawn.nodes)} images are more than a drawing shows well; {way_out}", err=True)
    if output:
        _write(output, text)
    else:
        click.echo(text, nl=not text.endswith("\n"))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(path), hint=error.strerror) from error
