"""Reads a tag as a version: numbers, a pre-release, words behind them. Knows no rule and no registry.

`v3.13.0rc1-slim` has the mark `v`, the numbers 3, 13 and 0, the pre-release rc 1 and the flavour `-slim`.
Libraries for semantic versions do not take what tags are: `22.04`, `3.20`, `2024.05.01.2`.
"""

from __future__ import annotations

import re

from graph.record import dataclass

# From the least finished to the most.
_STAGES = (
    ("dev", "snapshot", "nightly", "canary", "edge"),
    ("alpha", "a", "ea", "m", "milestone"),
    ("beta", "b"),
    ("preview", "pre"),
    ("rc", "c", "cr"),
)
_RANK = {word: rank for rank, words in enumerate(_STAGES) for word in words}
_WORDS = "|".join(sorted((word for word in _RANK if len(word) > 1), key=len, reverse=True))
PRE = rf"(?:[-._]?(?:{_WORDS})(?:[-.]?[0-9]+)*|[-._]?[abcm][0-9]+)(?=[-_]|$)"
_VERSION = re.compile(
    rf"(?P<mark>v?)(?P<numbers>[0-9]+(?:\.[0-9]+)*)(?P<pre>{PRE})?"
    r"(?P<flavour>(?:(?:[-_]|\.[a-z])[a-z0-9_.-]*)?)",
    re.IGNORECASE | re.ASCII,
)

Stage = tuple[int, tuple[int, ...]]  # how finished, and which of its kind
Order = tuple[tuple[int, ...], bool, Stage]


@dataclass(frozen=True, slots=True)
class Version:
    """One version. `stage` is None for one that is finished."""

    numbers: tuple[int, ...]
    stage: Stage | None = None
    flavour: str = ""
    mark: str = ""

    @classmethod
    def read(cls, tag: str) -> Version | None:
        """None for a tag that is none, such as `latest` and `bookworm-slim`."""
        match = _VERSION.fullmatch(tag)
        if match is None:
            return None
        numbers = tuple(map(int, match["numbers"].split(".")))
        stage = read_stage(match["pre"]) if match["pre"] else None
        return cls(numbers, stage, match["flavour"].lower(), match["mark"].lower())

    @property
    def order(self) -> Order:
        """Compares as versions do: 3.9 < 3.10rc1 < 3.10 = 3.10.0; the flavour has no say."""
        return order_of(self.numbers, self.stage)


def order_of(numbers: tuple[int, ...], stage: Stage | None = None) -> Order:
    """What `Version.order` is for these numbers."""
    length = len(numbers)
    while length > 1 and numbers[length - 1] == 0:
        length -= 1
    return numbers[:length], stage is None, stage or (0, ())


def names_pre_release(text: str) -> bool:
    """Whether a pattern speaks of pre-releases, by one of their words."""
    return re.search(rf"(?<![a-z])(?:{_WORDS})(?![a-z])", text, re.IGNORECASE) is not None


def read_stage(text: str) -> Stage:
    """What a text that `PRE` matches says."""
    words = re.findall(r"[a-z]+|[0-9]+", text.lower())
    return _RANK[words[0]], tuple(int(word) for word in words[1:] if word.isdigit())
