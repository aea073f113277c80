"""The graph, or the part around one image, as a value that can be drawn. Knows no format."""

from __future__ import annotations

from graph.record import dataclass
from graph.words import Origin, Role

READABLE_NODES_MOST = 300
LAID_OUT_NODES_MOST = 2_000  # placing more of them takes a gigabyte, and nobody could read it


@dataclass(frozen=True, slots=True)
class Node:
    """One image. `label` is the shortest form of its name."""

    image_id: int
    name: str
    label: str
    kind: Origin
    fresh: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """An image stands on a base. `followed` is false where the edge closes a circle.

    `said`: no build here recorded it; the image, which was not built here, says so of itself.
    """

    image_id: int
    base_id: int
    role: Role
    fresh: bool
    followed: bool
    said: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """Images and what they stand on, by name; `focus` is the image around which it was cut out."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    focus: int | None = None

    @property
    def stale(self) -> int:
        """How many of the images are stale."""
        return sum(not node.fresh for node in self.nodes)

    @property
    def advice(self) -> str | None:
        """What to do about a drawing with more images than anybody can read."""
        if len(self.nodes) <= READABLE_NODES_MOST:
            return None
        return f"{len(self.nodes)} images are hard to read: 'tracker graph IMAGE' draws the part around one"
