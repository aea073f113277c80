"""Which tags a base follows, `docker.io/library/python:3.12.*`, and which of a list is the newest. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from enum import StrEnum
from functools import lru_cache
from typing import Any

from graph.errors import InvalidReference, WrongUse
from graph.record import dataclass
from graph.reference import DEFAULT_REGISTRY, DEFAULT_TAG, ImageRef
from graph.version import Version, names_pre_release
from graph.version_range import VersionRange

RULES_MOST = 50  # of one task
PATTERN_CHARACTERS_MOST = 200
_MEMORY_MOST = 1 << 20  # of a compiled pattern, in bytes
# What builds keep beside images: podman names a layer by its key, ACR a cache by its task and step.
_KEPT_LAYERS = re.compile(r"[0-9a-f]{64}|cache_.+")
_WAYS = "write a range such as 3.12.*, ^1.2, ~1.2 or '>=3.12,<3.13', a pattern such as jammy-*, or /REGEX/"


class Kind(StrEnum):
    """How a pattern tells tags that it means."""

    RANGE = "range"  # of versions
    GLOB = "glob"
    REGEX = "regex"  # between slashes; RE2's, of the whole tag


@dataclass(frozen=True, slots=True)
class FollowRule:
    """A repository and a pattern of tags. Equal texts are equal rules."""

    repository: str  # with its registry, as `ImageRef.name`
    pattern: str
    kind: Kind = field(compare=False)
    _range: VersionRange | None = field(compare=False, repr=False, default=None)

    @classmethod
    def parse(cls, text: str, *, default_registry: str = DEFAULT_REGISTRY) -> FollowRule:
        """Read `REPOSITORY:PATTERN`; raise `WrongUse` naming what is wrong with it."""
        repository, pattern = _split(text)
        name = _repository(text, repository, default_registry)
        found = VersionRange.read(pattern)
        if found is not None:
            return cls(name, pattern, Kind.RANGE, found)
        if len(pattern) > 2 and pattern.startswith("/") and pattern.endswith("/"):
            _matcher(_regex(pattern, Kind.REGEX), text)
            return cls(name, pattern, Kind.REGEX)
        if re.fullmatch(r"[A-Za-z0-9_.*?-]+", pattern) and re.search(r"[*?]", pattern):
            return cls(name, pattern, Kind.GLOB)
        raise WrongUse(f"rule {text[:200]!r}: {pattern[:80]!r} is no pattern of several tags", hint=_WAYS)

    def __str__(self) -> str:
        return f"{self.repository}:{self.pattern}"

    def speaks_of(self, reference: ImageRef) -> bool:
        """Whether it is for this reference: of its repository, by a tag that fits it, or `latest`."""
        if reference.name != self.repository or reference.tag is None or reference.digest is not None:
            return False
        if reference.tag == DEFAULT_TAG:
            return True
        if self._range is None:
            return self._matches(reference.tag)
        version = Version.read(reference.tag)
        if version is None or self._range.flavour not in (None, version.flavour):
            return False
        return self._range.touches(version)

    def newest(self, written: str, tags: Iterable[str], *, used: Iterable[str] = ()) -> str:
        """The newest of the tags that take part, else the one to stay with; never an older one.

        `written` stands in the Dockerfile. What was `used` before counts as long as it fits the rule, also
        where the registry lists it no more.
        """
        judge = self._by_range(written) if self._range is not None else self._by_text(written)
        fitting = [tag for tag in (*used, *tags) if judge(tag)]
        return max((written, *fitting), key=lambda tag: (self._order(tag), tag == written, tag))

    def _by_range(self, written: str) -> Callable[[str], bool]:
        """Versions of the same flavour, with as many numbers as the written one where that has enough."""
        wanted = self._range
        assert wanted is not None
        model = Version.read(written)
        flavour = wanted.flavour if wanted.flavour is not None else model.flavour if model else ""
        exact = len(model.numbers) if model and len(model.numbers) >= wanted.numbers_least else None

        def judge(tag: str) -> bool:
            version = Version.read(tag)
            if version is None or version.flavour != flavour or (model and version.mark != model.mark):
                return False
            count = len(version.numbers)
            return (count == exact if exact else count >= wanted.numbers_least) and wanted.holds(version)

        return judge

    def _by_text(self, written: str) -> Callable[[str], bool]:
        """Tags that match, with the words of the written one: only its numbers may differ."""
        words = None if written == DEFAULT_TAG else _words(written)
        stages = names_pre_release(self.pattern) or names_pre_release(written)

        def judge(tag: str) -> bool:
            if (
                not self._matches(tag)
                or _KEPT_LAYERS.fullmatch(tag)
                or (words is not None and _words(tag) != words)
            ):
                return False
            return stages or not names_pre_release(tag)

        return judge

    def _matches(self, tag: str) -> bool:
        return _matcher(_regex(self.pattern, self.kind), str(self)).fullmatch(tag) is not None

    def _order(self, tag: str) -> tuple[Any, ...]:
        if self._range is None:
            return () if tag == DEFAULT_TAG else (1, _natural(tag))
        version = Version.read(tag)
        return () if version is None else (1, version.order, len(version.numbers))


def rule_for(rules: Sequence[FollowRule], reference: ImageRef) -> FollowRule | None:
    """The first rule that speaks of the reference."""
    return next((rule for rule in rules if rule.speaks_of(reference)), None)


def parse_rules(texts: Iterable[str], *, default_registry: str = DEFAULT_REGISTRY) -> tuple[FollowRule, ...]:
    """Each once, in their order. Raises `WrongUse`."""
    rules = tuple(dict.fromkeys(FollowRule.parse(text, default_registry=default_registry) for text in texts))
    if len(rules) > RULES_MOST:
        raise WrongUse(
            f"{len(rules)} rules of tags to follow are more than {RULES_MOST}",
            hint="one rule with a wider pattern may do for several",
        )
    return rules


def _split(text: str) -> tuple[str, str]:
    """At the first colon that no registry's port stands behind."""
    for place, character in enumerate(text[:1000]):
        rest = text[place + 1 :]
        if character == ":" and rest and (rest.startswith("/") or "/" not in rest):
            if len(rest) > PATTERN_CHARACTERS_MOST:
                rule = f"its pattern has more than {PATTERN_CHARACTERS_MOST} characters"
                raise WrongUse(f"rule {text[:60]!r}…: {rule}", hint=_WAYS)
            return text[:place], rest
    raise WrongUse(f"rule {text[:200]!r} names no pattern of tags", hint=f"write REPOSITORY:PATTERN; {_WAYS}")


def _repository(text: str, repository: str, default_registry: str) -> str:
    try:
        return ImageRef.parse(f"{repository}:x", default_registry=default_registry).name
    except InvalidReference as error:
        raise WrongUse(f"rule {text[:200]!r}: {error.message}", hint=error.hint or _WAYS) from None


def _regex(pattern: str, kind: Kind) -> str:
    """The pattern as RE2 takes it; a glob has only `*` and `?` that mean more than themselves."""
    if kind is Kind.REGEX:
        return pattern[1:-1]
    return "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)


@lru_cache(maxsize=256)
def _matcher(expression: str, rule: str) -> Any:
    """In linear time, whatever somebody wrote. Loaded here: only who compares tags needs it."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_MOST
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        why = error.args[0].decode(errors="replace")[:100]
        raise WrongUse(
            f"rule {rule[:200]!r}: it is no regular expression: {why}",
            hint="write it as RE2 does, without look-around and back-references",
        ) from None


def _words(tag: str) -> str:
    """What is left of a tag without its numbers."""
    return re.sub(r"[0-9]+(?:\.[0-9]+)*", "#", tag)


def _natural(tag: str) -> list[int | str]:
    """As people sort: numbers as numbers. Texts and numbers take turns, so that any two compare."""
    parts: list[int | str] = []
    for place, part in enumerate(re.split(r"([0-9]+)", tag)):
        parts.append(int(part) if place % 2 else part)
    return parts
