"""Notes what registries say of references, and knows which to ask next. Asks nobody itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from graph.clock import from_text, to_text
from graph.contents import Contents
from graph.database import numbers
from graph.model import Manifests, SaidBase
from graph.record import dataclass
from graph.reference import Digest, ImageRef
from graph.words import Origin


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


class Watched(NamedTuple):
    """A reference that somebody stands on."""

    image_id: int
    reference: ImageRef
    observed: Digest | None = None
    failures: int = 0  # in a row
    checked_at: datetime | None = None  # when the registry last answered


class Observations(Contents):
    """Where references point to. Every method that writes belongs inside the caller's `immediate()`."""

    def image_id(self, reference: ImageRef, origin: Origin = Origin.EXTERNAL) -> int:
        """The number of an image, giving it one if it is new. What was only said before is taken up."""
        row = self._sql.execute("SELECT id, origin FROM images WHERE name = ?", (str(reference),)).fetchone()
        if row is None:
            return self._insert("INSERT INTO images(name, origin) VALUES (?, ?)", (str(reference), origin))
        if row[1] == Origin.SAID != origin:
            self._sql.execute("UPDATE images SET origin = ? WHERE id = ?", (origin, row[0]))
        return int(row[0])

    def remember_manifests(self, manifests: Manifests) -> int:
        """Keep what a digest holds and which bases its images name, once for ever; answers its number."""
        index_id = super().remember_manifests(manifests)
        for manifest, base in manifests.said.items():
            self._remember_said(manifest, base)
        return index_id

    def observe(
        self, reference: ImageRef, manifests: Manifests, at: datetime, source: Source
    ) -> Change | None:
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
            "UPDATE observations SET failures = 0, error = NULL,"
            " checked_at = max(coalesce(checked_at, ''), ?) WHERE image_id = ?",
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

    def due(self, now: datetime, limit: int, but_not_of: Iterable[str] = ()) -> list[Watched]:
        """The references whose time has come, longest overdue first, at most `limit`, none `but_not_of`."""
        left_out = [*but_not_of]
        return self._watched(
            "o.due_at <= ? AND substr(i.name, 1, instr(i.name, '/') - 1) NOT IN"
            f" ({', '.join('?' * len(left_out))}) ORDER BY o.due_at, o.image_id LIMIT ?",
            to_text(now),
            *left_out,
            limit,
        )

    def watched(self, references: Iterable[ImageRef]) -> dict[ImageRef, Watched]:
        """Those of the references that are asked about."""
        names = json.dumps([str(reference) for reference in references])
        found = self._watched("i.name IN (SELECT value FROM json_each(?)) AND o.due_at IS NOT NULL", names)
        return {each.reference: each for each in found}

    def all_watched(self) -> list[Watched]:
        """Every reference that is asked about."""
        return self._watched("o.due_at IS NOT NULL ORDER BY i.name")

    def watched_in(self, place: str, *, due_after: datetime) -> list[int]:
        """The numbers of what is asked about in a registry, or a repository of one, and not before then."""
        rows = self._sql.execute(
            "SELECT i.id FROM images i CROSS JOIN observations o ON o.image_id = i.id"
            " WHERE (i.name >= ? AND i.name < ? OR i.name >= ? AND i.name < ?) AND o.due_at > ?",
            (f"{place}/", f"{place}0", f"{place}:", f"{place};", to_text(due_after)),  # the next characters
        )
        return [image_id for (image_id,) in rows]

    def directly_on(self, image_ids: Iterable[int]) -> dict[int, int]:
        """How many images stand on each directly; nothing for those on which none does."""
        rows = self._sql.execute(
            "SELECT e.base_id, count(*) FROM json_each(?) s CROSS JOIN edges e INDEXED BY edges_by_base"
            " ON e.base_id = s.value GROUP BY e.base_id",
            (numbers(image_ids),),
        )
        return dict(rows.fetchall())

    def next_due(self) -> datetime | None:
        """When the next reference is to be asked about; None if none is watched."""
        row = self._sql.execute("SELECT min(due_at) FROM observations WHERE due_at IS NOT NULL").fetchone()
        return from_text(row[0]) if row[0] else None

    def forget_unused(self) -> int:
        """Watch no longer what nobody stands on any more; answers how many those were.

        Images of our own that others stand on stay watched: somebody else may overwrite their tags.
        """
        dropped = self._sql.execute(
            "UPDATE observations SET due_at = NULL WHERE due_at IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM edges e WHERE e.base_id = observations.image_id"
            " AND e.followed < 2)"  # 2: of an image that its task has left behind
            " AND NOT EXISTS (SELECT 1 FROM expected_bases x WHERE x.base_id = observations.image_id)"
            " AND NOT EXISTS (SELECT 1 FROM followings f WHERE f.newer_id = observations.image_id)"
            " AND NOT EXISTS (SELECT 1 FROM pinned_tags p JOIN edges e ON e.base_id = p.image_id"
            " AND e.followed < 2 WHERE p.tag_id = observations.image_id)"
        )
        return dropped.rowcount

    def _remember_said(self, manifest: Digest, base: SaidBase | None) -> None:
        """The first to say something is believed; who said nothing may still be spoken for."""
        named: tuple[int | None, int | None] = (None, None)
        if base is not None:
            named = self.image_id(base.reference, Origin.SAID), self.digest_id(base.digest)
        self._sql.execute(
            "INSERT INTO said_bases(digest_id, base_id, base_digest_id) VALUES (?, ?, ?)"
            " ON CONFLICT(digest_id) DO UPDATE SET base_id = excluded.base_id,"
            " base_digest_id = excluded.base_digest_id WHERE said_bases.base_id IS NULL",
            (self.digest_id(manifest), *named),
        )

    def _watched(self, condition: str, *values: object) -> list[Watched]:
        rows = self._sql.execute(
            "SELECT o.image_id, i.name, d.value, o.failures, o.checked_at FROM observations o"
            " JOIN images i ON i.id = o.image_id LEFT JOIN digests d ON d.id = o.digest_id"
            f" WHERE {condition}",
            values,
        )
        return [
            Watched(
                image_id,
                ImageRef.parse(name),
                Digest.parse(digest) if digest else None,
                failures,
                from_text(checked_at) if checked_at else None,
            )
            for image_id, name, digest, failures, checked_at in rows
        ]

    def watch(self, image_id: int, at: datetime) -> None:
        """Ask about the reference from now on; for one that is asked about already nothing changes."""
        self._sql.execute(
            "INSERT INTO observations(image_id, due_at) VALUES (?, ?)"
            " ON CONFLICT(image_id) DO UPDATE SET due_at = coalesce(due_at, excluded.due_at)",
            (image_id, to_text(at)),
        )

    def _watch(self, image_id: int, reference: ImageRef, at: datetime) -> None:
        """A name pinned by digest cannot move; the tag beside the digest can, and is asked about instead."""
        if reference.digest is None:
            self.watch(image_id, at)
        elif reference.tag is not None:
            tag_id = self.image_id(replace(reference, digest=None))
            self._sql.execute("INSERT OR IGNORE INTO pinned_tags VALUES (?, ?)", (image_id, tag_id))
            self.watch(tag_id, at)

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
        self._mark_moved([image_id])

    def _mark_moved(self, base_ids: Iterable[int]) -> None:
        """Bring the mark of moved bases up to date, which lets a look at the graph skip all the others."""
        edge = "SELECT 1 FROM edges e WHERE e.base_id = observations.image_id AND e.followed = 1 AND"
        self._sql.execute(  # two look-ups: "<>" would read every edge of a base that thousands stand on
            "UPDATE observations SET moved ="
            f" EXISTS ({edge} e.digest_id < observations.digest_id)"
            f" OR EXISTS ({edge} e.digest_id > observations.digest_id)"
            " WHERE image_id IN (SELECT value FROM json_each(?))",
            (numbers(base_ids),),
        )
