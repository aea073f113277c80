"""Semantic versions and what they are asked to satisfy, as Masterminds/semver 1.5 has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from graph.record import dataclass
from rebuild.template.error import Fault
from rebuild.template.function import functions
from rebuild.template.value import Object, Value

_LABELS = (
    r"(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+(?P<metadata>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)
_VERSION = re.compile(rf"v?([0-9]{{1,18}})(?:\.([0-9]{{1,18}}))?(?:\.([0-9]{{1,18}}))?{_LABELS}")
_PART = r"[0-9|xX*]{1,18}"
_CONSTRAINT = re.compile(
    rf"\s*(?P<sign>=>|>=|=<|<=|!=|~>|[=<>~^]|)\s*v?(?P<major>{_PART})(?:\.(?P<minor>{_PART}))?(?:\.(?P<patch>{_PART}))?"
    rf"{_LABELS}\s*"
)
_VERSION_TEXT = rf"v?{_PART}(?:\.{_PART})?(?:\.{_PART})?(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
_RANGE = re.compile(rf"\s*({_VERSION_TEXT})\s+-\s+({_VERSION_TEXT})\s*")
_WILD = ("x", "X", "*")
_LENGTH_MOST = 1000


@dataclass(frozen=True, slots=True)
class Version(Object):
    """A version, with its parts as members."""

    numbers: tuple[int, int, int]
    pre: str
    metadata: str
    original: str

    @property
    def type_name(self) -> str:
        return "*semver.Version"

    @property
    def kind_name(self) -> str:
        return "ptr"

    def members(self) -> Mapping[str, Value]:
        major, minor, patch = self.numbers
        return {
            "Major": major,
            "Minor": minor,
            "Patch": patch,
            "Prerelease": self.pre,
            "Metadata": self.metadata,
            "Original": self.original,
        }

    def printed(self) -> str:
        core = ".".join(map(str, self.numbers))
        return f"{core}{'-' if self.pre else ''}{self.pre}{'+' if self.metadata else ''}{self.metadata}"


def semver(text: str) -> Value:
    return version(text)


def version(text: str) -> Version:
    """The version that `text` writes; missing parts are 0. Raise `Fault` where it writes none."""
    match = _VERSION.fullmatch(text) if len(text) <= _LENGTH_MOST else None
    if match is None:
        raise Fault("this is no semantic version", hint="write one such as 1.2.3 or v1.2.3-rc.1")
    major, minor, patch = (int(match[at] or 0) for at in (1, 2, 3))
    return Version((major, minor, patch), match["pre"] or "", match["metadata"] or "", text)


def compared(one: Version, other: Version) -> int:
    """-1, 0 or 1. A pre-release comes before its release."""
    if one.numbers != other.numbers:
        return 1 if one.numbers > other.numbers else -1
    if not one.pre or not other.pre:
        return bool(other.pre) - bool(one.pre)
    ours, theirs = one.pre.split("."), other.pre.split(".")
    longest = max(len(ours), len(theirs))
    ours += [""] * (longest - len(ours))
    theirs += [""] * (longest - len(theirs))
    return next((_label(a, b) for a, b in zip(ours, theirs, strict=True) if a != b), 0)


def _label(one: str, other: str) -> int:
    """Numbers by size and before words; a missing label before any."""
    if one.isdecimal() and other.isdecimal():
        return 1 if int(one) > int(other) else -1
    keys = [(bool(text), not text.isdecimal(), text) for text in (one, other)]
    return 1 if keys[0] > keys[1] else -1


@dataclass(frozen=True, slots=True)
class Constraint:
    """One condition. `given` counts the parts of its version that are no wildcards."""

    sign: str
    version: Version
    given: int

    def holds(self, version: Version) -> bool:
        if version.pre and not self.version.pre:
            return self.sign == "!=" and self.given == 3
        return _SIGNS[self.sign](version, self)


def semverCompare(constraint: str, text: str) -> Value:
    alternatives = [[_constraint(each) for each in part.split(",")] for part in _spelled_out(constraint)]
    found = version(text)
    return any(all(each.holds(found) for each in part) for part in alternatives)


def _spelled_out(text: str) -> list[str]:
    if len(text) > _LENGTH_MOST:
        raise Fault("semverCompare: the constraint is too long")
    return _RANGE.sub(r">= \1, <= \2", text).split("||")


def _constraint(text: str) -> Constraint:
    match = _CONSTRAINT.fullmatch(text)
    if match is None:
        raise Fault("semverCompare: this is no constraint", hint='write one such as ">=1.2, <2" or "^1.2.3"')
    parts = [match[name] for name in ("major", "minor", "patch")]
    given = next((at for at, part in enumerate(parts) if part is None or part in _WILD), 3)
    labels = text[
        match.end("patch")
        if match["patch"]
        else match.end("minor")
        if match["minor"]
        else match.end("major") :
    ]
    numbers = ".".join([*parts[:given], *["0"] * (3 - given)])
    return Constraint(match["sign"], version(numbers + (labels.strip() if given else "")), given)


def _is_equal(version: Version, constraint: Constraint) -> bool:
    return (
        _is_near(version, constraint) if constraint.given < 3 else compared(version, constraint.version) == 0
    )


def _is_other(version: Version, constraint: Constraint) -> bool:
    if constraint.given < 3:
        ours, theirs = version.numbers, constraint.version.numbers
        return ours[0] != theirs[0] or (constraint.given == 2 and ours[1] != theirs[1])
    return compared(version, constraint.version) != 0


def _is_less(version: Version, constraint: Constraint) -> bool:
    return (
        compared(version, constraint.version) < 0
        if constraint.given == 3
        else _is_not_past(version, constraint)
    )


def _is_at_most(version: Version, constraint: Constraint) -> bool:
    return (
        compared(version, constraint.version) <= 0
        if constraint.given == 3
        else _is_not_past(version, constraint)
    )


def _is_not_past(version: Version, constraint: Constraint) -> bool:
    ours, theirs = version.numbers, constraint.version.numbers
    return ours[0] <= theirs[0] and not (ours[1] > theirs[1] and constraint.given != 1)


def _is_near(version: Version, constraint: Constraint) -> bool:
    """~: as far as the version is given, and not before it."""
    if compared(version, constraint.version) < 0:
        return False
    if constraint.version.numbers == (0, 0, 0) and constraint.given in (0, 3):
        return True
    ours, theirs = version.numbers, constraint.version.numbers
    return ours[0] == theirs[0] and (ours[1] == theirs[1] or constraint.given == 1)


def _is_compatible(version: Version, constraint: Constraint) -> bool:
    """^: the same major version, and not before it."""
    return compared(version, constraint.version) >= 0 and version.numbers[0] == constraint.version.numbers[0]


_SIGNS: dict[str, Callable[[Version, Constraint], bool]] = {
    "": _is_equal,
    "=": _is_equal,
    "!=": _is_other,
    ">": lambda version, constraint: compared(version, constraint.version) > 0,
    "<": _is_less,
    ">=": lambda version, constraint: compared(version, constraint.version) >= 0,
    "=>": lambda version, constraint: compared(version, constraint.version) >= 0,
    "<=": _is_at_most,
    "=<": _is_at_most,
    "~": _is_near,
    "~>": _is_near,
    "^": _is_compatible,
}

FUNCTIONS = functions(semver=semver, semverCompare=semverCompare)
