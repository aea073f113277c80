"""`tracker graph`: the graph as a drawing or as JSON."""

from __future__ import annotations

from pathlib import Path

import click

from graph.errors import WrongUse
from tracker.cli.looking import looking
from tracker.cli.main import Place

READABLE_MOST = 300


@click.command()
@click.argument("image", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["dot", "mermaid", "json", "svg"]),
    default="dot",
    show_default=True,
    help="dot for Graphviz, mermaid for Markdown pages, json for programs, svg for a browser.",
)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file instead."
)
@click.pass_obj
def graph(place: Place, image: str | None, form: str, output: Path | None) -> None:
    """Draw the graph; with IMAGE: only what that image stands on and what stands on it."""
    from graph.drawing import read_drawing, to_dot, to_json, to_mermaid, to_svg
    from graph.figure import LAID_OUT_NODES_MOST

    with looking(place) as look:
        focus = look.image(image)[0] if image else None
        drawn = read_drawing(look.sql, focus)
    if len(drawn.nodes) > LAID_OUT_NODES_MOST and form == "svg":
        raise WrongUse(
            f"{len(drawn.nodes)} images are too many for an SVG drawing: {LAID_OUT_NODES_MOST} are the most",
            hint="name an image: 'tracker graph --format svg IMAGE' draws the part around it; dot and json"
            " take any number",
        )
    if len(drawn.nodes) > READABLE_MOST and form != "json":
        way_out = (
            "'tracker graph IMAGE' draws less" if focus is None else "'tracker deps' and 'rdeps' list them"
        )
        click.echo(f"note: {len(drawn.nodes)} images are more than a drawing shows well; {way_out}", err=True)
    renderings = {"dot": to_dot, "mermaid": to_mermaid, "json": to_json, "svg": to_svg}
    text = renderings[form](drawn)
    if output:
        _write(output, text)
    else:
        click.echo(text, nl=not text.endswith("\n"))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(path), hint=error.strerror) from error
