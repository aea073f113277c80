"""Drawing: what is cut out, and that every format is well-formed whatever the names are."""

from __future__ import annotations

import json
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.drawing import read_drawing, to_dot, to_json, to_mermaid, to_svg
from graph.figure import READABLE_NODES_MOST, Drawing, Edge, Node
from graph.layout import lay_out
from graph.words import Origin, Role
from tests.graph.world import World

SVG = "{http://www.w3.org/2000/svg}"


def stale_pair(world: World) -> Drawing:
    world.build("registry.example.com:5000/team/app", "alpine", "node")
    world.publish("alpine", "new", 5)
    return read_drawing(world.sql, None)


def drawn(names: list[str]) -> Drawing:
    """A chain of images with these names, every second one stale."""
    nodes = [
        Node(number, name, name, Origin.BUILT, fresh=number % 2 == 0) for number, name in enumerate(names)
    ]
    edges = [
        Edge(number, number - 1, Role.RUNTIME, fresh=True, followed=True) for number in range(1, len(names))
    ]
    return Drawing(tuple(nodes), tuple(edges))


def test_the_whole_graph_holds_every_image_and_edge(world: World) -> None:
    drawing = stale_pair(world)

    assert [(node.label, node.kind, node.fresh) for node in drawing.nodes] == [
        ("alpine:latest", Origin.EXTERNAL, True),
        ("node:latest", Origin.EXTERNAL, True),
        ("registry.example.com:5000/team/app:latest", Origin.BUILT, False),
    ]
    assert [(edge.role, edge.fresh) for edge in drawing.edges] == [
        (Role.RUNTIME, False),
        (Role.BUILDTIME, True),
    ]


def test_a_focus_cuts_out_what_is_below_and_above(world: World) -> None:
    world.build("lower", "alpine")
    world.build("middle", "lower")
    world.build("upper", "middle", "aside")
    world.build("elsewhere", "alpine")

    drawing = read_drawing(world.sql, world.id("middle"))

    assert [node.label.removesuffix(":latest") for node in drawing.nodes] == [
        "alpine",
        "lower",
        "middle",
        "upper",
    ]


def test_json_names_images_in_full(world: World) -> None:
    document = json.loads(to_json(stale_pair(world)))

    assert document["focus"] is None
    assert document["nodes"][2] == {
        "reference": "registry.example.com:5000/team/app:latest",
        "kind": "built",
        "fresh": False,
    }
    assert document["edges"][0] == {
        "image": "registry.example.com:5000/team/app:latest",
        "base": "docker.io/library/alpine:latest",
        "role": "runtime",
        "fresh": False,
        "followed": True,
        "said": False,
    }


def test_dot_marks_stale_images_and_build_time_bases(world: World) -> None:
    dot = to_dot(stale_pair(world))

    assert 'label="registry.example.com:5000/team/app:latest\\nstale"' in dot
    assert dot.count("style=dashed") == 1
    assert dot.startswith("digraph images {") and dot.endswith("}\n")


def test_mermaid_marks_stale_images_and_build_time_bases(world: World) -> None:
    mermaid = to_mermaid(stale_pair(world))

    assert '["registry.example.com:5000/team/app:latest<br/>stale"]:::stale' in mermaid
    assert mermaid.count("-.->") == 1


def test_svg_marks_stale_images_by_word_and_colour(world: World) -> None:
    document = ElementTree.fromstring(to_svg(stale_pair(world)))

    texts = [element.text for element in document.iter(f"{SVG}text")]
    titles = [element.text for element in document.iter(f"{SVG}title")]
    assert texts.count("stale") == 1
    assert "3 images, 1 stale" in texts
    assert "registry.example.com:5000/team/app:latest (built, stale)" in titles
    assert any("#b3261e" in rect.get("stroke", "") for rect in document.iter(f"{SVG}rect"))


def test_an_edge_that_closes_a_circle_is_drawn(world: World) -> None:
    world.build("a", "alpine")
    world.build("b", "a")
    world.build("a", "b", minute=3)

    drawing = read_drawing(world.sql, None)

    assert sum(not edge.followed for edge in drawing.edges) == 1
    assert "closes a circle" in to_svg(drawing)


def test_a_large_drawing_says_that_a_focus_helps() -> None:
    large = drawn([f"image{number}" for number in range(READABLE_NODES_MOST + 1)])

    assert drawn(["a"]).advice is None
    for text in (to_dot(large), to_mermaid(large), to_svg(large)):
        assert "draws the part around one" in text


@pytest.mark.parametrize("write", [to_dot, to_mermaid, to_json, to_svg])
def test_an_empty_graph_is_drawn_too(write: object) -> None:
    assert write(Drawing((), ()))  # type: ignore[operator]


letters = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")
hostile = st.text(letters, min_size=1)


@given(st.lists(hostile, min_size=1, max_size=4, unique=True))
def test_svg_is_well_formed_whatever_the_names_are(names: list[str]) -> None:
    document = ElementTree.fromstring(to_svg(drawn(names)))

    titles = [element.text or "" for element in document.iter(f"{SVG}title")]
    assert all(any(title.startswith(name) for title in titles) for name in names)


@given(hostile)
def test_a_name_cannot_end_its_quotes(name: str) -> None:
    dot_line, mermaid_line = (_node_line(write(drawn([name]))) for write in (to_dot, to_mermaid))

    assert dot_line.replace("\\\\", "").replace('\\"', "").count('"') % 2 == 0
    assert mermaid_line.count('"') == 2


def _node_line(text: str) -> str:
    return next(line for line in text.split("\n") if line.startswith("  n0"))


@st.composite
def layered(draw: st.DrawFn) -> dict[int, list[int]]:
    count = draw(st.integers(1, 12))
    return {n: sorted(draw(st.sets(st.integers(0, n - 1), max_size=3))) if n else [] for n in range(count)}


@given(layered())
def test_bases_stand_left_of_what_stands_on_them(bases: dict[int, list[int]]) -> None:
    layout = lay_out(bases, row=50, lane=10)

    for member, its_bases in bases.items():
        assert all(layout.columns[base] < layout.columns[member] for base in its_bases)


@given(layered())
def test_boxes_and_passing_edges_do_not_overlap(bases: dict[int, list[int]]) -> None:
    layout = lay_out(bases, row=50, lane=10)

    for column in range(layout.width):
        inside = sorted(
            (height, 50 if isinstance(vertex, int) else 10)
            for vertex, height in layout.heights.items()
            if layout.columns[vertex] == column
        )
        for (lower, low_size), (upper, high_size) in pairwise(inside):
            assert upper - lower >= (low_size + high_size) / 2 - 1e-6


def test_a_tangled_graph_is_drawn_without_crossings() -> None:
    bases = {1: [], 2: [], 3: [], 4: [3], 5: [2], 6: [1]}

    heights = lay_out(bases, row=50, lane=10).heights

    lower, upper = ([heights[member] for member in column] for column in ([1, 2, 3], [6, 5, 4]))
    assert [low < lower[1] for low in lower] == [high < upper[1] for high in upper]
