"""Cuts out of the database what is to be drawn, and writes it as dot, Mermaid or JSON. Decides nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Container, Iterable

from graph.database import consistent, numbers
from graph.drift import read_moved
from graph.figure import Drawing, Edge, Node
from graph.model import Origin, Role
from graph.reference import ImageRef
from graph.snapshot import read_above
from graph.svg import to_svg

__all__ = ["Drawing", "Edge", "Node", "read_drawing", "to_dot", "to_json", "to_mermaid", "to_svg"]

_STALE_FILL, _STALE_LINE = "#fde7e4", "#b3261e"


def read_drawing(connection: sqlite3.Connection, focus: int | None) -> Drawing:
    """The whole graph, or one image with all that it stands on and all that stands on it."""
    with consistent(connection):
        inside = None if focus is None else [*_below(connection, focus), *read_above(connection, [focus])]
        moved = read_moved(connection)
        nodes = _nodes(connection, inside, moved)
        stale = {(image_id, found.base_id) for image_id, evidence in moved.items() for found in evidence}
        edges = _edges(connection, nodes, stale)
    return Drawing(tuple(nodes), tuple(edges), focus)


def _below(connection: sqlite3.Connection, image_id: int) -> list[int]:
    rows = connection.execute(
        "WITH RECURSIVE below(id) AS (SELECT ? UNION SELECT e.base_id FROM below"
        " CROSS JOIN edges e ON e.image_id = below.id) SELECT id FROM below",
        (image_id,),
    )
    return [row[0] for row in rows]


def _nodes(connection: sqlite3.Connection, inside: Iterable[int] | None, stale: Container[int]) -> list[Node]:
    among = "" if inside is None else " WHERE id IN (SELECT value FROM json_each(?))"
    rows = connection.execute(
        f"SELECT id, name, origin FROM images{among} ORDER BY name",
        () if inside is None else (numbers(inside),),
    )
    return [
        Node(image_id, name, ImageRef.parse(name).familiar, Origin(origin), image_id not in stale)
        for image_id, name, origin in rows
    ]


def _edges(
    connection: sqlite3.Connection, nodes: Iterable[Node], stale: Container[tuple[int, int]]
) -> list[Edge]:
    inside = {node.image_id for node in nodes}
    rows = connection.execute(
        "SELECT e.image_id, e.base_id, e.role, e.followed FROM json_each(?) s"
        " CROSS JOIN edges e ON e.image_id = s.value ORDER BY e.image_id, e.line, e.base_id",
        (numbers(inside),),
    )
    return [
        Edge(image_id, base_id, Role(role), (image_id, base_id) not in stale, bool(followed))
        for image_id, base_id, role, followed in rows
        if base_id in inside
    ]


def to_json(drawing: Drawing) -> str:
    """`{"focus", "nodes": [{"reference", "kind", "fresh"}], "edges": [{"image", "base", "role", …}]}`."""
    names = {node.image_id: node.name for node in drawing.nodes}
    document = {
        "focus": names.get(drawing.focus) if drawing.focus is not None else None,
        "nodes": [{"reference": node.name, "kind": node.kind, "fresh": node.fresh} for node in drawing.nodes],
        "edges": [
            {
                "image": names[edge.image_id],
                "base": names[edge.base_id],
                "role": edge.role,
                "fresh": edge.fresh,
                "followed": edge.followed,
            }
            for edge in drawing.edges
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def to_dot(drawing: Drawing) -> str:
    """For Graphviz. Arrows lead from an image to its bases; a dashed one is used at build time only."""
    lines = ["digraph images {", "  rankdir=RL;"]
    if drawing.advice:
        lines.append(f"  // {drawing.advice}")
    lines.append('  node [shape=box, style="rounded,filled", fillcolor="#f3f6fa", fontname="sans-serif"];')
    for node in drawing.nodes:
        label = node.label if node.fresh else f"{node.label}\nstale"
        marks = [f"label={_dot_text(label)}", f"tooltip={_dot_text(f'{node.name} ({node.kind})')}"]
        marks += [] if node.fresh else [f'color="{_STALE_LINE}"', f'fillcolor="{_STALE_FILL}"']
        marks += ["penwidth=3"] if node.image_id == drawing.focus else []
        lines.append(f"  n{node.image_id} [{', '.join(marks)}];")
    for edge in drawing.edges:
        marks = ["style=dashed"] if edge.role is Role.BUILDTIME else []
        marks += [] if edge.fresh else [f'color="{_STALE_LINE}"', 'label="moved"']
        marks += [] if edge.followed else ["constraint=false"]
        lines.append(f"  n{edge.image_id} -> n{edge.base_id}" + (f" [{', '.join(marks)}];" if marks else ";"))
    return "\n".join([*lines, "}"]) + "\n"


def to_mermaid(drawing: Drawing) -> str:
    """For Markdown pages. Arrows lead from an image to its bases; a dotted one is used at build time only."""
    lines = ["flowchart RL"]
    if drawing.advice:
        lines.append(f"  %% {drawing.advice}")
    for node in drawing.nodes:
        label = _mermaid_text(node.label) + ("" if node.fresh else "<br/>stale")
        lines.append(f'  n{node.image_id}["{label}"]' + ("" if node.fresh else ":::stale"))
    for edge in drawing.edges:
        arrow = "-.->" if edge.role is Role.BUILDTIME else "-->"
        lines.append(f"  n{edge.image_id} {arrow}{'' if edge.fresh else '|moved|'} n{edge.base_id}")
    lines.append(f"  classDef stale fill:{_STALE_FILL},stroke:{_STALE_LINE}")
    return "\n".join(lines) + "\n"


def _dot_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _mermaid_text(text: str) -> str:
    """Mermaid writes characters that mean something to it as `#name;`."""
    marks = {"#": "#35;", "&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;"}
    return "".join(marks.get(letter, letter) for letter in text)
