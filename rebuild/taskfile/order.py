"""Which steps wait for which: `when` and `finally` resolved to ids. Knows nothing of what steps do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from graph.record import dataclass
from rebuild.taskfile.problem import Problems, nearest, shown

IMMEDIATELY = "-"


@dataclass(frozen=True, slots=True)
class Place:
    """A step as far as its order goes."""

    id: str
    line: int
    when: tuple[str, ...]
    is_finally: bool


def resolve_order(places: Sequence[Place], problems: Problems) -> dict[str, tuple[str, ...]]:
    """For each id those that have to end first.

    No `when` is the step above. A `finally` step waits for all others, and among its like follows the same
    rules. An id must stand above its use, so there is no circle.
    """
    normal = [place for place in places if not place.is_finally]
    last = [place for place in places if place.is_finally]
    order = dict(_chain(normal, places, problems))
    ends = _ends(order)
    for step_id, waits_for in _chain(last, places, problems):
        order[step_id] = (*ends, *(parent for parent in waits_for if parent not in ends))
    return order


def ancestors(order: Mapping[str, tuple[str, ...]]) -> dict[str, set[str]]:
    """For each id all that end before it starts. A `finally` step comes after every other."""
    found: dict[str, set[str]] = {}
    for step_id, waits_for in order.items():
        found[step_id] = set(waits_for).union(*(found.get(parent, set()) for parent in waits_for))
    return found


def _chain(
    places: Sequence[Place], everything: Sequence[Place], problems: Problems
) -> Iterator[tuple[str, tuple[str, ...]]]:
    above: dict[str, None] = {}
    previous: str | None = None
    for place in places:
        if place.when == (IMMEDIATELY,):
            yield place.id, ()
        elif not place.when:
            yield place.id, (previous,) if previous is not None else ()
        else:
            yield place.id, tuple(_named(place, above, everything, problems))
        above[place.id] = None
        previous = place.id


def _named(
    place: Place, above: Mapping[str, None], everything: Sequence[Place], problems: Problems
) -> Iterator[str]:
    for name in dict.fromkeys(place.when):
        if name == IMMEDIATELY:
            rule = f"when of step {shown(place.id)} has '-' and other ids"
            problems.fault(place.line, rule, hint="'-' starts the step at once: write it alone, or only ids")
        elif name == place.id:
            problems.fault(place.line, f"step {shown(place.id)} waits for itself")
        elif name in above:
            yield name
        else:
            _refuse_unknown(name, place, above, everything, problems)


def _refuse_unknown(
    name: str, place: Place, above: Iterable[str], everything: Sequence[Place], problems: Problems
) -> None:
    same = [other for other in everything if other.id == name]
    if not same:
        meant = nearest(name, above)
        hint = f"did you mean {meant!r}?" if meant else "an id must be that of a step above"
        problems.fault(
            place.line, f"when of step {shown(place.id)} names {shown(name)}: no such step", hint=hint
        )
    elif same[0].is_finally and not place.is_finally:
        rule = f"when of step {shown(place.id)} names {shown(name)}, which runs last of all (finally)"
        problems.fault(place.line, rule, hint="make this step a finally step too")
    elif place.is_finally and not same[0].is_finally:
        return  # a finally step waits for every other anyway
    else:
        rule = f"when of step {shown(place.id)} names {shown(name)}, defined below in line {same[0].line}"
        problems.fault(place.line, rule, hint="move that step up")


def _ends(order: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The steps that no other waits for."""
    waited_for = {parent for parents in order.values() for parent in parents}
    return tuple(step_id for step_id in order if step_id not in waited_for)
