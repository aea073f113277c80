"""Asking now: which of the watched references are meant, and what came of it as plain rows. Asks nobody."""

from __future__ import annotations

from collections.abc import Collection

from graph.errors import WrongUse
from graph.observing import Watched
from graph.reference import ImageRef
from graph.store import GraphStore
from tracker.watch import Answer, result_of

Row = dict[str, str | None]


def chosen(store: GraphStore, wanted: Collection[ImageRef]) -> list[Watched]:
    """Those references, or all where none is named. Raises `WrongUse` for one that is not watched."""
    watched = store.all_watched()
    if unknown := set(wanted) - {each.reference for each in watched}:
        names = ", ".join(sorted(reference.familiar for reference in unknown))
        raise WrongUse(
            f"nothing that was recorded stands on {names}, so that it is not watched",
            hint="'tracker images' lists what is known; write names in full where they are not on Docker Hub",
        )
    return [each for each in watched if not wanted or each.reference in wanted]


def row_of(answer: Answer) -> Row:
    """What a person is told of one answer."""
    observed = answer.watched.observed
    return {
        "reference": str(answer.watched.reference),
        "result": result_of(answer),
        "from": str(observed) if observed else None,
        "to": str(answer.manifests.digest) if answer.manifests else None,
        "error": answer.error.message if answer.error else None,
    }
