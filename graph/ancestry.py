"""The tree of what an image stands on, down to the roots, as recorded and as it is now. Decides nothing.

Below the last image that was built here stands what the images of others say of themselves.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace

from graph.below import Edge, Known, read_known
from graph.database import consistent
from graph.hearsay import DEPTH_MOST as SAID_DEPTH_MOST
from graph.hearsay import Hearsay, Word, follow
from graph.order import bases_first
from graph.record import dataclass
from graph.reference import Platform
from graph.words import Role, Via

LINES_MOST = 10_000  # a tree that would have more lines shows each image with its bases only once
DEPTH_MOST = 100  # and so does one that is deeper, which no reader of nested JSON could take


@dataclass(frozen=True, slots=True)
class Following:
    """By which rule a base is another tag than the one that was written, and the newest tag by now."""

    written: str
    rule: str
    newer: str | None = None  # None: the base is it
    newer_digest: str | None = None  # None: nobody has asked yet
    since: str | None = None  # when it was first listed


@dataclass(frozen=True, slots=True)
class PinnedTag:
    """The tag beside a pinned digest: what it points to now, and whether that is what is pinned."""

    reference: str
    digest: str | None
    since: str | None
    same: bool


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
    following: Following | None = None
    pinned_tag: PinnedTag | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A node of the tree. `fresh` says whether its own bases are those that it was built from."""

    image_id: int
    reference: str
    origin: str
    digest: str | None
    built_at: str | None
    step: str = ""  # of a task file, that built it
    bases: tuple[Base, ...] = ()
    cut: bool = False  # it has bases, which stand elsewhere in the tree or lie too deep
    fresh: bool = True


def bases_of(connection: sqlite3.Connection, image_id: int) -> Image:
    """The tree of bases of one image. What is reached twice stands in both places."""
    with consistent(connection):
        known = read_known(connection, image_id)
        return _Tree(known, follow(connection, known.places_of_others(image_id))).grow(image_id)


class _Tree:
    """Unfolds what was read. Images are values, so one that stands in many places is made once."""

    def __init__(self, known: Known, hearsay: Hearsay) -> None:
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

    def _base(self, edge: Edge, image: Image) -> Base:
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
            following=_following(edge),
            pinned_tag=self._pinned_tag(edge),
        )

    def _pinned_tag(self, edge: Edge) -> PinnedTag | None:
        if edge.pinned_tag is None:
            return None
        same = self._known.was(edge) == self._known.by_tag(edge)
        return PinnedTag(edge.pinned_tag, edge.tag_digest, edge.tag_at, same)

    def _said_below(self, edge: Edge) -> tuple[Base, ...]:
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
            image=Image(
                word.base_id, word.name, word.origin, word.newest, word.built_at, bases=below, cut=ours
            ),
            said=True,
        )


def _following(edge: Edge) -> Following | None:
    if edge.written is None or edge.rule is None:
        return None
    return Following(edge.written, edge.rule, edge.newer, edge.newer_digest, edge.newer_at)


def _plain(held: Mapping[Platform, str]) -> dict[str, str]:
    return {str(platform): manifest for platform, manifest in held.items()}


def _lines(bases: Iterable[Base]) -> int:
    """How many lines these bases and all below them take."""
    return sum(1 + _lines(base.image.bases) for base in bases)
