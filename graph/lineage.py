"""Reads what stands on what: names, the tree of bases down to the root, and what stands above."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from graph.errors import TrackerError, WrongUse
from graph.reference import ImageRef, Platform
from graph.store import split

NODES_MOST = 10_000  # a tree repeats what is reached twice; past this many lines it is cut


class UnknownImage(TrackerError):
    """No image of that name has been recorded."""


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
    """A node of the tree."""

    image_id: int
    reference: str
    origin: str
    digest: str | None
    built_at: str | None
    bases: tuple[Base, ...] = ()
    cut: bool = False  # its bases stand elsewhere in a tree that grew too large

    @property
    def fresh(self) -> bool:
        return all(base.fresh for base in self.bases)


@dataclass(frozen=True, slots=True)
class Dependant:
    """An image above another; `distance` 1 stands on it directly."""

    image_id: int
    reference: str
    distance: int
    role: str
    built_at: str | None


def find_image(connection: sqlite3.Connection, text: str) -> tuple[int, str]:
    """The number and full name of the image that a person means by `text`, short where unambiguous."""
    reference = ImageRef.parse(text)
    row = connection.execute("SELECT id, name FROM images WHERE name = ?", (str(reference),)).fetchone()
    if row is not None:
        return int(row[0]), str(row[1])
    candidates = _named_like(connection, text, reference)
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        names = ", ".join(name for _, name in candidates[:5]) + (", …" if len(candidates) > 5 else "")
        raise WrongUse(f"{text!r} is ambiguous: it may be {names}", hint="write the name in full")
    raise UnknownImage(
        f"no image {reference} has been recorded",
        hint="'tracker images' lists the known ones; 'tracker build' records a new one",
    )


def _named_like(connection: sqlite3.Connection, text: str, reference: ImageRef) -> list[tuple[int, str]]:
    """Images whose name ends as the text does; failing that, those of that repository under any one tag."""
    short = reference.familiar
    tail = short.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    query = "SELECT id, name FROM images WHERE name LIKE ? ESCAPE '\\' ORDER BY name LIMIT 20"
    found = connection.execute(query, (f"%/{tail}",)).fetchall()
    if not found and reference.digest is None and not text.endswith(f":{reference.tag}"):
        found = connection.execute(query, (f"%/{tail.removesuffix(':latest')}:%",)).fetchall()
    return [(int(image_id), str(name)) for image_id, name in found]


def bases_of(connection: sqlite3.Connection, image_id: int) -> Image:
    """The tree of bases of one image, down to those that stand on nothing known."""
    return _Tree(connection, image_id).grow()


class _Tree:
    """Loads the part of the graph below one image in a few queries and unfolds it."""

    def __init__(self, connection: sqlite3.Connection, root: int) -> None:
        self._sql = connection
        self._root = root
        self._budget = NODES_MOST
        below = [
            row[0]
            for row in connection.execute(
                "WITH RECURSIVE below(id) AS (SELECT ? UNION SELECT e.base_id FROM below"
                " CROSS JOIN edges e ON e.image_id = below.id) SELECT id FROM below",
                (root,),
            )
        ]
        self._ids = "[" + ",".join(map(str, below)) + "]"
        self._images = self._load_images()
        self._edges = self._load_edges()
        self._platforms = self._load_platforms()

    def grow(self) -> Image:
        return self._image(self._root, ())

    def _load_images(self) -> dict[int, tuple[str, str, str | None, str | None]]:
        rows = self._sql.execute(
            "SELECT i.id, i.name, i.origin, coalesce(bd.value, od.value), b.built_at"
            " FROM json_each(?) s JOIN images i ON i.id = s.value"
            " LEFT JOIN builds b ON b.id = i.build_id LEFT JOIN digests bd ON bd.id = b.digest_id"
            " LEFT JOIN observations o ON o.image_id = i.id LEFT JOIN digests od ON od.id = o.digest_id",
            (self._ids,),
        )
        return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}

    def _load_edges(self) -> dict[int, list[tuple[object, ...]]]:
        rows = self._sql.execute(
            "SELECT e.image_id, e.base_id, e.role, e.via, e.stage, e.line, r.value, e.platforms,"
            " o.checked_at, o.changed_at, od.value FROM json_each(?) s"
            " CROSS JOIN edges e ON e.image_id = s.value JOIN digests r ON r.id = e.digest_id"
            " LEFT JOIN observations o ON o.image_id = e.base_id LEFT JOIN digests od ON od.id = o.digest_id"
            " ORDER BY e.image_id, e.line, e.base_id",
            (self._ids,),
        )
        edges: dict[int, list[tuple[object, ...]]] = {}
        for row in rows:
            edges.setdefault(row[0], []).append(row)
        return edges

    def _load_platforms(self) -> dict[str, dict[Platform, str]]:
        digests = {str(d) for rows in self._edges.values() for row in rows for d in (row[6], row[10]) if d}
        rows = self._sql.execute(
            "SELECT i.value, m.platform, d.value FROM json_each(?) s JOIN digests i ON i.value = s.value"
            " JOIN manifests m ON m.index_id = i.id JOIN digests d ON d.id = m.digest_id",
            ("[" + ",".join(f'"{digest}"' for digest in digests) + "]",),
        )
        platforms: dict[str, dict[Platform, str]] = {}
        for index, platform, digest in rows:
            platforms.setdefault(index, {})[Platform.parse(platform)] = digest
        return platforms

    def _image(self, image_id: int, path: tuple[int, ...]) -> Image:
        name, origin, digest, built_at = self._images[image_id]
        self._budget -= 1
        edges = self._edges.get(image_id, [])
        if self._budget < 0 or image_id in path:
            return Image(image_id, name, origin, digest, built_at, cut=bool(edges))
        bases = tuple(self._base(row, (*path, image_id)) for row in edges)
        return Image(image_id, name, origin, digest, built_at, bases)

    def _base(self, row: Sequence[object], path: tuple[int, ...]) -> Base:
        _, base_id, role, via, stage, line, recorded, platforms, checked_at, changed_at, observed = row
        was = self._digests(str(recorded), split(str(platforms)))
        now = self._digests(str(observed), split(str(platforms))) if observed else was
        assert isinstance(base_id, int) and isinstance(line, int)
        return Base(
            reference=self._images[base_id][0],
            role=str(role),
            via=str(via),
            stage=str(stage),
            line=line,
            recorded_digest=str(recorded),
            recorded_platform_digests=was,
            observed_digest=str(observed) if observed else None,
            observed_at=str(checked_at) if checked_at else None,
            changed_at=str(changed_at) if changed_at else None,
            fresh=was == now,
            image=self._image(base_id, path),
        )

    def _digests(self, digest: str, platforms: Iterable[Platform]) -> dict[str, str]:
        held = self._platforms.get(digest)
        if held is None:
            return {str(platform): digest for platform in platforms}
        found = {p: next((held[c] for c in p.compatible if c in held), None) for p in platforms}
        return {str(platform): manifest for platform, manifest in found.items() if manifest}


def dependants_of(connection: sqlite3.Connection, image_id: int) -> list[Dependant]:
    """All that stands on an image, nearest first, each once."""
    found: dict[int, Dependant] = {}
    layer, distance = [image_id], 0
    while layer:
        distance += 1
        rows = connection.execute(
            "SELECT i.id, i.name, min(e.role = 'buildtime'), b.built_at FROM json_each(?) s"
            " CROSS JOIN edges e INDEXED BY edges_by_base ON e.base_id = s.value"
            " JOIN images i ON i.id = e.image_id LEFT JOIN builds b ON b.id = i.build_id"
            " GROUP BY i.id ORDER BY i.name",
            ("[" + ",".join(map(str, layer)) + "]",),
        ).fetchall()
        layer = [row[0] for row in rows if row[0] not in found and row[0] != image_id]
        new = set(layer)
        for upper_id, name, only_buildtime, built_at in rows:
            if upper_id in new:
                role = "buildtime" if only_buildtime else "runtime"
                found[upper_id] = Dependant(upper_id, name, distance, role, built_at)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list of images."""

    image_id: int
    reference: str
    origin: str
    digest: str | None
    built_at: str | None
    bases: int
    dependants: int
    task_id: int | None = field(default=None)


def list_images(connection: sqlite3.Connection) -> list[Listed]:
    """Every image, by name."""
    rows = connection.execute(
        "SELECT i.id, i.name, i.origin, coalesce(bd.value, od.value), b.built_at,"
        " (SELECT count(*) FROM edges e WHERE e.image_id = i.id),"
        " (SELECT count(*) FROM edges e WHERE e.base_id = i.id), i.task_id"
        " FROM images i LEFT JOIN builds b ON b.id = i.build_id LEFT JOIN digests bd ON bd.id = b.digest_id"
        " LEFT JOIN observations o ON o.image_id = i.id LEFT JOIN digests od ON od.id = o.digest_id"
        " ORDER BY i.name"
    )
    return [Listed(*row) for row in rows]
