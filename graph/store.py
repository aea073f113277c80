"""Writes what was built and what was observed. Every method belongs inside the caller's `immediate()`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from graph.clock import to_text
from graph.model import BuildRecord, Manifests, Origin, RecordedBase, Role
from graph.reference import Digest, ImageRef, Platform


class Source(StrEnum):
    """Who brought an observation."""

    POLL = "poll"
    EVENT = "event"
    BUILD = "build"  # resolved for a build
    PUSH = "push"  # our own push, as the registry answered it


@dataclass(frozen=True, slots=True)
class Change:
    """A reference that points somewhere else than when it was last seen; `old` is None the first time."""

    image_id: int
    reference: ImageRef
    old: Digest | None
    new: Digest


class GraphStore:
    """The write side of the graph on one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def image_id(self, reference: ImageRef, origin: Origin = Origin.EXTERNAL) -> int:
        """The number of an image, giving it one if it is new."""
        row = self._sql.execute("SELECT id FROM images WHERE name = ?", (str(reference),)).fetchone()
        if row is not None:
            return int(row[0])
        added = self._sql.execute("INSERT INTO images(name, origin) VALUES (?, ?)", (str(reference), origin))
        assert added.lastrowid is not None
        return added.lastrowid

    def digest_id(self, digest: Digest) -> int:
        row = self._sql.execute("SELECT id FROM digests WHERE value = ?", (str(digest),)).fetchone()
        if row is not None:
            return int(row[0])
        added = self._sql.execute("INSERT INTO digests(value) VALUES (?)", (str(digest),))
        assert added.lastrowid is not None
        return added.lastrowid

    def remember_manifests(self, manifests: Manifests) -> int:
        """Keep what a digest holds; a digest never changes its content, so once is enough."""
        index_id = self.digest_id(manifests.digest)
        rows = [(index_id, str(p), self.digest_id(d)) for p, d in manifests.platforms.items()]
        self._sql.executemany("INSERT OR IGNORE INTO manifests VALUES (?, ?, ?)", rows)
        self._sql.execute("UPDATE digests SET looked_into = 1 WHERE id = ?", (index_id,))
        return index_id

    def observe(self, reference: ImageRef, manifests: Manifests, at: datetime, source: Source) -> Change | None:
        """Note where a reference points; answers what moved. An older answer than the newest is ignored."""
        image_id = self.image_id(reference)
        row = self._sql.execute(
            "SELECT o.digest_id, d.value, o.checked_at FROM observations o"
            " LEFT JOIN digests d ON d.id = o.digest_id WHERE o.image_id = ?",
            (image_id,),
        ).fetchone()
        old_id, old, checked_at = row or (None, None, None)
        if checked_at is not None and checked_at > to_text(at):
            return None
        new_id = self.remember_manifests(manifests)
        if new_id == old_id:
            self.confirm(image_id, at)
            return None
        self._move(image_id, new_id, old_id, at, source)
        return Change(image_id, reference, Digest.parse(old) if old else None, manifests.digest)

    def confirm(self, image_id: int, at: datetime) -> None:
        """The registry answered: nothing moved."""
        self._sql.execute(
            "UPDATE observations SET checked_at = ?, failures = 0, error = NULL WHERE image_id = ?",
            (to_text(at), image_id),
        )

    def note_failure(self, image_id: int, error: str) -> None:
        """The registry did not answer, or refused; what was observed before stays."""
        self._sql.execute(
            "INSERT INTO observations(image_id, failures, error) VALUES (?, 1, ?)"
            " ON CONFLICT(image_id) DO UPDATE SET failures = failures + 1, error = excluded.error",
            (image_id, error),
        )

    def schedule(self, image_ids: Iterable[int], due_at: datetime | None) -> None:
        """When to ask about these next; None: no more."""
        due = to_text(due_at) if due_at else None
        self._sql.executemany(
            "INSERT INTO observations(image_id, due_at) VALUES (?, ?)"
            " ON CONFLICT(image_id) DO UPDATE SET due_at = excluded.due_at",
            [(image_id, due) for image_id in image_ids],
        )

    def record(self, build: BuildRecord) -> int:
        """Keep one finished build: its images now stand on exactly these bases."""
        digest_id = self.remember_manifests(build.manifests) if build.manifests else None
        build_id = self._add_build(build, digest_id)
        base_ids = self._add_bases(build_id, build)
        for reference in build.images:
            image_id = self.image_id(reference)
            self._sql.execute(
                "UPDATE images SET origin = ?, build_id = ?, task_id = coalesce(?, task_id) WHERE id = ?",
                (Origin.BUILT, build_id, build.task_id, image_id),
            )
            self._replace_edges(image_id, build_id, base_ids)
            if build.manifests is not None:
                self.observe(reference, build.manifests, build.built_at, Source.PUSH)
        return build_id

    def claim_images(self, task_id: int, references: Iterable[ImageRef]) -> None:
        """The task makes these images from now on, and no others."""
        self._sql.execute("UPDATE images SET task_id = NULL WHERE task_id = ?", (task_id,))
        for reference in references:
            image_id = self.image_id(reference)
            self._sql.execute("UPDATE images SET task_id = ? WHERE id = ?", (task_id, image_id))

    def _move(self, image_id: int, new_id: int, old_id: int | None, at: datetime, source: Source) -> None:
        moment = to_text(at)
        self._sql.execute(
            "INSERT INTO observations(image_id, digest_id, changed_at, checked_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT(image_id) DO UPDATE SET digest_id = excluded.digest_id,"
            " changed_at = excluded.changed_at, checked_at = excluded.checked_at, failures = 0, error = NULL",
            (image_id, new_id, moment, moment),
        )
        self._sql.execute(
            "INSERT INTO observation_history(image_id, digest_id, previous_id, observed_at, source)"
            " VALUES (?, ?, ?, ?, ?)",
            (image_id, new_id, old_id, moment, source),
        )

    def _add_build(self, build: BuildRecord, digest_id: int | None) -> int:
        added = self._sql.execute(
            "INSERT INTO builds(run_id, task_id, digest_id, content_id, platforms, pushed, built_at, duration_s)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                build.run_id,
                build.task_id,
                digest_id,
                str(build.content_id),
                joined(build.platforms),
                build.pushed,
                to_text(build.built_at),
                build.duration_s,
            ),
        )
        assert added.lastrowid is not None
        return added.lastrowid

    def _add_bases(self, build_id: int, build: BuildRecord) -> list[int]:
        base_ids = []
        for base in merged(build.bases):
            change = self.observe(base.reference, base.manifests, build.resolved_at, Source.BUILD)
            base_id = change.image_id if change else self.image_id(base.reference)
            self._watch(base_id, base.reference, build.built_at)
            digest_id = self.remember_manifests(base.manifests)
            place = (base.role, base.via, base.stage, base.line)
            row = (build_id, base_id, *place, digest_id, joined(base.platforms))
            self._sql.execute("INSERT INTO build_bases VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            base_ids.append(base_id)
        return base_ids

    def _watch(self, base_id: int, reference: ImageRef, at: datetime) -> None:
        """A name pinned by digest cannot move; any other is asked about from now on."""
        if reference.digest is None:
            self._sql.execute(
                "UPDATE observations SET due_at = coalesce(due_at, ?) WHERE image_id = ?",
                (to_text(at), base_id),
            )

    def _replace_edges(self, image_id: int, build_id: int, base_ids: list[int]) -> None:
        self._sql.execute("DELETE FROM edges WHERE image_id = ?", (image_id,))
        self._sql.execute(
            "INSERT INTO edges(image_id, base_id, role, via, stage, line, digest_id, platforms)"
            " SELECT ?, base_id, role, via, stage, line, digest_id, platforms FROM build_bases WHERE build_id = ?",
            (image_id, build_id),
        )
        for base_id in base_ids:
            if self._stands_on(base_id, image_id):
                self._sql.execute(
                    "UPDATE edges SET followed = 0 WHERE image_id = ? AND base_id = ?", (image_id, base_id)
                )

    def _stands_on(self, image_id: int, base_id: int) -> bool:
        """Whether the image is, or is built on, the base: a new edge the other way would close a circle."""
        row = self._sql.execute(
            "WITH RECURSIVE below(id) AS (SELECT ? UNION SELECT e.base_id FROM edges e"
            " JOIN below ON e.image_id = below.id WHERE e.followed) SELECT 1 FROM below WHERE id = ?",
            (image_id, base_id),
        ).fetchone()
        return row is not None


def merged(bases: Iterable[RecordedBase]) -> list[RecordedBase]:
    """One entry for each reference: the strongest role and the first place, all platforms."""
    by_reference: dict[ImageRef, RecordedBase] = {}
    for base in bases:
        seen = by_reference.get(base.reference)
        by_reference[base.reference] = base if seen is None else _together(seen, base)
    return list(by_reference.values())


def _together(first: RecordedBase, second: RecordedBase) -> RecordedBase:
    main = second if second.role is Role.RUNTIME and first.role is not Role.RUNTIME else first
    platforms = tuple(sorted({*first.platforms, *second.platforms}))
    return RecordedBase(
        main.reference, main.role, main.via, main.stage, main.line, main.manifests, platforms
    )


def joined(platforms: Iterable[Platform]) -> str:
    """`linux/amd64,linux/arm64`, as the database keeps a set of platforms."""
    return ",".join(str(platform) for platform in sorted(platforms))


def split(text: str) -> tuple[Platform, ...]:
    return tuple(Platform.parse(part) for part in text.split(",") if part)
