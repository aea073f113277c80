"""Regular expressions as Go knows them: RE2's, which read any text in a time that grows with its length."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from rebuild.template.error import Fault
from rebuild.template.formatting import made
from rebuild.template.function import Scope, functions
from rebuild.template.value import List, Value, cooked, raw

PATTERN_BYTES_MOST = 1000
_AUTOMATON_BYTES_MOST = 1 << 20
_REFERENCE = re.compile(rb"\$(?:(\$)|(\w+)|\{(\w+)\})")


def regexMatch(scope: Scope, pattern: str, text: str) -> Value:
    compiled = _compiled(scope, pattern, text)
    return compiled is not None and compiled.search(raw(text)) is not None


def regexFind(scope: Scope, pattern: str, text: str) -> Value:
    match = _needed(scope, pattern, text).search(raw(text))
    return cooked(match[0]) if match else ""


def regexFindAll(scope: Scope, pattern: str, text: str, count: int) -> Value:
    found = _matches(scope, pattern, text, count)
    return [cooked(match[0]) for match in found]


def regexSplit(scope: Scope, pattern: str, text: str, count: int) -> Value:
    content = raw(text)
    if count == 0:
        return []
    if pattern and not content:
        return [""]
    parts: List = []
    begin = end = 0
    for match in _matches(scope, pattern, text, count):
        if 0 < count == len(parts) + 1:
            break
        end = match.start()
        if match.end() != 0:
            parts.append(cooked(content[begin:end]))
        begin = match.end()
    if end != len(content):
        parts.append(cooked(content[begin:]))
    return parts


def regexReplaceAll(scope: Scope, pattern: str, text: str, replacement: str) -> Value:
    template = raw(replacement)

    def expanded(match: Any) -> bytes:
        return _REFERENCE.sub(lambda reference: _group(match, reference), template)

    return _replaced(scope, pattern, text, expanded)


def regexReplaceAllLiteral(scope: Scope, pattern: str, text: str, replacement: str) -> Value:
    literal = raw(replacement)
    return _replaced(scope, pattern, text, lambda match: literal)


def _group(match: Any, reference: re.Match[bytes]) -> bytes:
    """What `$1`, `${1}` or `${name}` stands for; nothing where there is no such group."""
    if reference[1]:
        return b"$"
    name = reference[2] or reference[3]
    if name.isdigit():
        number = int(name) if len(name) < 4 else -1
        return bytes(match[number] or b"") if 0 <= number <= match.re.groups else b""
    return bytes(match[name] or b"") if name in match.re.groupindex else b""


def _replaced(scope: Scope, pattern: str, text: str, replacement: Callable[[Any], bytes]) -> str:
    content = raw(text)
    pieces: list[bytes] = []
    end = 0
    for match in _matches(scope, pattern, text, -1):
        piece = replacement(match)
        scope.budget.make(len(piece))
        pieces += [content[end : match.start()], piece]
        end = match.end()
    return made([cooked(b"".join([*pieces, content[end:]]))], scope.budget)


def _matches(scope: Scope, pattern: str, text: str, most: int) -> Iterator[Any]:
    """The matches in order, none of them empty right behind another."""
    content = raw(text)
    before, given = -1, 0
    for match in _needed(scope, pattern, text).finditer(content):
        scope.budget.step()
        if 0 <= most <= given:
            return
        if match.start() == match.end() == before:
            continue
        if _is_inside_character(content, match.start()) and match.start() == match.end():
            continue
        before, given = match.end(), given + 1
        yield match


def _is_inside_character(content: bytes, at: int) -> bool:
    return at < len(content) and content[at] & 0xC0 == 0x80


def _needed(scope: Scope, pattern: str, text: str) -> Any:
    compiled = _compiled(scope, pattern, text)
    if compiled is None:
        raise Fault(
            "this is no regular expression of RE2", hint="RE2 has no look-around and no back-references"
        )
    return compiled


def _compiled(scope: Scope, pattern: str, text: str) -> Any | None:
    import re2  # here, because few templates ask for it

    if len(raw(pattern)) > PATTERN_BYTES_MOST:
        raise Fault(f"a regular expression is longer than {PATTERN_BYTES_MOST:,} bytes")
    scope.budget.step(len(pattern) + len(text) // 8)
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _AUTOMATON_BYTES_MOST
    try:
        return re2.compile(raw(pattern), options)
    except re2.error:
        return None


FUNCTIONS = functions(
    regexMatch=regexMatch,
    regexFind=regexFind,
    regexFindAll=regexFindAll,
    regexSplit=regexSplit,
    regexReplaceAll=regexReplaceAll,
    regexReplaceAllLiteral=regexReplaceAllLiteral,
)
