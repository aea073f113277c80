"""`tracker deps`: what an image stands on, down to the root."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime

import click

from graph.ancestry import Base, Image
from graph.clock import now
from graph.errors import WrongUse
from graph.record import dataclass
from graph.reference import DEFAULT_REGISTRY, ImageRef
from tracker.cli.habits import json_option
from tracker.cli.main import Place
from tracker.cli.seen import seen
from tracker.cli.table import Row, print_json, print_rows, state_word
from tracker.remote.service import ServerAsked, server_options
from tracker.views.bases import base_fresh, deps_view, image_fresh, tree_json
from tracker.wording import age, ago, counted, familiar, short_digest, starred


@click.command()
@click.argument("image")
@json_option("Print the whole tree as JSON.")
@click.option("--depth", type=click.IntRange(min=1), help="Unfold only so many levels of bases.")
@server_options
@click.pass_obj
def deps(place: Place, image: str, as_json: bool, depth: int | None, server: ServerAsked) -> None:
    """Print the tree of bases of IMAGE, down to the root.

    For each base: what the build took it for, the digest that it used, how long ago the base itself
    was built here, and whether the base is still what it was then. Roles with a star are hearsay: what
    images that were not built here say of themselves.
    """
    if as_json and depth:
        raise WrongUse("--depth does not go with --json: the JSON tree is always whole", hint="leave one out")
    tree = seen(place, server, "deps", Image, deps_view, image=image)
    if as_json:
        print_json(tree_json(tree))
    else:
        _print_tree(tree, depth, now())


@dataclass
class _Unfolding:
    """Walks the tree once; a subtree that was printed before is not printed again."""

    now: datetime
    depth: int | None
    shorter: Mapping[str, str]
    unfolded: set[tuple[object, ...]] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)
    said: bool = False

    def rows(self, bases: Sequence[Base], prefix: str, level: int) -> Iterator[Row]:
        for base in bases:
            last = base is bases[-1]
            inner = prefix + ("   " if last else "│  ")
            yield self._row(base, prefix + ("└─ " if last else "├─ "), inner)
            yield from self._below(base.image, inner, level + 1)

    def _row(self, base: Base, branch: str, inner: str) -> Row:
        fresh = base_fresh(base)
        if fresh is False:
            self.moved.add(base.reference)
        self.said |= base.said
        carry = inner + ("│  " if base.image.bases or base.image.cut else "   ")
        facts = (
            starred(base.role, base.said),
            short_digest(base.recorded_digest),
            age(base.image.built_at, self.now),
            "-" if base.said else state_word(fresh),
        )
        notes = tuple(f"{carry}{note}" for note in _notes(base, fresh, self.now))
        shorter = self.shorter.get(base.reference, "")
        return Row(branch + familiar(base.reference), facts, carry, notes, shorter and branch + shorter)

    def _below(self, image: Image, prefix: str, level: int) -> Iterator[Row]:
        if not image.bases and not image.cut:
            return
        if _subtree(image) in self.unfolded:
            yield Row(f"{prefix}└─ … as above")
        elif image.cut:
            yield Row(f"{prefix}└─ … more: tracker deps {familiar(image.reference)}")
        elif self.depth is not None and level >= self.depth:
            yield Row(f"{prefix}└─ … {counted(len(image.bases), 'base')} more")
        else:
            self.unfolded.add(_subtree(image))
            yield from self.rows(image.bases, prefix, level)


def _subtree(image: Image) -> tuple[object, ...]:
    """An image of others may say different things at different digests."""
    return image.image_id, *(base.recorded_digest for base in image.bases if base.said)


def _references(image: Image) -> set[str]:
    return {reference for base in image.bases for reference in (base.reference, *_references(base.image))}


def without_registry(names: Iterable[str]) -> dict[str, str]:
    """`…/team/app:1` for each name outside Docker Hub, where that cannot mean another one of these."""
    references = {name: ImageRef.parse(name) for name in names}
    short = {
        name: f"…/{familiar(name).partition('/')[2]}"
        for name, reference in references.items()
        if reference.registry != DEFAULT_REGISTRY
    }
    times = Counter(short.values())
    return {name: cut for name, cut in short.items() if times[cut] == 1}


def _notes(base: Base, fresh: bool | None, now: datetime) -> Iterator[str]:
    following, pinned = base.following, base.pinned_tag
    if following is not None and following.newer is not None and following.newer_digest is not None:
        newer = f"{familiar(following.newer)} is {short_digest(following.newer_digest)}"
        yield f"{newer}, listed {ago(following.since, now)}"
    elif fresh is False:
        yield _moved(base, now)
    if pinned is not None and not pinned.same:
        there = f"{familiar(pinned.reference)} now points to {short_digest(pinned.digest)}"
        yield f"pinned; {there}, {ago(pinned.since, now)}"


def _moved(base: Base, now: datetime) -> str:
    return f"moved to {short_digest(base.observed_digest)} {ago(base.changed_at, now)}"


def _print_tree(image: Image, depth: int | None, now: datetime) -> None:
    unfolding = _Unfolding(now, depth, without_registry(_references(image)), {_subtree(image)})
    facts = ("", short_digest(image.digest), age(image.built_at, now), state_word(image_fresh(image)))
    carry = "│  " if image.bases else ""
    rows = [Row(familiar(image.reference), facts, carry), *unfolding.rows(image.bases, "", 0)]
    print_rows(Row("IMAGE", ("ROLE", "DIGEST", "AGE", "STATE")), rows)
    if unfolding.said:
        click.echo("\n* is what the image above says of itself: not recorded here and not watched")
    if not image.bases:
        click.echo(_why_no_bases(image))
    elif unfolding.moved:
        moved = counted(len(unfolding.moved), "base here has moved", "bases here have moved")
        click.echo(f"\n{moved}; 'tracker stale' says what follows from that")


def _why_no_bases(image: Image) -> str:
    if image.origin == "external":
        return "\nknown only as a base of others: nothing is recorded of what it was built from"
    if image.origin == "said":
        return f"\nknown only because another image names it: see 'tracker rdeps {familiar(image.reference)}'"
    return "\nit stands on no other image"
