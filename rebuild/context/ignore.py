"""Which paths of a folder its ignore rules leave out, by Docker's own ways of matching. Walks nothing.

The last rule that matches a path, or a folder above it, decides; `!` turns a rule round. Rules are matched
by RE2, as in Docker, where they are Go's regular expressions: it takes linear time for any rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import re2

from graph.record import dataclass
from rebuild.context.fault import ContextError
from rebuild.context.ignore_file import DEFAULTS, clean, exceptions_for, ignore_file, patterns_of

_QUIET = re2.Options()
_QUIET.log_errors = False
_WILD = re.compile(r"[*?\[\\]")
_SPECIAL = frozenset(".+()|{}$^")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a path is left out, and which rules matched it or a folder above it."""

    ignored: bool
    matched: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: str  # cleaned; without the '!'
    exception: bool


class Rules:
    """The rules of one ignore file, in its order."""

    def __init__(self, patterns: Sequence[str], *, place: str = "ignore rules") -> None:
        self._rules = [_rule(pattern, place) for pattern in patterns]
        self._search = re2.Set.SearchSet(_QUIET)
        for rule in self._rules:
            self._search.Add(_checked(place, rule.pattern))
        self._search.Compile()

    def judge(self, path: str, parent: Verdict | None) -> Verdict:
        """A path (slashes, no `./`), with the verdict on the folder it lies in; None at the top."""
        hits = self._hits(path)
        above = parent.matched if parent else (False,) * len(self._rules)
        ignored = False
        matched = []
        for number, rule in enumerate(self._rules):
            hit = above[number]
            if not hit and rule.exception == ignored:  # a rule that would change nothing is not asked
                hit = number in hits
            matched.append(hit)
            if hit:
                ignored = not rule.exception
        return Verdict(ignored, tuple(matched))

    def _hits(self, path: str) -> set[int]:
        if not self._rules:
            return set()
        readable = path.encode(errors="surrogateescape").decode(errors="replace")  # as Go reads broken UTF-8
        return set(self._search.Match(readable) or ())

    def may_except_below(self, folder: str) -> bool:
        """Whether an exception could bring back something in a folder that is left out."""
        return any(rule.exception and _could_match_below(rule.pattern, folder) for rule in self._rules)


def read_rules(folder: Path, dockerfile: Path | None, *, kept: Iterable[str] = ()) -> Rules:
    """The rules of the ignore file that counts for a folder, behind the defaults; they hide no file that is
    `kept`."""
    file = ignore_file(folder, dockerfile)
    return Rules([*DEFAULTS, *patterns_of(file), *exceptions_for(kept)], place=str(file or folder))


def _rule(pattern: str, place: str) -> _Rule:
    pattern = clean(pattern.strip())
    if pattern == "!":
        raise ContextError(f"{place}: a '!' alone excepts nothing", hint="write a pattern behind it")
    rule = _Rule(pattern.removeprefix("!"), pattern.startswith("!"))
    if not _is_well_formed(rule.pattern):
        raise _broken(place, rule.pattern)
    return rule


def _checked(place: str, pattern: str) -> str:
    """The rule's expression; a set of expressions would drop a broken one without a word."""
    expression = _expression(pattern)
    try:
        re2.compile(expression, _QUIET)
    except re2.error:
        raise _broken(place, pattern) from None
    return expression


def _broken(place: str, pattern: str) -> ContextError:
    return ContextError(
        f"{place}: pattern {pattern!r} is broken: a '[' without its end, a range the wrong way round, "
        "or a '\\' at the end",
        hint=r"write \[ for the character itself",
    )


def _is_well_formed(pattern: str) -> bool:
    r"""Whether Go's filepath.Match takes it: `[a-z]` closed and not empty, `\` before a character."""
    rest = pattern
    while rest:
        if rest[0] == "[":
            found = _CLASS.match(rest)
            if found is None:
                return False
            rest = rest[found.end() :]
        elif rest[0] == "\\":
            if len(rest) == 1:
                return False
            rest = rest[2:]
        else:
            rest = rest[1:]
    return True


_ONE = r"(?:\\.|[^\\\]\-])"
_CLASS = re.compile(rf"\[\^?(?:{_ONE}(?:-{_ONE})?)+\]", re.DOTALL)


def _expression(pattern: str) -> str:
    """The pattern as a regular expression that finds the paths that it matches."""
    if pattern.startswith("**") and not _WILD.search(pattern[2:]):
        return _suffix(pattern[2:])
    if pattern.endswith("**") and not _WILD.search(pattern[:-2]):
        return "^" + _quoted(pattern[:-2])
    return f"^{_translated(pattern)}$"


def _suffix(text: str) -> str:
    if text.startswith("/"):
        return f"(?:^|/){_quoted(text[1:])}$"
    return f"{_quoted(text)}$"


def _quoted(text: str) -> str:
    return "".join(f"\\{c}" if c in _SPECIAL else c for c in text)


def _translated(pattern: str) -> str:
    pieces = []
    at = 0
    while at < len(pattern):
        piece, taken = _piece(pattern[at:])
        pieces.append(piece)
        at += taken
    return "".join(pieces)


def _piece(rest: str) -> tuple[str, int]:
    """The expression for the beginning of a pattern, and how many characters of it that is."""
    if rest.startswith("**"):
        taken = 3 if rest.startswith("**/") else 2
        return ("(?:.*/)?", taken) if rest[taken:] else (".*", taken)
    if rest[0] == "*":
        return "[^/]*", 1
    if rest[0] == "?":
        return "[^/]", 1
    if rest[0] == "\\":
        return re2.escape(rest[1]), 2
    if rest[0] == "[":
        found = _CLASS.match(rest)
        assert found is not None  # checked when the rule was read
        return _class(found[0]), found.end()
    return re2.escape(rest[0]), 1


def _class(text: str) -> str:
    """A class of characters; RE2 gives `[` in one a meaning that patterns do not know."""
    return text[:1] + re.sub(r"(?<!\\)\[", r"\\[", text[1:])


def _could_match_below(pattern: str, folder: str) -> bool:
    wanted = pattern.split("/")
    for part, has in zip(wanted, folder.split("/"), strict=False):
        if _WILD.search(part):
            return True
        if part != has:
            return False
    return True
