"""Places the members of a layered graph: a column for each level, few crossings, short edges. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean

from graph.order import bases_first, reversed_edges
from graph.record import dataclass

SWEEPS = 8
BENT_MEMBERS_MOST = 1_000  # in a larger graph long edges run straight: bends would outnumber the members

Vertex = int | tuple[int, int, int]  # a member, or a bend of a long edge: member, base, column


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns from the left, bases before those that stand on them; heights are the vertical middles."""

    columns: Mapping[Vertex, int]
    heights: Mapping[Vertex, float]
    bends: Mapping[tuple[int, int], Sequence[Vertex]]  # of an edge (member, base), from the base upwards

    @property
    def width(self) -> int:
        """The number of columns."""
        return 1 + max(self.columns.values(), default=-1)


def lay_out(bases: Mapping[int, Sequence[int]], *, row: float, lane: float) -> Layout:
    """Place each member. `row` is the height that a member takes, `lane` that of an edge passing by."""
    levels = _levels(bases)
    links, bends = _links(bases, levels)
    columns: dict[Vertex, int] = dict(levels.items())
    columns.update((bend, bend[2]) for chain in bends.values() for bend in chain if isinstance(bend, tuple))
    left: dict[Vertex, list[Vertex]] = {vertex: [] for vertex in columns}
    right: dict[Vertex, list[Vertex]] = {vertex: [] for vertex in columns}
    for upper, lower in links:
        left[upper].append(lower)
        right[lower].append(upper)
    stacks = _sorted_stacks(_stacks(columns), left, right)
    heights = _heights(stacks, left, right, lambda vertex: row if isinstance(vertex, int) else lane)
    return Layout(columns, heights, bends)


def _levels(bases: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """How many columns from the left; a member without bases stands just before the first that needs it."""
    above = reversed_edges(bases)
    levels = dict.fromkeys(bases, 0)
    for member in bases_first(bases, above):
        levels[member] = max((1 + levels[base] for base in bases[member] if base in levels), default=0)
    for member, its_bases in bases.items():
        if not its_bases and above[member]:
            levels[member] = min(levels[upper] for upper in above[member]) - 1
    return levels


def _links(
    bases: Mapping[int, Sequence[int]], levels: Mapping[int, int]
) -> tuple[list[tuple[Vertex, Vertex]], dict[tuple[int, int], list[Vertex]]]:
    """Edges cut into pieces of one column each: pairs of upper and lower end, and the bends between them."""
    links: list[tuple[Vertex, Vertex]] = []
    bends: dict[tuple[int, int], list[Vertex]] = {}
    bent = len(bases) <= BENT_MEMBERS_MOST
    for member, its_bases in bases.items():
        for base in its_bases:
            between = range(levels[base] + 1, levels[member]) if bent else ()
            bends[member, base] = [(member, base, column) for column in between]
            chain: list[Vertex] = [base, *bends[member, base], member]
            links += zip(chain[1:], chain[:-1], strict=True)
    return links, bends


def _stacks(columns: Mapping[Vertex, int]) -> list[list[Vertex]]:
    stacks: list[list[Vertex]] = [[] for _ in range(1 + max(columns.values(), default=-1))]
    for vertex, column in columns.items():
        stacks[column].append(vertex)
    return stacks


def _sorted_stacks(
    stacks: list[list[Vertex]],
    left: Mapping[Vertex, Sequence[Vertex]],
    right: Mapping[Vertex, Sequence[Vertex]],
) -> list[list[Vertex]]:
    """Barycentre sweeps: each vertex moves to the mean place of its neighbours, to and fro."""
    places = {vertex: float(place) for stack in stacks for place, vertex in enumerate(stack)}
    for sweep in range(SWEEPS):
        neighbours, order = (left, stacks) if sweep % 2 == 0 else (right, stacks[::-1])
        for stack in order:
            means = {vertex: _mean(places, neighbours[vertex], places[vertex]) for vertex in stack}
            stack.sort(key=means.__getitem__)
            places.update((vertex, float(place)) for place, vertex in enumerate(stack))
    return stacks


def _heights(
    stacks: Sequence[Sequence[Vertex]],
    left: Mapping[Vertex, Sequence[Vertex]],
    right: Mapping[Vertex, Sequence[Vertex]],
    size: Callable[[Vertex], float],
) -> dict[Vertex, float]:
    """Middles of the vertices: near those of their neighbours, in the order of the stack, without overlap."""
    heights: dict[Vertex, float] = {}
    for stack in stacks:
        heights.update(_spread(stack, [0.0] * len(stack), size))
    for sweep in range(SWEEPS):
        neighbours, order = (left, stacks) if sweep % 2 == 0 else (right, stacks[::-1])
        for stack in order:
            wanted = [_mean(heights, neighbours[vertex], heights[vertex]) for vertex in stack]
            heights.update(_spread(stack, wanted, size))
    top = min((height - size(vertex) / 2 for vertex, height in heights.items()), default=0.0)
    return {vertex: height - top for vertex, height in heights.items()}


def _spread(
    stack: Sequence[Vertex], wanted: Sequence[float], size: Callable[[Vertex], float]
) -> Iterable[tuple[Vertex, float]]:
    """The wanted heights, pushed apart: halfway between making room downwards and making room upwards."""
    down = _pushed(stack, wanted, size)
    up = [-height for height in _pushed(stack[::-1], [-height for height in wanted[::-1]], size)][::-1]
    return [(vertex, (low + high) / 2) for vertex, low, high in zip(stack, down, up, strict=True)]


def _pushed(stack: Sequence[Vertex], wanted: Sequence[float], size: Callable[[Vertex], float]) -> list[float]:
    placed: list[float] = []
    lowest = float("-inf")
    for vertex, height in zip(stack, wanted, strict=True):
        placed.append(max(height, lowest + size(vertex) / 2))
        lowest = placed[-1] + size(vertex) / 2
    return placed


def _mean(places: Mapping[Vertex, float], neighbours: Sequence[Vertex], otherwise: float) -> float:
    return fmean(places[neighbour] for neighbour in neighbours) if neighbours else otherwise
