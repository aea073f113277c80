"""Reads what lies below one image: what builds recorded, and where images of others begin."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from graph.database import numbers
from graph.hearsay import Place, read_indexes
from graph.platforms import pick, split
from graph.record import dataclass
from graph.reference import Platform

IMAGES_MOST = 500  # so many different images are looked up; what lies deeper is cut


class Edge(NamedTuple):
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
    written: str | None = None  # the name in the file, where the base follows newer tags
    rule: str | None = None
    newer: str | None = None  # the newest tag by that rule, where it is another by now
    newer_digest: str | None = None
    newer_at: str | None = None
    pinned_tag: str | None = None  # the name beside a pinned digest, and what it points to
    tag_digest: str | None = None
    tag_at: str | None = None


class Named(NamedTuple):
    image_id: int
    name: str
    origin: str
    digest: str | None
    built_at: str | None
    step: str  # of a task file, that built it; else ""


Below = Mapping[int, Sequence[Edge]]  # image → its edges; complete but for the deepest layer's bases


def read_known(connection: sqlite3.Connection, image_id: int) -> Known:
    """All that the tree of one image is made of, hearsay apart."""
    below = _read_below(connection, image_id)
    images = _read_images(connection, below)
    platforms = read_indexes(connection, _digests_in(below, images[image_id]))
    return Known(below, images, platforms, _platforms_of(connection, images[image_id], platforms))


def _read_below(connection: sqlite3.Connection, image_id: int) -> Below:
    """Layer by layer, as long as there is room."""
    below: dict[int, list[Edge]] = {}
    layer = [image_id]
    while layer and (len(below) <= 1 or len(below) + len(layer) <= IMAGES_MOST):  # direct bases always
        below |= {upper: [] for upper in layer}
        for row in connection.execute(
            "SELECT e.image_id, e.base_id, e.followed, e.role, e.via, e.stage, e.line, r.value, e.platforms,"
            " d.value, o.checked_at, o.changed_at, f.written, f.rule, n.name, nd.value, f.noted_at,"
            " t.name, td.value, tagged.changed_at FROM json_each(?) s"
            " CROSS JOIN edges e ON e.image_id = s.value JOIN digests r ON r.id = e.digest_id"
            " LEFT JOIN observations o ON o.image_id = e.base_id LEFT JOIN digests d ON d.id = o.digest_id"
            " LEFT JOIN followings f ON f.image_id = e.image_id AND f.base_id = e.base_id"
            " LEFT JOIN images n ON n.id = f.newer_id LEFT JOIN observations no ON no.image_id = f.newer_id"
            " LEFT JOIN digests nd ON nd.id = no.digest_id"
            " LEFT JOIN pinned_tags p ON p.image_id = e.base_id LEFT JOIN images t ON t.id = p.tag_id"
            " LEFT JOIN observations tagged ON tagged.image_id = p.tag_id"
            " LEFT JOIN digests td ON td.id = tagged.digest_id"
            " ORDER BY e.image_id, e.line, e.base_id",
            (numbers(layer),),
        ):
            below[row[0]].append(Edge(*row))
        bases = dict.fromkeys(edge.base_id for upper in layer for edge in below[upper])
        layer = [base_id for base_id in bases if base_id not in below]
    return below


def _read_images(connection: sqlite3.Connection, image_ids: Iterable[int]) -> dict[int, Named]:
    rows = connection.execute(
        "SELECT i.id, i.name, i.origin, coalesce(bd.value, od.value), b.built_at,"
        " coalesce(b.step, '') FROM json_each(?) s CROSS JOIN images i ON i.id = s.value"
        " LEFT JOIN builds b ON b.id = i.build_id LEFT JOIN digests bd ON bd.id = b.digest_id"
        " LEFT JOIN observations o ON o.image_id = i.id LEFT JOIN digests od ON od.id = o.digest_id",
        (numbers(image_ids),),
    )
    return {row[0]: Named(*row) for row in rows}


def _digests_in(below: Below, root: Named) -> set[str]:
    edges = (edge for its_edges in below.values() for edge in its_edges)
    digests = {
        digest
        for edge in edges
        for digest in (edge.recorded, edge.observed, edge.newer_digest, edge.tag_digest)
        if digest
    }
    return digests | ({root.digest} if root.digest else set())


def _platforms_of(
    connection: sqlite3.Connection, root: Named, held: Mapping[str, Mapping[Platform, str]]
) -> tuple[Platform, ...]:
    """For which platforms to look below an image of others: as one build used it, else all that it has."""
    row = connection.execute("SELECT platforms FROM edges WHERE base_id = ? LIMIT 1", (root.image_id,))
    used = row.fetchone()
    return split(used[0]) if used else tuple(sorted(held.get(root.digest or "", ())))


@dataclass(frozen=True, slots=True)
class Known:
    """What was read of the graph."""

    below: Below
    images: Mapping[int, Named]
    platforms: Mapping[str, Mapping[Platform, str]]  # index → manifest of each platform
    root_platforms: tuple[Platform, ...]

    def held(self, digest: str, platforms: Iterable[Platform]) -> dict[Platform, str]:
        """What each of the platforms uses of a digest; the digest itself where it is no index."""
        inside = self.platforms.get(digest)
        if inside is None:
            return dict.fromkeys(platforms, digest)
        return {platform: found for platform in platforms if (found := pick(inside, platform))}

    def was(self, edge: Edge) -> dict[Platform, str]:
        return self.held(edge.recorded, split(edge.platforms))

    def now(self, edge: Edge) -> dict[Platform, str]:
        there = edge.newer_digest or edge.observed or edge.recorded
        return self.held(there, split(edge.platforms))

    def by_tag(self, edge: Edge) -> dict[Platform, str]:
        """What the tag beside a pinned digest gives; as recorded where there is none."""
        return self.held(edge.tag_digest or edge.recorded, split(edge.platforms))

    def is_ours(self, image_id: int) -> bool:
        return image_id in self.images and self.images[image_id].built_at is not None

    def of_root(self, image_id: int) -> dict[Platform, str]:
        """What an image of others that stands at the top of the tree holds now."""
        root = self.images[image_id]
        return (
            {} if self.is_ours(image_id) or not root.digest else self.held(root.digest, self.root_platforms)
        )

    def places_of_others(self, root: int) -> Iterator[Place]:
        """Where the records end and hearsay begins."""
        for platform, manifest in self.of_root(root).items():
            yield Place(root, self.images[root].name, platform, manifest)
        for edge in (edge for edges in self.below.values() for edge in edges):
            if edge.base_id in self.images and not self.is_ours(edge.base_id):
                for platform, manifest in self.was(edge).items():
                    yield Place(edge.base_id, self.images[edge.base_id].name, platform, manifest)
