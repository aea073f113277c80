"""The state at one moment, for whoever looks: the database, the settings as written, the time."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from datetime import datetime

from graph.database import numbers
from graph.names import UnknownImage, find_image
from graph.record import dataclass
from graph.reference import DEFAULT_REGISTRY, ImageRef
from tracker.settings.written import Written
from tracker.state import State
from tracker.wording import listed


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the state: all that is read through `sql` belongs to the same moment."""

    state: State
    written: Written
    sql: sqlite3.Connection
    now: datetime

    def image(self, text: str) -> tuple[int, str]:
        """Number and full name of the image that a person means; the default registry's come first."""
        registry = self.written.get("registry", DEFAULT_REGISTRY)
        full = str(ImageRef.parse(text, default_registry=str(registry)))
        known = self.sql.execute(
            "SELECT 1 FROM images WHERE name = ? AND origin <> 'said'", (full,)
        ).fetchone()
        try:
            return find_image(self.sql, full if known else text)
        except UnknownImage as error:
            if near := self._names_like(text):
                raise UnknownImage(error.message, hint=f"perhaps {listed(near)}") from None
            raise

    def _names_like(self, text: str) -> list[str]:
        """Names that have the text, its tag aside, somewhere in them."""
        part = re.sub(r"[:@][^/]*$", "", text)
        rows = self.sql.execute("SELECT name FROM images WHERE instr(name, ?) ORDER BY name LIMIT 8", (part,))
        return [ImageRef.parse(row[0]).familiar for row in rows]

    def image_names(self, image_ids: Iterable[int]) -> dict[int, str]:
        return self._by_id(
            "SELECT i.id, i.name FROM json_each(?) s JOIN images i ON i.id = s.value", image_ids
        )

    def digests(self, digest_ids: Iterable[int]) -> dict[int, str]:
        return self._by_id(
            "SELECT d.id, d.value FROM json_each(?) s JOIN digests d ON d.id = s.value", digest_ids
        )

    def task_names(self, task_ids: Iterable[int]) -> dict[int, str]:
        return self._by_id("SELECT t.id, t.name FROM json_each(?) s JOIN tasks t ON t.id = s.value", task_ids)

    def _by_id(self, query: str, ids: Iterable[int]) -> dict[int, str]:
        return dict(self.sql.execute(query, (numbers(ids),)))
