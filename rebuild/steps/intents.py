"""What push steps are about to push, written down first, and what of it an interrupted attempt has done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace

from graph.model import BuildRecord
from graph.record import dataclass
from graph.reference import ImageRef
from rebuild.images import intent
from rebuild.images.publication import held_already
from rebuild.images.tools import Tools
from rebuild.steps.index import held_index


@dataclass(slots=True)
class Intents:
    """Of one run, by the step that pushes. `keep` writes all of them down as one text."""

    keep: Callable[[str], None] = lambda text: None
    earlier: Mapping[str, tuple[BuildRecord, ...]] = field(default_factory=dict)
    noted: dict[str, tuple[BuildRecord, ...]] = field(default_factory=dict)

    @classmethod
    def resuming(cls, text: str | None, keep: Callable[[str], None]) -> Intents:
        """With what an attempt before this one has written down, if there was one that came so far."""
        earlier = intent.steps_from_json(text) if text is not None else {}
        return cls(keep, earlier, dict(earlier))

    def note(self, step_id: str, records: Iterable[BuildRecord]) -> None:
        """Call it before the first of them is pushed."""
        self.noted[step_id] = tuple(records)
        self.keep(intent.steps_to_json(self.noted))

    async def finished(
        self, step_id: str, names: Sequence[ImageRef], tools: Tools
    ) -> tuple[BuildRecord, ...] | None:
        """What an earlier attempt pushed under all these names, if every one still holds it.

        Of a push that was cut off between two names nothing counts: they are to hold the same.
        """
        records = self.earlier.get(step_id, ())
        if [record.images for record in records] != [(name,) for name in names]:
            return None
        found = []
        for record in records:
            is_index = len(record.platforms) > 1
            held = await (held_index(record, tools) if is_index else held_already(record, tools))
            if held is None:
                return None
            found.append(replace(record, manifests=held, pushed=True))
        return tuple(found)
