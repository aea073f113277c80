"""The wildcards `*` and `?` of `${V#p}`, `${V%p}` and `${V/p/r}`. Knows no variables.

Written without a regular expression for `*`: a pattern comes from the file, and one with many stars
would keep a backtracking engine busy for ever. Each stretch between two stars has a fixed length, so
it is looked for once, leftmost or rightmost.
"""

from __future__ import annotations

import re

from graph.dockerfile.budget import Unreadable

_STAR = ""  # no piece of a regular expression is empty


def trim_prefix(pattern: str, value: str, *, longest: bool) -> str:
    """The value without the part at its beginning that the pattern matches."""
    return _after_prefix(_pieces(pattern), value, longest)


def trim_suffix(pattern: str, value: str, *, longest: bool) -> str:
    """The value without the part at its end that the pattern matches."""
    return _after_prefix(_pieces(pattern)[::-1], value[::-1], longest)[::-1]


def replace(pattern: str, value: str, by: str, *, every: bool) -> str:
    """The value with the leftmost longest match replaced, or with all of them."""
    stretches = _stretches(_pieces(pattern))
    done: list[str] = []
    kept = start = 0
    while start <= len(value):
        found = _find(stretches, value, start, anchored=False, longest=True)
        if found is None:
            break
        first, end = found
        done.append(value[kept:first])
        if end > kept or first == 0:  # an empty match right behind another one does not count
            done.append(by)
        kept, start = end, max(end, start + 1)
        if not every:
            break
    return "".join((*done, value[kept:]))


def _pieces(pattern: str) -> list[str]:
    """The pattern as one regular expression a character, `_STAR` for a star."""
    pieces: list[str] = []
    characters = iter(enumerate(pattern))
    for at, character in characters:
        match character:
            case "*":
                pieces.append(_STAR)
            case "?":
                pieces.append(".")
            case "\\":
                following = pattern[at + 1 : at + 2]
                if following not in ("*", "?", "\\", "}", "/"):
                    raise Unreadable(f"invalid escape '\\{following}' in the pattern {pattern!r}")
                pieces.append(re.escape(following))
                next(characters)
            case _:
                pieces.append(re.escape(character))
    return pieces


def _stretches(pieces: list[str]) -> list[re.Pattern[str]]:
    joined: list[list[str]] = [[]]
    for piece in pieces:
        if piece == _STAR:
            joined.append([])
        else:
            joined[-1].append(piece)
    return [re.compile("".join(stretch)) for stretch in joined]


def _after_prefix(pieces: list[str], value: str, longest: bool) -> str:
    found = _find(_stretches(pieces), value, 0, anchored=True, longest=longest)
    return value if found is None else value[found[1] :]


def _find(
    stretches: list[re.Pattern[str]], value: str, start: int, *, anchored: bool, longest: bool
) -> tuple[int, int] | None:
    first, *others = stretches
    head = first.match(value, start) if anchored else first.search(value, start)
    if head is None:
        return None
    end = head.end()
    for number, stretch in enumerate(others, start=1):
        is_last = number == len(others)
        found = _rightmost(stretch, value, end) if is_last and longest else stretch.search(value, end)
        if found is None:
            return None
        end = found.end()
    return head.start(), end


def _rightmost(stretch: re.Pattern[str], value: str, start: int) -> re.Match[str] | None:
    for at in range(len(value), start - 1, -1):
        found = stretch.match(value, at)
        if found is not None:
            return found
    return None
