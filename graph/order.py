"""Puts numbers that stand on one another in order, bases first. Knows neither images nor tasks. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain


def reversed_edges(edges: Mapping[int, Sequence[int]]) -> dict[int, tuple[int, ...]]:
    """The same edges seen from the other end. Ends that are no members are left out."""
    other_way: dict[int, list[int]] = {member: [] for member in edges}
    for member, ends in edges.items():
        for end in ends:
            if end in other_way:
                other_way[end].append(member)
    # Tuples of numbers are dropped from garbage collection, which matters with a million edges.
    return {member: tuple(ends) for member, ends in other_way.items()}


def bases_first(
    bases: Mapping[int, Sequence[int]], above: Mapping[int, Sequence[int]] | None = None
) -> list[int]:
    """The members in an order in which each comes after all its bases (Kahn). Circles come last, as they are.

    `above` is `reversed_edges(bases)`, for callers who have it already.
    """
    if _in_order(bases):  # as those are that were put in order before
        return list(bases)
    return _walk(bases, reversed_edges(bases) if above is None else above)


def bases_of_each(above: Mapping[int, Sequence[int]]) -> dict[int, tuple[int, ...]]:
    """`reversed_edges(above)` with the members in the order of `bases_first`."""
    # Most bases became known before what stands on them: then their numbers are an order already.
    bases = reversed_edges({member: above[member] for member in sorted(above)})
    if _in_order(bases):
        return bases
    return {member: bases[member] for member in _walk(bases, above)}


def _walk(bases: Mapping[int, Sequence[int]], above: Mapping[int, Sequence[int]]) -> list[int]:
    open_bases = Counter(chain.from_iterable(above.values()))
    order = [member for member in bases if member not in open_bases]
    for member in order:  # grows while it is walked
        for upper in above[member]:
            left = open_bases[upper] - 1
            open_bases[upper] = left
            if not left:
                order.append(upper)
    if len(order) < len(bases):
        placed = set(order)
        order += [member for member in bases if member not in placed]
    return order


def _in_order(bases: Mapping[int, Sequence[int]]) -> bool:
    seen: set[int] = set()
    for member, its_bases in bases.items():
        if not seen.issuperset(its_bases):
            return False
        seen.add(member)
    return True
