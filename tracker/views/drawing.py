"""The graph as a drawing, and that as text. Prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from graph import figure
from graph.drawing import Drawing, read_drawing, to_dot, to_json, to_mermaid, to_svg
from graph.errors import WrongUse
from tracker.views.look import Look


class Form(StrEnum):
    """What a drawing is written as."""

    DOT = "dot"
    MERMAID = "mermaid"
    JSON = "json"
    SVG = "svg"


_WRITERS: Mapping[Form, Callable[[Drawing], str]] = {
    Form.DOT: to_dot,
    Form.MERMAID: to_mermaid,
    Form.JSON: to_json,
    Form.SVG: to_svg,
}


def drawing_view(look: Look, image: str | None = None) -> Drawing:
    """The whole graph, or what one image stands on and what stands on it."""
    return read_drawing(look.sql, look.image(image)[0] if image else None)


def drawn_as(form: Form, drawn: Drawing) -> str:
    """Raises `WrongUse` for more images than an SVG can lay out."""
    if len(drawn.nodes) > figure.LAID_OUT_NODES_MOST and form is Form.SVG:
        raise WrongUse(
            f"{len(drawn.nodes)} images are too many for an SVG drawing:"
            f" {figure.LAID_OUT_NODES_MOST} are the most",
            hint="name an image: 'tracker graph --format svg IMAGE' draws the part around it; dot and json"
            " take any number",
        )
    return _WRITERS[form](drawn)
