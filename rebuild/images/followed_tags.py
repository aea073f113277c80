"""Puts the newest tag by a task's rules in the place of the one that a Dockerfile names. Builds nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from graph.dockerfile import Base, Scan
from graph.follow_rule import FollowRule, rule_for
from graph.model import Followed
from graph.reference import ImageRef
from graph.words import Via
from rebuild.engines.engine import LogSink
from rebuild.images.registry import Registry, RegistryRefused, TagList
from rebuild.images.resolve import Memory, UnusableBase

_LEADS_BACK = "this run pushes to its repository, and would build on its own result for ever"


async def follow_tags(
    path: str,
    found: Scan,
    rules: Sequence[FollowRule],
    *,
    images: Sequence[ImageRef],
    at_hand: Iterable[ImageRef],
    registry: Registry,
    memory: Memory,
    log: LogSink,
) -> Scan:
    """The scan with every base that a rule speaks of as the newest tag that its registry lists.

    Neither what is pinned by digest or built in this run nor the syntax line is followed; `images` are what
    the build makes. Raises `UnusableBase` where a registry does not tell its tags.
    """
    here = frozenset(at_hand)
    chosen = {
        place: rule
        for place, base in enumerate(found.bases)
        if base.reachable and base.via is not Via.SYNTAX and base.reference not in here
        if (rule := rule_for(rules, base.reference)) is not None
    }
    for line in _unused(found, rules, chosen):
        log(f"{line}\n".encode())
    lists = await _ask(path, [found.bases[place] for place in chosen], registry)
    bases = list(found.bases)
    for place, rule in chosen.items():
        base = bases[place]
        bases[place] = _followed(base, rule, lists[base.reference.name], memory.used(images, base.reference))
        for line in _told(bases[place], lists[base.reference.name]):
            log(f"{line}\n".encode())
    return replace(found, bases=tuple(bases))


def not_into(rules: Iterable[FollowRule], images: Iterable[ImageRef], log: LogSink) -> tuple[FollowRule, ...]:
    """The rules that lead into no repository of these images, which the run itself pushes to."""
    own = {image.name for image in images}
    kept = []
    for rule in rules:
        if rule.repository in own:
            log(f"warning: rule {rule} is left aside: {_LEADS_BACK}\n".encode())
        else:
            kept.append(rule)
    return tuple(kept)


async def _ask(path: str, bases: Iterable[Base], registry: Registry) -> dict[str, TagList]:
    """The tags of each repository, asked for once."""
    first = {base.reference.name: base for base in reversed(list(bases))}
    answers = await asyncio.gather(*(_ask_one(path, base, registry) for base in first.values()))
    return dict(zip(first, answers, strict=True))


async def _ask_one(path: str, base: Base, registry: Registry) -> TagList:
    try:
        return await registry.list_tags(base.reference)
    except RegistryRefused as error:
        raise UnusableBase(
            f"{path}:{base.line}: base {base.as_written!r} cannot follow newer tags: {error.message}",
            hint=error.hint or "take the rule from the task, or let this login list the repository's tags",
        ) from error


def _followed(base: Base, rule: FollowRule, listed: TagList, used: Iterable[str]) -> Base:
    written = base.reference
    assert written.tag is not None  # rules speak of tags alone
    newest = rule.newest(written.tag, listed.tags, used=used)
    return replace(base, reference=written.with_tag(newest), followed=Followed(str(rule), written))


def _told(base: Base, listed: TagList) -> Iterator[str]:
    assert base.followed is not None
    written, rule = base.followed.written, base.followed.rule
    newest = "nothing is newer" if base.reference == written else f"newest is {base.reference.tag}"
    yield f"base {written} (line {base.line}) follows {rule}: {newest}"
    if base.reference.tag not in listed.tags:
        yield f"warning: the registry lists {base.reference} no more; an older tag is never taken instead"


def _unused(found: Scan, rules: Sequence[FollowRule], chosen: Mapping[int, FollowRule]) -> Iterator[str]:
    """Why a rule is for nothing here, as far as that would surprise its author."""
    for rule in rules:
        if rule in chosen.values():
            continue
        same = [base for base in found.bases if base.reachable and base.reference.name == rule.repository]
        for base in same:
            pinned = "it is pinned by digest" if base.reference.digest else "its tag is none of those"
            yield f"base {base.reference} (line {base.line}) does not follow {rule}: {pinned}"
