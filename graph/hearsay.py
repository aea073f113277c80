"""What images of others say that they stand on, upwards from the digests that builds here used.

Reads only what is remembered and asks nobody. Nothing that is decided rests on it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import field
from typing import NamedTuple

from graph.platforms import pick, split
from graph.record import dataclass
from graph.reference import Digest, ImageRef, Platform

DEPTH_MOST = 12  # so many bases above each other are followed; a longer story is none


class Word(NamedTuple):
    """The base that a manifest names, with what is known of that name besides."""

    base_id: int
    name: str
    origin: str
    digest: str  # as the word has it: of an index or of a manifest
    looked_into: int  # whether it is known which of the two
    newest: str | None  # what the name holds now, where that is watched or was built here
    observed: str | None
    checked_at: str | None
    changed_at: str | None
    built_at: str | None


class Place(NamedTuple):
    """A manifest that counts here: it was used by a build, or named by one that counts."""

    image_id: int
    name: str
    platform: Platform
    manifest: str


@dataclass(slots=True)
class Hearsay:
    """The words of the manifests that were reached, and what is left to ask."""

    words: dict[str, Word | None] = field(default_factory=dict)  # None: asked, and names no base
    held: dict[str, dict[Platform, str]] = field(default_factory=dict)  # index → manifest of each platform
    edges: dict[int, dict[int, None]] = field(default_factory=dict)  # image → the bases it is said to have
    unasked: dict[tuple[str, str], None] = field(default_factory=dict)  # name and digest

    def manifest_of(self, word: Word, platform: Platform) -> str | None:
        """What the platform uses of the base that was named; None where that is not known."""
        if not word.looked_into:
            return None
        held = self.held.get(word.digest)
        return pick(held, platform) if held else word.digest


def follow(connection: sqlite3.Connection, places: Iterable[Place]) -> Hearsay:
    """Step by step upwards from these places. Circles end where they close."""
    found = Hearsay()
    layer, seen = dict.fromkeys(places), set[Place]()
    for _ in range(DEPTH_MOST):
        seen |= layer.keys()
        _read_words(connection, found, {place.manifest for place in layer})
        silent_first = sorted(layer, key=lambda place: place.manifest in found.words)  # they are nearer
        uppers = [_step(found, place) for place in silent_first]
        layer = {upper: None for upper in uppers if upper is not None and upper not in seen}
        if not layer:
            break
    return found


def survey(connection: sqlite3.Connection) -> Hearsay:
    """Follows every digest of images of others that the newest builds used."""
    rows = connection.execute(
        "SELECT DISTINCT i.id, i.name, d.value, e.platforms FROM images i"
        " CROSS JOIN edges e INDEXED BY edges_by_base ON e.base_id = i.id"
        " JOIN digests d ON d.id = e.digest_id WHERE i.build_id IS NULL"
    ).fetchall()
    held = read_indexes(connection, {row[2] for row in rows})
    return follow(connection, _places(rows, held))


def next_unasked(connection: sqlite3.Connection) -> list[tuple[ImageRef, Digest]]:
    """What nobody has looked into yet, nearest to our builds first."""
    return [(ImageRef.parse(name), Digest.parse(digest)) for name, digest in survey(connection).unasked]


def anything_said(connection: sqlite3.Connection) -> bool:
    """Whether there is any hearsay at all: cheap, before a survey that is not."""
    row = connection.execute("SELECT 1 FROM said_bases WHERE base_id IS NOT NULL LIMIT 1").fetchone()
    return row is not None


def read_indexes(connection: sqlite3.Connection, digests: Iterable[str]) -> dict[str, dict[Platform, str]]:
    """What the indexes among the digests hold for each platform."""
    rows = connection.execute(
        "SELECT i.value, m.platform, d.value FROM json_each(?) s CROSS JOIN digests i ON i.value = s.value"
        " CROSS JOIN manifests m ON m.index_id = i.id CROSS JOIN digests d ON d.id = m.digest_id",
        (_texts(digests),),
    )
    held: dict[str, dict[Platform, str]] = {}
    for index, platform, digest in rows:
        held.setdefault(index, {})[split(platform)[0]] = digest
    return held


def _places(
    rows: Iterable[tuple[int, str, str, str]], held: dict[str, dict[Platform, str]]
) -> Iterable[Place]:
    for image_id, name, digest, platforms in rows:
        for platform in split(platforms):
            manifest = pick(held[digest], platform) if digest in held else digest
            if manifest is not None:
                yield Place(image_id, name, platform, manifest)


def _step(found: Hearsay, place: Place) -> Place | None:
    """The place above this one. What is in the way of it is noted as not asked yet."""
    if place.manifest not in found.words:
        found.unasked[place.name, place.manifest] = None
        return None
    word = found.words[place.manifest]
    if word is None:
        return None
    found.edges.setdefault(place.image_id, {})[word.base_id] = None
    if word.built_at is not None:  # one of ours, of which we know better
        return None
    manifest = found.manifest_of(word, place.platform)
    if manifest is None:
        if not word.looked_into:
            found.unasked[word.name, word.digest] = None
        return None
    return Place(word.base_id, word.name, place.platform, manifest)


def _read_words(connection: sqlite3.Connection, found: Hearsay, manifests: Iterable[str]) -> None:
    rows = connection.execute(
        "SELECT d.value, i.id, i.name, i.origin, b.value, b.looked_into, coalesce(pd.value, od.value),"
        " od.value, o.checked_at, o.changed_at, p.built_at FROM json_each(?) j"
        " CROSS JOIN digests d ON d.value = j.value CROSS JOIN said_bases s ON s.digest_id = d.id"
        " LEFT JOIN digests b ON b.id = s.base_digest_id LEFT JOIN images i ON i.id = s.base_id"
        " LEFT JOIN builds p ON p.id = i.build_id LEFT JOIN digests pd ON pd.id = p.digest_id"
        " LEFT JOIN observations o ON o.image_id = i.id LEFT JOIN digests od ON od.id = o.digest_id",
        (_texts(set(manifests) - found.words.keys()),),
    ).fetchall()
    found.words |= {row[0]: None if row[1] is None else Word(*row[1:]) for row in rows}
    found.held |= read_indexes(connection, {row[4] for row in rows if row[4]} - found.held.keys())


def _texts(values: Iterable[str]) -> str:
    return "[" + ",".join(f'"{value}"' for value in values) + "]"
