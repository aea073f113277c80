"""Cuts out of the database what is to be drawn, and writes it as dot, Mermaid or JSON. Decides nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Container, Iterable, Mapping
from functools import partial

from graph.database import consistent, numbers
from graph.drift import read_moved
from graph.figure import Drawing, Edge, Node
from graph.hearsay import anything_said, survey
from graph.reference import ImageRef
from graph.snapshot import read_above
from graph.svg import to_svg
from graph.words import Origin, Role

__all__ = ["Drawing", "Edge", "Node", "read_drawing", "to_dot", "to_json", "to_mermaid", "to_svg"]

_STALE_FILL, _STALE_LINE = "#fde7e4", "#b3261e"


def read_drawing(connection: sqlite3.Connection, focus: int | None) -> Drawing:
    """The whole graph, or one image with all that it stands on and all that stands on it."""
    with consistent(connection):
        said = survey(connection).edges if anything_said(connection) else {}
        inside = None if focus is None else _around(connection, focus, said)
        moved = read_moved(connection)
        nodes = _nodes(connection, inside, said, moved)
        stale = {(image_id, found.base_id) for image_id, evidence in moved.items() for found in evidence}
        edges = _edges(connection, nodes, stale)
    return Drawing(tuple(nodes), (*edges, *_said_edges(nodes, said)), focus)


def _around(connection: sqlite3.Connection, focus: int, said: Mapping[int, Iterable[int]]) -> set[int]:
    """The image, what it stands on and what stands on it, over records and hearsay."""
    said_above: dict[int, list[int]] = {}
    for image_id, base_ids in said.items():
        for base_id in base_ids:
            said_above.setdefault(base_id, []).append(image_id)
    below = _reached(focus, partial(_below, connection), said)
    return below | _reached(focus, partial(read_above, connection), said_above)


def _reached(
    start: int, recorded: Callable[[Iterable[int]], Iterable[int]], said: Mapping[int, Iterable[int]]
) -> set[int]:
    """All in one direction. `recorded` answers what the records reach from some images, these included."""
    found: set[int] = set()
    todo = {start}
    while todo:
        found.update(recorded(todo))
        todo = {further for image_id in found for further in said.get(image_id, ())} - found
    return found


def _below(connection: sqlite3.Connection, image_ids: Iterable[int]) -> list[int]:
    rows = connection.execute(
        "WITH RECURSIVE below(id) AS (SELECT value FROM json_each(?) UNION SELECT e.base_id FROM below"
        " CROSS JOIN edges e ON e.image_id = below.id) SELECT id FROM below",
        (numbers(image_ids),),
    )
    return [row[0] for row in rows]


def _nodes(
    connection: sqlite3.Connection,
    inside: Iterable[int] | None,
    said: Mapping[int, Iterable[int]],
    stale: Container[int],
) -> list[Node]:
    """Those inside; of the whole graph all but names that no digest in use speaks of any more."""
    among = "id IN (SELECT value FROM json_each(?))" + (" OR origin <> 'said'" if inside is None else "")
    named = [base_id for base_ids in said.values() for base_id in base_ids]
    rows = connection.execute(
        f"SELECT id, name, origin FROM images WHERE {among} ORDER BY name",
        (numbers(named if inside is None else inside),),
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


def _said_edges(nodes: Iterable[Node], said: Mapping[int, Iterable[int]]) -> list[Edge]:
    inside = {node.image_id for node in nodes}
    return [
        Edge(image_id, base_id, Role.RUNTIME, fresh=True, followed=True, said=True)
        for image_id, base_ids in said.items()
        for base_id in base_ids
        if image_id in inside and base_id in inside
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
                "said": edge.said,
            }
            for edge in drawing.edges
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def to_dot(drawing: Drawing) -> str:
    """For Graphviz. Arrows lead from an image to its bases; dashed: at build time only, or said."""
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
        marks = ["style=dashed"] if edge.role is Role.BUILDTIME or edge.said else []
        marks += ['label="said"'] if edge.said else []
        marks += [] if edge.fresh else [f'color="{_STALE_LINE}"', 'label="moved"']
        marks += [] if edge.followed else ["constraint=false"]
        lines.append(f"  n{edge.image_id} -> n{edge.base_id}" + (f" [{', '.join(marks)}];" if marks else ";"))
    return "\n".join([*lines, "}"]) + "\n"


def to_mermaid(drawing: Drawing) -> str:
    """For Markdown pages. Arrows lead from an image to its bases; dotted: at build time only, or said."""
    lines = ["flowchart RL"]
    if drawing.advice:
        lines.append(f"  %% {drawing.advice}")
    for node in drawing.nodes:
        label = _mermaid_text(node.label) + ("" if node.fresh else "<br/>stale")
        lines.append(f'  n{node.image_id}["{label}"]' + ("" if node.fresh else ":::stale"))
    for edge in drawing.edges:
        arrow = "-.->" if edge.role is Role.BUILDTIME or edge.said else "-->"
        label = "|said|" if edge.said else "" if edge.fresh else "|moved|"
        lines.append(f"  n{edge.image_id} {arrow}{label} n{edge.base_id}")
    lines.append(f"  classDef stale fill:{_STALE_FILL},stroke:{_STALE_LINE}")
    return "\n".join(lines) + "\n"


def _dot_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _mermaid_text(text: str) -> str:
    """Mermaid writes characters that mean something to it as `#name;`."""
    marks = {"#": "#35;", "&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;"}
    return "".join(marks.get(letter, letter) for letter in text)
