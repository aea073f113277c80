"""Keeps which edges follow newer tags, by which rule, and whether there is one by now. Asks no registry."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from graph.clock import to_text
from graph.model import Followed
from graph.observing import Observations
from graph.record import dataclass
from graph.reference import ImageRef
from graph.tag_lists import TagLists


class Followings:
    """Beside the edges, on one connection. Methods that write belong inside the caller's `immediate()`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection
        self._lists = TagLists(connection)

    def record(self, image_id: int, followed: Mapping[int, Followed], resolved_at: datetime) -> None:
        """The image was built by these rules, each by the base that it led to, at that time."""
        self._sql.execute("DELETE FROM followings WHERE image_id = ?", (image_id,))
        for base_id, one in followed.items():
            self._add(image_id, base_id, one)
        for repository in {one.written.name for one in followed.values()}:
            self._lists.watch(repository, resolved_at)
            # What was listed before may name a tag that was gone when the build asked: it would build again
            # and again for the sake of that.
            self._compare_with_known(repository, resolved_at, image_id=image_id, listed_after=resolved_at)

    def retell(self, task_id: int, rules: Sequence[str], at: datetime) -> None:
        """The task goes by these rules from now on: what it has built is compared by them."""
        self._sql.execute(
            "UPDATE followings SET rule = '' WHERE image_id IN (SELECT id FROM images WHERE task_id = ?)",
            (task_id,),
        )
        told = self._told_of(task_id, rules) if rules else []
        self._sql.execute("DELETE FROM followings WHERE rule = ''")
        for image_id, base_id, followed in told:
            self._add(image_id, base_id, followed)
        for repository in {followed.written.name for _, _, followed in told}:
            self._lists.watch(repository, at)
            self._compare_with_known(repository, at)

    def compare(
        self, repository: str, tags: Sequence[str], at: datetime, *, image_id: int | None = None
    ) -> int:
        """Find for each edge the newest of these tags; answers for how many that is another than before."""
        changed = 0
        newest: dict[_Edge, str] = {}
        for image, base_id, before, edge in self._edges(repository, image_id):
            if edge not in newest:
                newest[edge] = edge.newest(tags)
            newer_id = self._watched_id(edge, newest[edge], at)
            if newer_id != before:
                self._sql.execute(
                    "UPDATE followings SET newer_id = ?, noted_at = ? WHERE image_id = ? AND base_id = ?",
                    (newer_id, to_text(at) if newer_id is not None else None, image, base_id),
                )
                changed += 1
        return changed

    def used(self, images: Iterable[ImageRef], written: ImageRef) -> tuple[str, ...]:
        """The tags that the newest builds of these images took in the place of that reference."""
        rows = self._sql.execute(
            "SELECT DISTINCT b.name FROM json_each(?) s JOIN images i ON i.name = s.value"
            " JOIN followings f ON f.image_id = i.id JOIN images b ON b.id = f.base_id WHERE f.written = ?",
            (json.dumps([str(image) for image in images]), str(written)),
        )
        references = (ImageRef.parse(row[0]) for row in rows)
        return tuple(reference.tag for reference in references if reference.tag is not None)

    def forget_unused(self) -> None:
        """Of images that their task has left behind nothing is followed; nobody asks for lists in vain."""
        self._sql.execute(
            "DELETE FROM followings WHERE NOT EXISTS (SELECT 1 FROM edges e WHERE e.image_id ="
            " followings.image_id AND e.base_id = followings.base_id AND e.followed < 2)"
        )
        self._lists.forget_unused()

    def _add(self, image_id: int, base_id: int, followed: Followed) -> None:
        self._sql.execute(
            "INSERT INTO followings(image_id, base_id, written, rule, repository) VALUES (?, ?, ?, ?, ?)",
            (image_id, base_id, str(followed.written), followed.rule, followed.written.name),
        )

    def _told_of(self, task_id: int, rules: Sequence[str]) -> list[tuple[int, int, Followed]]:
        """The edges of the task's images that a rule speaks of. One into a repository of the task itself
        would make it build on what it has just built, for ever."""
        from graph.follow_rule import parse_rules, rule_for

        parsed = parse_rules(rules)
        rows = self._sql.execute(
            "SELECT m.name, e.image_id, e.base_id, coalesce(f.written, b.name) FROM images m"
            " JOIN edges e ON e.image_id = m.id AND e.followed = 1 AND e.via IN ('from', 'copy', 'mount')"
            " JOIN images b ON b.id = e.base_id"
            " LEFT JOIN followings f ON f.image_id = e.image_id AND f.base_id = e.base_id"
            " WHERE m.task_id = ?",
            (task_id,),
        ).fetchall()
        own = {ImageRef.parse(row[0]).name for row in rows}
        told = []
        for _, image_id, base_id, name in rows:
            written = ImageRef.parse(name)
            rule = rule_for(parsed, written) if written.name not in own else None
            if rule is not None:
                told.append((image_id, base_id, Followed(str(rule), written)))
        return told

    def _compare_with_known(
        self,
        repository: str,
        at: datetime,
        *,
        image_id: int | None = None,
        listed_after: datetime | None = None,
    ) -> None:
        known = self._lists.known(repository)
        if known is not None and (listed_after is None or known.checked_at > listed_after):
            self.compare(repository, known.tags, at, image_id=image_id)

    def _edges(self, repository: str, image_id: int | None) -> list[tuple[int, int, int | None, _Edge]]:
        rows = self._sql.execute(
            "SELECT f.image_id, f.base_id, f.newer_id, b.name, f.written, f.rule FROM followings f"
            " JOIN images b ON b.id = f.base_id WHERE f.repository = ?1 AND (?2 IS NULL OR f.image_id = ?2)",
            (repository, image_id),
        )
        return [(image, base, newer, _Edge(*names)) for image, base, newer, *names in rows]

    def _watched_id(self, edge: _Edge, tag: str, at: datetime) -> int | None:
        """The number of the tag's image, which is asked about from now on; None for the base's own tag."""
        base = ImageRef.parse(edge.base)
        if tag == base.tag:
            return None
        observations = Observations(self._sql)
        image_id = observations.image_id(base.with_tag(tag))
        observations.watch(image_id, at)
        return image_id


@dataclass(frozen=True, slots=True)
class _Edge:
    """The names that decide what is the newest tag; thousands of images may share them."""

    base: str
    written: str
    rule: str

    def newest(self, tags: Sequence[str]) -> str:
        from graph.follow_rule import FollowRule  # here: it reads patterns, which those who only look do not

        base, written = ImageRef.parse(self.base), ImageRef.parse(self.written)
        assert base.tag is not None and written.tag is not None  # only tags are followed
        return FollowRule.parse(self.rule).newest(written.tag, tags, used=[base.tag])
