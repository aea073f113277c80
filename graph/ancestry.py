"""The tree of what an image stands on, down to the roots, as recorded and as it is now. Decides nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from graph.database import consistent, numbers
from graph.order import bases_first
from graph.platforms import pick, split
from graph.reference import Platform

IMAGES_MOST = 500  # so many different images below one are looked up; what lies deeper is cut
LINES_MOST = 10_000  # a tree that would have more lines shows each image with its bases only once
DEPTH_MOST = 100  # and so does one that is deeper, which no reader of nested JSON could take


@dataclass(frozen=True, slots=True)
class Base:
    """An edge of the tree: what was recorded of a base, and what it is now."""

    reference: str
    role: str
    via: str
    stage: str
    line: int
    recorded_digest: str
    recorded_platform_digests: Mapping[str, str]
    observed_digest: str | None
    observed_at: str | None  # when the registry last answered
    changed_at: str | None  # since when it points there
    fresh: bool
    image: Image


@dataclass(frozen=True, slots=True)
class Image:
    """A node of the tree. `fresh` says whether its own bases are those that it was built from."""

    image_id: int
    reference: str
    origin: str
    digest: str | None
    built_at: str | None
    bases: tuple[Base, ...] = ()
    cut: bool = False  # it has bases, which stand elsewhere in the tree or lie too deep
    fresh: bool = True


def bases_of(connection: sqlite3.Connection, image_id: int) -> Image:
    """The tree of bases of one image. What is reached twice stands in both places."""
    with consistent(connection):
        below = _read_below(connection, image_id)
        return _Tree(below, _read_images(connection, below), _read_platforms(connection, below)).grow(
            image_id
        )


class _Edge(NamedTuple):
    image_id: int
    base_id: int
    followed: int
    role: str
    via: str
    stage: str
    line: int
    recorded: str
    platforms: str
    observed: str | None
    checked_at: str | None
    changed_at: str | None


class _Named(NamedTuple):
    image_id: int
    name: str
    origin: str
    digest: str | None
    built_at: str | None


_Below = Mapping[int, Sequence[_Edge]]  # image → its edges; complete but for the deepest layer's bases


def _read_below(connection: sqlite3.Connection, image_id: int) -> _Below:
    """Layer by layer, as long as there is room."""
    below: dict[int, list[_Edge]] = {}
    layer = [image_id]
    while layer and (len(below) <= 1 or len(below) + len(layer) <= IMAGES_MOST):  # direct bases always
        below |= {upper: [] for upper in layer}
        for row in connection.execute(
            "SELECT e.image_id, e.base_id, e.followed, e.role, e.via, e.stage, e.line, r.value, e.platforms,"
            " d.value, o.checked_at, o.changed_at FROM json_each(?) s"
            " CROSS JOIN edges e ON e.image_id = s.value JOIN digests r ON r.id = e.digest_id"
            " LEFT JOIN observations o ON o.image_id = e.base_id LEFT JOIN digests d ON d.id = o.digest_id"
            " ORDER BY e.image_id, e.line, e.base_id",
            (numbers(layer),),
        ):
            below[row[0]].append(_Edge(*row))
        bases = dict.fromkeys(edge.base_id for upper in layer for edge in below[upper])
        layer = [base_id for base_id in bases if base_id not in below]
    return below


def _read_images(connection: sqlite3.Connection, image_ids: Iterable[int]) -> dict[int, _Named]:
    rows = connection.execute(
        "SELECT i.id, i.name, i.origin, coalesce(bd.value, od.value), b.built_at"
        " FROM json_each(?) s CROSS JOIN images i ON i.id = s.value"
        " LEFT JOIN builds b ON b.id = i.build_id LEFT JOIN digests bd ON bd.id = b.digest_id"
        " LEFT JOIN observations o ON o.image_id = i.id LEFT JOIN digests od ON od.id = o.digest_id",
        (numbers(image_ids),),
    )
    return {row[0]: _Named(*row) for row in rows}


def _read_platforms(connection: sqlite3.Connection, below: _Below) -> dict[str, dict[Platform, str]]:
    """What the indexes among the digests hold for each platform."""
    edges = (edge for its_edges in below.values() for edge in its_edges)
    digests = {digest for edge in edges for digest in (edge.recorded, edge.observed) if digest}
    rows = connection.execute(
        "SELECT i.value, m.platform, d.value FROM json_each(?) s CROSS JOIN digests i ON i.value = s.value"
        " CROSS JOIN manifests m ON m.index_id = i.id CROSS JOIN digests d ON d.id = m.digest_id",
        ("[" + ",".join(f'"{digest}"' for digest in digests) + "]",),
    )
    platforms: dict[str, dict[Platform, str]] = {}
    for index, platform, digest in rows:
        platforms.setdefault(index, {})[Platform.parse(platform)] = digest
    return platforms


class _Tree:
    """Unfolds what was read. Images are values, so one that stands in many places is made once."""

    def __init__(
        self, below: _Below, images: Mapping[int, _Named], platforms: Mapping[str, Mapping[Platform, str]]
    ) -> None:
        self._below = below
        self._images = images
        self._platforms = platforms
        self._too_deep = {
            image_id for image_id, edges in below.items() if any(edge.base_id not in below for edge in edges)
        }
        self._open = {  # where an edge closes a circle, the base behind it is not unfolded
            image_id: [edge.base_id for edge in edges if edge.followed and image_id not in self._too_deep]
            for image_id, edges in below.items()
        }
        self._fresh = {
            image_id: all(self._was(edge) == self._now(edge) for edge in edges)
            for image_id, edges in below.items()
        }

    def grow(self, root: int) -> Image:
        order = bases_first(self._open)
        places: Set[tuple[int, int]] = {(upper, base) for upper in order for base in self._open[upper]}
        if not self._fits(root, order):
            order, places = self._first_places(root)
        grown: dict[int, Image] = {}
        for image_id in order:
            grown[image_id] = self._image(image_id, grown, places)
        return grown[root]

    def _fits(self, root: int, order: Iterable[int]) -> bool:
        """Whether the tree, with everything in each of its places, stays within lines and depth."""
        lines: dict[int, int] = {}
        depths: dict[int, int] = {}
        for image_id in order:
            its_bases = self._open[image_id]
            lines[image_id] = 1 + sum(lines.get(base_id, 1) for base_id in its_bases)
            depths[image_id] = 1 + max((depths.get(base_id, 0) for base_id in its_bases), default=0)
        return lines[root] <= LINES_MOST and depths[root] <= DEPTH_MOST

    def _first_places(self, root: int) -> tuple[list[int], Set[tuple[int, int]]]:
        """An order for growing, and where each image shows its bases: the place nearest to the root."""
        order = [root]
        depths = {root: 1}
        places = set()
        for image_id in order:  # grows while it is walked
            for base_id in self._open[image_id]:
                if base_id not in depths and depths[image_id] < DEPTH_MOST - 1:
                    depths[base_id] = depths[image_id] + 1
                    places.add((image_id, base_id))
                    order.append(base_id)
        return order[::-1], places

    def _image(self, image_id: int, grown: Mapping[int, Image], places: Set[tuple[int, int]]) -> Image:
        if image_id in self._too_deep:
            return self._cut(image_id)
        bases = []
        for edge in self._below[image_id]:
            shown = (image_id, edge.base_id) in places and edge.base_id in grown
            bases.append(self._base(edge, grown[edge.base_id] if shown else self._cut(edge.base_id)))
        return Image(*self._images[image_id], bases=tuple(bases), fresh=self._fresh[image_id])

    def _cut(self, image_id: int) -> Image:
        has_bases = bool(self._below[image_id])
        return Image(*self._images[image_id], cut=has_bases, fresh=self._fresh[image_id])

    def _base(self, edge: _Edge, image: Image) -> Base:
        was = self._was(edge)
        return Base(
            reference=image.reference,
            role=edge.role,
            via=edge.via,
            stage=edge.stage,
            line=edge.line,
            recorded_digest=edge.recorded,
            recorded_platform_digests=was,
            observed_digest=edge.observed,
            observed_at=edge.checked_at,
            changed_at=edge.changed_at,
            fresh=was == self._now(edge),
            image=image,
        )

    def _was(self, edge: _Edge) -> dict[str, str]:
        return self._digests(edge.recorded, edge.platforms)

    def _now(self, edge: _Edge) -> dict[str, str]:
        return self._digests(edge.observed or edge.recorded, edge.platforms)

    def _digests(self, digest: str, platforms: str) -> dict[str, str]:
        """What each of the platforms uses of a digest; the digest itself where it is no index."""
        held = self._platforms.get(digest)
        if held is None:
            return {str(platform): digest for platform in split(platforms)}
        found = {str(platform): pick(held, platform) for platform in split(platforms)}
        return {platform: manifest for platform, manifest in found.items() if manifest}
