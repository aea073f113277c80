"""Draws the graph as SVG: bases on the left, what stands on them to the right. Knows no database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from graph.figure import Drawing, Edge, Node
from graph.layout import Layout, Vertex, lay_out
from graph.words import Origin, Role

_BOX_WIDTH, _BOX_HEIGHT, _COLUMN, _ROW, _LANE = 226.0, 40.0, 306.0, 56.0, 18.0
_MARGIN, _HEAD, _WIDTH_LEAST = 20.0, 64.0, 700.0
_PATH_LETTERS_MOST, _NAME_LETTERS_MOST = 30, 27  # of the two lines in a box
_STALE, _INK, _DIM, _LINE = "#b3261e", "#1c2733", "#5b6875", "#8a97a5"
_FILLS = {Origin.BUILT: "#eaf2fc", Origin.ADOPTED: "#edf7ed", Origin.EXTERNAL: "#f3f4f6",
          Origin.SAID: "#ffffff"}  # fmt: skip
_LEGEND = (
    "bases left, images on top of them right · dashed: build time only, or said · red: the base has moved"
)


def to_svg(drawing: Drawing) -> str:
    """A complete SVG document. Every image and edge has a title, which browsers show on hovering."""
    layout = lay_out(_bases(drawing), row=_ROW, lane=_LANE)
    names = {node.image_id: node.name for node in drawing.nodes}
    width = max(2 * _MARGIN + _BOX_WIDTH + (layout.width - 1) * _COLUMN, _WIDTH_LEAST)
    height = _HEAD + _MARGIN + _ROW / 2 + max(layout.heights.values(), default=0.0)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(_summary(drawing))}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        _line(_MARGIN, 26, _summary(drawing), _INK, "font-weight='600' font-size='14'"),
        _line(_MARGIN, 46, drawing.advice or _LEGEND, _DIM),
        *(_edge(edge, layout, names) for edge in sorted(drawing.edges, key=lambda edge: not edge.fresh)),
        *(line for node in drawing.nodes for line in _node(node, layout, drawing.focus)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _bases(drawing: Drawing) -> dict[int, list[int]]:
    bases: dict[int, list[int]] = {node.image_id: [] for node in drawing.nodes}
    for edge in drawing.edges:
        if edge.followed:
            bases[edge.image_id].append(edge.base_id)
    return bases


def _summary(drawing: Drawing) -> str:
    images = "1 image" if len(drawing.nodes) == 1 else f"{len(drawing.nodes)} images"
    around = next((f" around {node.label}" for node in drawing.nodes if node.image_id == drawing.focus), "")
    return f"{images}{around}, {drawing.stale} stale"


def _edge(edge: Edge, layout: Layout, names: Mapping[int, str]) -> str:
    """A curve from the right side of the base, past the bends, to the left side of the image."""
    colour, width = (_LINE, "1.2") if edge.fresh else (_STALE, "1.8")
    dashes = ' stroke-dasharray="5 4"' if edge.role is Role.BUILDTIME or edge.said else ""
    faint = "" if edge.followed else ' opacity="0.5"'
    stands = "says that it stands on" if edge.said else "stands on"
    title = f"{names[edge.image_id]} {stands} {names[edge.base_id]} ({edge.role})"
    title += "" if edge.fresh else ": the base has moved"
    title += "" if edge.followed else "; closes a circle, so it is not followed"
    return (
        f'<path d="{_curve(edge, layout)}" fill="none" stroke="{colour}"'
        f' stroke-width="{width}"{dashes}{faint}>'
        f"<title>{escape(title)}</title></path>"
    )


def _curve(edge: Edge, layout: Layout) -> str:
    x, y = _corner(edge.base_id, layout)
    x += _BOX_WIDTH
    path = [f"M{x:.0f} {y:.1f}"]
    vertices: list[Vertex] = [*layout.bends.get((edge.image_id, edge.base_id), ()), edge.image_id]
    for vertex in vertices:
        next_x, next_y = _corner(vertex, layout)
        middle = (x + next_x) / 2
        path.append(f"C{middle:.0f} {y:.1f} {middle:.0f} {next_y:.1f} {next_x:.0f} {next_y:.1f}")
        x, y = next_x, next_y
        if vertex != edge.image_id:  # past a column: straight on, beside its boxes
            x += _BOX_WIDTH
            path.append(f"H{x:.0f}")
    return " ".join(path)


def _corner(vertex: Vertex, layout: Layout) -> tuple[float, float]:
    """The middle of a vertex' left side."""
    return _MARGIN + layout.columns[vertex] * _COLUMN, _HEAD + layout.heights[vertex]


def _node(node: Node, layout: Layout, focus: int | None) -> Iterator[str]:
    x, y = _corner(node.image_id, layout)
    stroke, width = (_LINE, 1.0) if node.fresh else (_STALE, 1.8)
    width = 3.0 if node.image_id == focus else width
    state = "fresh" if node.fresh else "stale"
    where, what = _two_lines(node.label)
    yield f"<g><title>{escape(f'{node.name} ({node.kind}, {state})')}</title>"
    yield (
        f'<rect x="{x:.0f}" y="{y - _BOX_HEIGHT / 2:.1f}" width="{_BOX_WIDTH:.0f}" height="{_BOX_HEIGHT:.0f}"'
        f' rx="8" fill="{_FILLS[node.kind]}" stroke="{stroke}" stroke-width="{width}"/>'
    )
    if where:
        yield _line(x + 10, y - 5, where, _DIM, "font-size='10'")
    yield _line(x + 10, y + (11 if where else 4), what, _INK, "font-weight='600'")
    if not node.fresh:
        yield _line(x + _BOX_WIDTH - 8, y - 7, "stale", _STALE, "text-anchor='end' font-size='10'")
    yield "</g>"


def _two_lines(label: str) -> tuple[str, str]:
    """Registry and path above, the last part with its tag below, each short enough for the box."""
    where, _, what = label.partition("@")[0].rpartition("/")
    digest = label.partition("@")[2]
    name = f"{what}@{digest[7:15]}" if digest else what
    return _shortened(where, _PATH_LETTERS_MOST), _shortened(name, _NAME_LETTERS_MOST)


def _shortened(text: str, letters_most: int) -> str:
    """The two ends, which tell images apart; the middle goes."""
    if len(text) <= letters_most:
        return text
    half = letters_most // 2 - 1
    return f"{text[:half]}…{text[-half:]}"


def _line(x: float, y: float, text: str, colour: str, style: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.1f}" fill="{colour}" {style}>{escape(text)}</text>'
