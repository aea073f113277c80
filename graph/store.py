"""Records what was built from what. Every method that writes belongs inside the caller's `immediate()`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import replace

from graph.clock import to_text
from graph.database import numbers
from graph.expecting import Expectations
from graph.following import Followings
from graph.model import BuildRecord, Followed, RecordedBase
from graph.observing import Change, Observations, Source, Watched
from graph.platforms import joined, split
from graph.reference import Digest, ImageRef
from graph.words import Origin, Role

# Of an edge: whether a change at its base rebuilds the image. 0, it closes a circle, is set by itself.
_FOLLOWED, _LEFT_BEHIND = 1, 2  # 2: the image has the name of an earlier run

__all__ = ["Change", "GraphStore", "Source", "Watched", "joined", "merged", "split"]


class GraphStore(Observations):
    """The graph on one connection: images, what they stand on, where names point to, what digests hold."""

    def record(self, build: BuildRecord) -> int:
        """Keep one finished build: its images now stand on exactly these bases."""
        build_id = self._add_build(build)
        base_ids = self._add_bases(build_id, build)
        followings, followed = Followings(self._sql), self._followed(build)
        if build.task_id is not None:  # what was only expected is known now
            Expectations(self._sql).built(build.task_id, base_ids)
        for reference in build.images:
            image_id = self.image_id(reference)
            self._sql.execute(
                "UPDATE images SET origin = ?, build_id = ?, task_id = coalesce(?, task_id) WHERE id = ?",
                (Origin.BUILT, build_id, build.task_id, image_id),
            )
            self._sql.execute("INSERT INTO build_images VALUES (?, ?)", (image_id, build_id))
            self._replace_edges(image_id, build_id, base_ids)
            followings.record(image_id, followed, build.resolved_at)
            if build.manifests is not None:
                self.observe(reference, build.manifests, build.built_at, Source.PUSH)
        return build_id

    def forget_unused(self) -> int:
        Followings(self._sql).forget_unused()
        return super().forget_unused()

    def release_images(self, task_id: int) -> None:
        """The task makes no image any more."""
        self._sql.execute("UPDATE images SET task_id = NULL WHERE task_id = ?", (task_id,))

    def claim_images(self, task_id: int, references: Iterable[ImageRef]) -> None:
        """The task makes these images from now on."""
        for reference in references:
            image_id = self.image_id(reference)
            self._sql.execute("UPDATE images SET task_id = ? WHERE id = ?", (task_id, image_id))

    def leave_behind(self, task_id: int, makes: Iterable[ImageRef]) -> None:
        """Of the images of the task these are the ones that it makes now. The others have names of earlier
        runs: what was recorded of them stays to be seen, and nothing is ever rebuilt for their sake."""
        made = numbers(self.image_id(reference) for reference in makes)
        rows = self._sql.execute(
            "SELECT id FROM images WHERE task_id = ? AND id NOT IN (SELECT value FROM json_each(?))",
            (task_id, made),
        )
        self.leave_images_behind(row[0] for row in rows.fetchall())

    def leave_images_behind(self, image_ids: Iterable[int]) -> None:
        """What was recorded of these stays to be seen, and nothing is ever rebuilt for their sake."""
        left = numbers(image_ids)
        its_own = "id IN (SELECT value FROM json_each(?))"
        self._sql.execute(f"UPDATE images SET task_id = NULL WHERE {its_own}", (left,))
        base_ids = self._sql.execute(
            f"UPDATE edges SET followed = ? WHERE image_{its_own} RETURNING base_id", (_LEFT_BEHIND, left)
        ).fetchall()
        if base_ids:
            self._mark_moved({row[0] for row in base_ids})
            self._follow_again()

    def newest_build(self, reference: ImageRef) -> tuple[Digest, Digest] | None:
        """Digest and content id of what an image's newest build pushed; None if there is no such build."""
        row = self._sql.execute(
            "SELECT d.value, b.content_id FROM images i JOIN builds b ON b.id = i.build_id"
            " JOIN digests d ON d.id = b.digest_id WHERE i.name = ?",
            (str(reference),),
        ).fetchone()
        return (Digest.parse(row[0]), Digest.parse(row[1])) if row else None

    def prune_builds(self, keep_each: int = 20) -> int:
        """Forget all but the newest builds of each image; answers how many went. The newest always stays."""
        self._sql.execute(
            "DELETE FROM build_images WHERE (image_id, build_id) IN (SELECT image_id, build_id FROM (SELECT"
            " *, row_number() OVER (PARTITION BY image_id ORDER BY build_id DESC) AS age FROM build_images"
            ") WHERE age > ?)",
            (max(keep_each, 1),),
        )
        unused = "(SELECT id FROM builds WHERE id NOT IN (SELECT build_id FROM build_images))"
        self._sql.execute(f"DELETE FROM build_bases WHERE build_id IN {unused}")
        return self._sql.execute(f"DELETE FROM builds WHERE id IN {unused}").rowcount

    def prune_history(self, keep_each: int = 100) -> int:
        """Forget all but the newest observations of each reference; answers how many went."""
        pruned = self._sql.execute(
            "DELETE FROM observation_history WHERE id IN (SELECT id FROM"
            " (SELECT id, row_number() OVER (PARTITION BY image_id ORDER BY id DESC) AS age"
            " FROM observation_history) WHERE age > ?)",
            (max(keep_each, 1),),
        )
        return pruned.rowcount

    def _add_build(self, build: BuildRecord) -> int:
        digest_id = self.remember_manifests(build.manifests) if build.manifests else None
        return self._insert(
            "INSERT INTO builds(run_id, task_id, digest_id, content_id, platforms, pushed, built_at,"
            " duration_s, step) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                build.run_id,
                build.task_id,
                digest_id,
                str(build.content_id),
                joined(build.platforms),
                build.pushed,
                to_text(build.built_at),
                build.duration_s,
                build.step,
            ),
        )

    def _add_bases(self, build_id: int, build: BuildRecord) -> list[int]:
        base_ids = []
        for base in merged(build.bases):
            self.observe(base.reference, base.manifests, build.resolved_at, Source.BUILD)
            base_id = self.image_id(base.reference)
            self._watch(base_id, base.reference, build.built_at)
            digest_id = self.remember_manifests(base.manifests)
            place = (base.role, base.via, base.stage, base.line)
            row = (build_id, base_id, *place, digest_id, joined(base.platforms))
            self._sql.execute("INSERT INTO build_bases VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            base_ids.append(base_id)
        return base_ids

    def _followed(self, build: BuildRecord) -> dict[int, Followed]:
        """By base: which of them are other tags than those that were written, and why."""
        return {
            self.image_id(base.reference): base.followed
            for base in merged(build.bases)
            if base.followed is not None
        }

    def _replace_edges(self, image_id: int, build_id: int, base_ids: list[int]) -> None:
        before = dict(
            self._sql.execute(
                "SELECT base_id, followed FROM edges WHERE image_id = ?", (image_id,)
            ).fetchall()
        )
        self._sql.execute("DELETE FROM edges WHERE image_id = ?", (image_id,))
        self._sql.execute(
            "INSERT INTO edges(image_id, base_id, role, via, stage, line, digest_id, platforms) SELECT ?,"
            " base_id, role, via, stage, line, digest_id, platforms FROM build_bases WHERE build_id = ?",
            (image_id, build_id),
        )
        # What was followed before closed no circle then, and closes none now.
        new = [base_id for base_id in base_ids if before.get(base_id) != _FOLLOWED]
        self._unfollow_circles(image_id, new)
        self._mark_moved({*before, *base_ids})
        if not before.keys() <= set(base_ids):
            self._follow_again()

    def _unfollow_circles(self, image_id: int, base_ids: Iterable[int]) -> None:
        """Edges that close a circle are kept and shown, but a change behind them rebuilds nothing."""
        row = self._sql.execute("SELECT 1 FROM edges WHERE base_id = ? LIMIT 1", (image_id,)).fetchone()
        if row is None:  # nothing stands on the image yet, so nothing can lead back to it
            return
        for base_id in base_ids:
            if self._stands_on(base_id, image_id):
                self._set_followed(image_id, base_id, followed=False)

    def _follow_again(self) -> None:
        """Edges were dropped, so a circle may be open now that was closed."""
        cut = self._sql.execute(
            "SELECT image_id, base_id FROM edges INDEXED BY edges_unfollowed WHERE followed = 0"
        )
        for image_id, base_id in cut.fetchall():
            if not self._stands_on(base_id, image_id):
                self._set_followed(image_id, base_id, followed=True)
                self._mark_moved([base_id])

    def _set_followed(self, image_id: int, base_id: int, *, followed: bool) -> None:
        self._sql.execute(
            "UPDATE edges SET followed = ? WHERE image_id = ? AND base_id = ?", (followed, image_id, base_id)
        )

    def _stands_on(self, image_id: int, base_id: int) -> bool:
        """Whether the image is, or is built on, the base: an edge the other way would close a circle."""
        row = self._sql.execute(
            "WITH RECURSIVE below(id) AS (SELECT ? UNION SELECT e.base_id FROM below"
            " CROSS JOIN edges e ON e.image_id = below.id WHERE e.followed = 1)"
            " SELECT 1 FROM below WHERE id = ?",
            (image_id, base_id),
        ).fetchone()
        return row is not None


def is_left_behind(connection: sqlite3.Connection, image_id: int) -> bool:
    """Whether the image has the name of an earlier run, so that nothing is rebuilt for its sake."""
    query = "SELECT 1 FROM edges WHERE image_id = ? AND followed = ? LIMIT 1"
    return connection.execute(query, (image_id, _LEFT_BEHIND)).fetchone() is not None


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
    return replace(main, platforms=platforms)
