"""Ranges of versions as people write them: `>=3.12,<3.13`, `^1.2`, `~1.2`, `3.12.*`. Knows no tags."""

from __future__ import annotations

import re

from graph.record import dataclass
from graph.version import PRE, Order, Stage, Version, order_of, read_stage

PARTS_MOST = 20
_PART = re.compile(
    rf"(?P<operator>>=|<=|!=|>|<|\^|~)?v?(?:(?P<numbers>[0-9]+(?:\.[0-9]+)*)(?P<wild>\.[*x])?|(?P<any>[*x]))"
    rf"(?P<pre>{PRE})?(?P<flavour>(?:[-_][a-z0-9_.-]*)?)",
    re.IGNORECASE | re.ASCII,
)
_FIRST: Stage = (-1, ())  # before every pre-release, which belongs to the version that it comes before

Numbers = tuple[int, ...]
Bound = tuple[Order, int]  # a lower one that is 1 and an upper one that is 0 are not in the range themselves


@dataclass(frozen=True, slots=True)
class VersionRange:
    """The versions between two bounds, but for single ones; None is no bound."""

    least: Bound | None = None
    most: Bound | None = None
    without: frozenset[Order] = frozenset()
    flavour: str | None = None  # the words that were written behind a version
    stages: bool = False  # whether pre-releases are spoken of
    numbers_least: int = 1  # `3.12.*` speaks of versions with three numbers, or more

    @classmethod
    def read(cls, text: str) -> VersionRange | None:
        """None for a text that is no range. One version alone is none: nothing is newer in it."""
        words = re.sub(r"([<>=^~!])\s+", r"\1", text.strip())
        parts = [_PART.fullmatch(word) for word in re.split(r"[,\s]+", words)[: PARTS_MOST + 1]]
        read = [_Part.of(match) for match in parts if match is not None]
        flavours = {part.flavour for part in read if part is not None and part.flavour}
        if len(read) < len(parts) or len(parts) > PARTS_MOST or len(flavours) > 1:
            return None
        known = [part for part in read if part is not None]
        if len(known) < len(read) or all(part.without is not None for part in known):
            return None
        return cls(
            least=max((part.least for part in known if part.least), default=None),
            most=min((part.most for part in known if part.most), default=None),
            without=frozenset(part.without for part in known if part.without is not None),
            flavour=next(iter(flavours), None),
            stages=any(part.stages for part in known),
            numbers_least=max(part.numbers_least for part in known),
        )

    def holds(self, version: Version) -> bool:
        """Whether the version is in the range, its flavour aside."""
        order = version.order
        if version.stage is not None and not self.stages:
            return False
        over = self.least is None or (order, 0) >= self.least
        under = self.most is None or (order, 1) <= self.most
        return over and under and order not in self.without

    def touches(self, version: Version) -> bool:
        """Whether it holds the version, or one that it stands for: 3 is for 3.12.7, too."""
        if self.holds(version):
            return True
        first, behind = order_of(version.numbers), _before(_raised(version.numbers, -1))
        over = self.least is None or self.least[0] < behind
        under = self.most is None or (first, 1) <= self.most
        return version.stage is None and over and under and len(version.numbers) < 3


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the conditions of a range."""

    least: Bound | None = None
    most: Bound | None = None
    without: Order | None = None
    flavour: str = ""
    stages: bool = False
    numbers_least: int = 1

    @classmethod
    def of(cls, match: re.Match[str]) -> _Part | None:
        """None for one version alone, and for a wildcard behind an operator."""
        operator, wild, flavour = match["operator"], bool(match["wild"]), match["flavour"].lower()
        stage = read_stage(match["pre"]) if match["pre"] else None
        if match["any"]:
            return None if operator or stage else cls(flavour=flavour)
        numbers: Numbers = tuple(map(int, match["numbers"].split(".")))
        if wild:
            if operator or stage:
                return None
            most = (_before(_raised(numbers, -1)), 0)
            return cls((order_of(numbers), 0), most, flavour=flavour, numbers_least=len(numbers) + 1)
        if operator == "!=":
            return cls(without=order_of(numbers, stage), flavour=flavour)
        bounds = _bounds(operator, numbers, stage)
        return bounds and cls(*bounds, flavour=flavour, stages=stage is not None)


def _bounds(
    operator: str | None, numbers: Numbers, stage: Stage | None
) -> tuple[Bound | None, Bound | None] | None:
    """As npm and Cargo have it: of fewer than three numbers, `<=` and `>` mean all that these stand for."""
    here, short = order_of(numbers, stage), len(numbers) < 3 and stage is None
    behind = _before(_raised(numbers, -1))
    match operator:
        case ">=":
            return (here, 0), None
        case ">":
            return ((behind, 0) if short else (here, 1)), None
        case "<=":
            return None, ((behind, 0) if short else (here, 1))
        case "<":
            return None, ((here if stage else _before(numbers)), 0)
        case "^":
            leading = next((place for place, number in enumerate(numbers) if number), len(numbers) - 1)
            return (here, 0), (_before(_raised(numbers, leading)), 0)
        case "~":
            return (here, 0), (_before(_raised(numbers, min(1, len(numbers) - 1))), 0)
        case _:
            return None


def _raised(numbers: Numbers, place: int) -> Numbers:
    """The next numbers, counted up at that place: 3.12.7 at 1 is 3.13."""
    kept = numbers[: place % len(numbers) + 1]
    return *kept[:-1], kept[-1] + 1


def _before(numbers: Numbers) -> Order:
    """Below this version and its own pre-releases."""
    return order_of(numbers, _FIRST)
