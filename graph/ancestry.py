"""The tree of what an image stands on, down to the roots, as recorded and as it is now. Decides nothing.

Below the last image that was built here stands what the images of others say of themselves.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import NamedTuple

from graph.database import consistent, numbers
from graph.hearsay import DEPTH_MOST as SAID_DEPTH_MOST
from graph.hearsay import Hearsay, Place, Word, follow, read_indexes
from graph.model import Role, Via
from graph.order import bases_first
from graph.platforms import pick, split
from graph.reference import Platform

IMAGES_MOST = 500  # so many different images below one are looked up; what lies deeper is cut
LINES_MOST = 10_000  # a tree that would have more lines shows each image with its bases only once
DEPTH_MOST = 100  # and so does one that is deeper, which no reader of nested JSON could take


@dataclass(frozen=True, slots=True)
class Base:
    """An edge of the tree: what was recorded of a base, and what it is now.

    Where `said`, no build here recorded it: the image above names its base so.
    """

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
    said: bool = False


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
        images = _read_images(connection, below)
        platforms = read_indexes(connection, _digests_in(below, images[image_id]))
        known = _Known(below, images, platforms, _platforms_of(connection, images[image_id], platforms))
        return _Tree(known, follow(connection, known.places_of_others(image_id))).grow(image_id)


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


def _digests_in(below: _Below, root: _Named) -> set[str]:
    edges = (edge for its_edges in below.values() for edge in its_edges)
    digests = {digest for edge in edges for digest in (edge.recorded, edge.observed) if digest}
    return digests | ({root.digest} if root.digest else set())


def _platforms_of(
    connection: sqlite3.Connection, root: _Named, held: Mapping[str, Mapping[Platform, str]]
) -> tuple[Platform, ...]:
    """For which platforms to look below an image of others: as one build used it, else all that it has."""
    row = connection.execute("SELECT platforms FROM edges WHERE base_id = ? LIMIT 1", (root.image_id,))
    used = row.fetchone()
    return split(used[0]) if used else tuple(sorted(held.get(root.digest or "", ())))


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read of the graph."""

    below: _Below
    images: Mapping[int, _Named]
    platforms: Mapping[str, Mapping[Platform, str]]  # index → manifest of each platform
    root_platforms: tuple[Platform, ...]

    def held(self, digest: str, platforms: Iterable[Platform]) -> dict[Platform, str]:
        """What each of the platforms uses of a digest; the digest itself where it is no index."""
        inside = self.platforms.get(digest)
        if inside is None:
            return dict.fromkeys(platforms, digest)
        return {platform: found for platform in platforms if (found := pick(inside, platform))}

    def was(self, edge: _Edge) -> dict[Platform, str]:
        return self.held(edge.recorded, split(edge.platforms))

    def now(self, edge: _Edge) -> dict[Platform, str]:
        return self.held(edge.observed or edge.recorded, split(edge.platforms))

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


class _Tree:
    """Unfolds what was read. Images are values, so one that stands in many places is made once."""

    def __init__(self, known: _Known, hearsay: Hearsay) -> None:
        self._known = known
        self._below = below = known.below
        self._images = known.images
        self._hearsay = hearsay
        self._too_deep = {
            image_id for image_id, edges in below.items() if any(edge.base_id not in below for edge in edges)
        }
        self._open = {  # where an edge closes a circle, the base behind it is not unfolded
            image_id: [edge.base_id for edge in edges if edge.followed and image_id not in self._too_deep]
            for image_id, edges in below.items()
        }
        self._fresh = {
            image_id: all(known.was(edge) == known.now(edge) for edge in edges)
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
        said = self._said(self._known.of_root(root))
        return replace(grown[root], bases=said) if said else grown[root]

    def _fits(self, root: int, order: Iterable[int]) -> bool:
        """Whether the tree, with everything in each of its places, stays within lines and depth."""
        lines: dict[int, int] = {}
        depths: dict[int, int] = {}
        for image_id in order:
            its_bases = self._open[image_id]
            said = sum(_lines(self._said_below(edge)) for edge in self._below[image_id])
            lines[image_id] = 1 + said + sum(lines.get(base_id, 1) for base_id in its_bases)
            depths[image_id] = 1 + max((depths.get(base_id, 0) for base_id in its_bases), default=0)
        return lines[root] <= LINES_MOST and depths[root] + SAID_DEPTH_MOST <= DEPTH_MOST

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
            image = grown[edge.base_id] if shown else self._cut(edge.base_id)
            said = self._said_below(edge) if shown else ()
            bases.append(self._base(edge, replace(image, bases=said) if said else image))
        return Image(*self._images[image_id], bases=tuple(bases), fresh=self._fresh[image_id])

    def _cut(self, image_id: int) -> Image:
        has_bases = bool(self._below[image_id])
        return Image(*self._images[image_id], cut=has_bases, fresh=self._fresh[image_id])

    def _base(self, edge: _Edge, image: Image) -> Base:
        was = self._known.was(edge)
        return Base(
            reference=image.reference,
            role=edge.role,
            via=edge.via,
            stage=edge.stage,
            line=edge.line,
            recorded_digest=edge.recorded,
            recorded_platform_digests=_plain(was),
            observed_digest=edge.observed,
            observed_at=edge.checked_at,
            changed_at=edge.changed_at,
            fresh=was == self._known.now(edge),
            image=image,
        )

    def _said_below(self, edge: _Edge) -> tuple[Base, ...]:
        """What the base of this edge says that it stands on, if it is not ours."""
        known = edge.base_id in self._images and not self._known.is_ours(edge.base_id)
        return self._said(self._known.was(edge)) if known else ()

    def _said(self, held: Mapping[Platform, str], path: tuple[str, ...] = ()) -> tuple[Base, ...]:
        """The bases that these manifests name, one for each name; `path` is the way down to here."""
        named: dict[int, dict[Platform, Word]] = {}
        for platform, manifest in held.items():
            word = self._hearsay.words.get(manifest)
            if word is not None and word.digest not in path and len(path) < SAID_DEPTH_MOST:
                named.setdefault(word.base_id, {})[platform] = word
        return tuple(self._said_base(words, path) for words in named.values())

    def _said_base(self, words: Mapping[Platform, Word], path: tuple[str, ...]) -> Base:
        word = next(iter(words.values()))
        held = {
            platform: manifest
            for platform, its_word in words.items()
            if (manifest := self._hearsay.manifest_of(its_word, platform))
        }
        ours = word.built_at is not None
        below = () if ours else self._said(held, (*path, *(its_word.digest for its_word in words.values())))
        return Base(
            reference=word.name,
            role=Role.RUNTIME,
            via=Via.FROM,
            stage="",
            line=0,
            recorded_digest=word.digest,
            recorded_platform_digests=_plain(held),
            observed_digest=word.observed,
            observed_at=word.checked_at,
            changed_at=word.changed_at,
            fresh=True,  # nobody compares it
            image=Image(word.base_id, word.name, word.origin, word.newest, word.built_at, below, cut=ours),
            said=True,
        )


def _plain(held: Mapping[Platform, str]) -> dict[str, str]:
    return {str(platform): manifest for platform, manifest in held.items()}


def _lines(bases: Iterable[Base]) -> int:
    """How many lines these bases and all below them take."""
    return sum(1 + _lines(base.image.bases) for base in bases)
