"""Asking now: which of the watched references are meant, and what came of it as plain rows. Asks nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from graph.errors import WrongUse
from graph.names import UnknownImage, find_image
from graph.observing import Watched
from graph.reference import ImageRef
from graph.store import GraphStore
from graph.tag_lists import ListedRepository, TagLists
from tracker.metrics import CheckResult
from tracker.watching.tag_watch import ListAnswer
from tracker.watching.watch import Answer, result_of, result_of_error

Row = dict[str, str | None]
Checked = Answer | ListAnswer


def meant(store: GraphStore, names: Iterable[str], *, registry: str) -> set[ImageRef]:
    """The references that a person means: watched ones of `registry`, else short names of whatever is known.

    Raises `WrongUse` for what is no name, or may be several.
    """
    watched = {each.reference for each in store.all_watched()}
    return {_meant(store, text, registry, watched) for text in names}


def _meant(store: GraphStore, text: str, registry: str, watched: Collection[ImageRef]) -> ImageRef:
    reference = ImageRef.parse(text, default_registry=registry)
    if reference in watched:
        return reference
    try:
        return ImageRef.parse(find_image(store.connection, text)[1])
    except UnknownImage:
        return reference


def chosen(store: GraphStore, wanted: Collection[ImageRef]) -> list[Watched]:
    """Those references, or all where none is named. Raises `WrongUse` for one that is not watched."""
    watched = store.all_watched()
    if unknown := set(wanted) - {each.reference for each in watched}:
        names = ", ".join(sorted(reference.familiar for reference in unknown))
        raise WrongUse(
            f"nothing that was recorded stands on {names}, so that it is not watched",
            hint="'tracker images' lists what is known",
        )
    return [each for each in watched if not wanted or each.reference in wanted]


def chosen_lists(lists: TagLists, wanted: Collection[ImageRef]) -> list[ListedRepository]:
    """The repositories in which newer tags are followed: those of the references, or all."""
    names = {reference.name for reference in wanted}
    return [each for each in lists.all() if not wanted or each.name in names]


def with_newer_tags(
    store: GraphStore, watched: Sequence[Watched], lists: Collection[ListedRepository]
) -> list[Watched]:
    """With the references that those lists have led to, which nobody named."""
    known, names = {each.image_id for each in watched}, {each.name for each in lists}
    fresh = [each for each in store.all_watched() if each.image_id not in known and each.observed is None]
    return [*watched, *(each for each in fresh if each.reference.name in names)]


def row_of(answer: Checked) -> Row:
    """What a person is told of one answer. All tags of a repository are `NAME:*`."""
    if isinstance(answer, ListAnswer):
        told = CheckResult.CHANGED if answer.is_new else CheckResult.UNCHANGED
        return {
            "reference": f"{answer.repository.name}:*",
            "result": result_of_error(answer.error) if answer.error else told,
            "from": None,
            "to": None,
            "error": answer.error.message if answer.error else None,
        }
    observed = answer.watched.observed
    return {
        "reference": str(answer.watched.reference),
        "result": result_of(answer),
        "from": str(observed) if observed else None,
        "to": str(answer.manifests.digest) if answer.manifests else None,
        "error": answer.error.message if answer.error else None,
    }
