"""Bases that only the engine has, for another step of the same run has built them. Asks nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from graph.dockerfile import Base
from graph.model import RecordedBase
from graph.record import dataclass
from graph.reference import ImageRef
from graph.words import Role
from rebuild.engines.engine import Engine, LocalImage


@dataclass(frozen=True, slots=True)
class AtHand:
    """An image in the storage of one engine alone, and what it was built from.

    `name` is a name that nobody else gives. (BuildKit takes no id of an image in its place.) `brought` has it
    in the storage of another engine, too, under that name.
    """

    name: str
    image: LocalImage
    bases: tuple[RecordedBase, ...]
    engine: Engine
    brought: Bring


Bring = Callable[[Engine], Awaitable[LocalImage]]
AllAtHand = Mapping[ImageRef, AtHand]


def split(bases: Iterable[Base], at_hand: AllAtHand) -> tuple[tuple[Base, ...], tuple[Base, ...]]:
    """Those that a registry has to be asked about, and those at hand."""
    everything = tuple(bases)
    here = tuple(base for base in everything if base.reference in at_hand)
    return tuple(base for base in everything if base.reference not in at_hand), here


def local_names(at_hand: AllAtHand) -> dict[ImageRef, str]:
    return {reference: known.name for reference, known in at_hand.items()}


def runtime_image(bases: Iterable[Base], at_hand: AllAtHand) -> LocalImage | None:
    """What the result stands on, where its runtime base is at hand."""
    return next((at_hand[base.reference].image for base in bases if base.role is Role.RUNTIME), None)


def through(bases: Iterable[Base], at_hand: AllAtHand) -> Iterator[RecordedBase]:
    """What the result stands on by way of bases at hand: those have no digest of a registry to record.

    A runtime base of a runtime base is one of the result, too; all others are buildtime bases.
    """
    for base in bases:
        for below in at_hand[base.reference].bases:
            role = below.role if base.role is Role.RUNTIME else Role.BUILDTIME
            yield replace(below, role=role, via=base.via, stage=base.stage, line=base.line)
