"""From what refs pointed to before and point to now to events of the repository. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from datetime import datetime

from graph.record import dataclass
from rebuild.context.refs import RefKind
from rebuild.sources.event import Happening, Provider, PullRequest, SourceEvent
from rebuild.tasks.triggers import SourceTrigger


@dataclass(frozen=True, slots=True)
class Moved:
    """One ref that points elsewhere; empty: it did not, or does not, exist."""

    ref: str
    old: str
    new: str

    @property
    def kind(self) -> RefKind:
        return next(kind for kind in RefKind if self.ref.startswith(kind.prefixes))


def kinds_wanted(triggers: Iterable[SourceTrigger]) -> frozenset[RefKind]:
    """The refs that these look at."""
    kinds: set[RefKind] = set()
    for trigger in triggers:
        kinds |= {RefKind.BRANCHES} if trigger.commits else set()
        kinds |= {RefKind.TAGS} if trigger.filters.tags else set()
        kinds |= {RefKind.PULLS} if trigger.pull_requests else set()
    return frozenset(kinds)


def moved(before: Mapping[str, str], now: Mapping[str, str], known: Set[RefKind]) -> list[Moved]:
    """What is different, branches first. Refs of kinds that were not `known` before are seen for the first
    time, and nothing has happened to them."""
    changes = [
        Moved(ref, before.get(ref, ""), now.get(ref, ""))
        for ref in sorted({**before, **now})
        if before.get(ref) != now.get(ref)
    ]
    order = list(RefKind)
    return sorted((one for one in changes if one.kind in known), key=lambda one: order.index(one.kind))


def event_of(
    move: Moved,
    url: str,
    *,
    default_branch: str | None = None,
    pull: PullRequest | None = None,
    as_of: datetime | None = None,
) -> SourceEvent:
    """The event as a webhook would have told it. For the head of a pull request `pull` says which; `as_of` is
    when the server was asked."""
    kind = move.kind
    what = {
        RefKind.BRANCHES: Happening.PUSH,
        RefKind.TAGS: Happening.TAG,
        RefKind.PULLS: Happening.PULL_REQUEST,
    }[kind]
    return SourceEvent(
        provider=Provider.POLL,
        delivery="",
        urls=(url,),
        happening=what,
        ref=pull.head if pull else move.ref.removeprefix(kind.prefixes[0]),
        commit=move.new,
        old_commit=move.old,
        default_branch=default_branch,
        pull=pull,
        as_of=as_of,
    )
