"""A file's bytes to one line an instruction, without continuations, comments and here-documents.

Knows where every character came from, and only as much of the instructions as it takes to see which
may be followed by a here-document.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field

from graph.dockerfile.budget import Budget, Unreadable
from graph.dockerfile.error import Place
from graph.dockerfile.lex import WHITE_SPACE, Style, split_words
from graph.dockerfile.outline import takes_heredocs
from graph.dockerfile.record import Span
from graph.record import dataclass

FILE_BYTES_MOST = 1 << 20
LINE_BYTES_MOST = (1 << 16) - 1  # BuildKit's own limit for one physical line
BYTE_ORDER_MARK = "\ufeff"

_BLANKS = "\t\n\f\r "
_DIRECTIVE = re.compile(rf"#[{WHITE_SPACE}]*([a-zA-Z][a-zA-Z0-9]*)[{_BLANKS}]*=[{_BLANKS}]*(.+)")
_DIRECTIVES = ("syntax", "escape", "check")
_ESCAPES = ("\\", "`")
_HEREDOC = re.compile(rf"\d*<<(-?)[{_BLANKS}]*([^<]*)")


@dataclass(frozen=True, slots=True)
class Directive:
    """`# name=value` at the head of the file."""

    value: str
    line: int
    span: Span


@dataclass(frozen=True, slots=True)
class FoldedLine:
    """One instruction on one line, without its here-documents."""

    text: str
    line: int  # the physical line where it begins, from 1
    has_heredoc: bool
    runs: tuple[tuple[int, int], ...] = field(repr=False)  # (offset here, offset in the file), ascending

    def span(self, start: int, end: int) -> Span:
        """Where the characters from `start` to before `end` stand in the file; at least one."""
        return Span(self._source(start), self._source(end - 1) + 1)

    def _source(self, at: int) -> int:
        here, there = self.runs[bisect_right(self.runs, at, key=lambda run: run[0]) - 1]
        return there + at - here


@dataclass(frozen=True, slots=True)
class Folded:
    """A whole file."""

    lines: tuple[FoldedLine, ...]
    escape: str
    syntax: Directive | None  # the image of the frontend that `# syntax=` asks for


@dataclass(frozen=True, slots=True)
class _Physical:
    """One line of the file as it stands there, without its end."""

    text: str
    number: int
    start: int


def decode(content: bytes) -> str:
    """The text that every span counts in; `encode` gives back the same bytes, valid UTF-8 or not."""
    return content.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def fold(content: bytes, path: str, budget: Budget) -> Folded:
    """Raise `DockerfileError` where no instruction can be made out."""
    _check_size(content, path)
    lines = list(_physical_lines(decode(content)))
    directives = _directives(lines, path)
    escape = directives["escape"].value if "escape" in directives else "\\"
    folded = tuple(_fold_lines(lines, escape, path, budget))
    if not folded:
        raise Place(path, 1).refuse("the file has no instructions", hint="begin with FROM and a base image")
    return Folded(folded, escape, _syntax(lines))


def _check_size(content: bytes, path: str) -> None:
    if len(content) > FILE_BYTES_MOST:
        raise Place(path, 1).refuse(f"the file is longer than {FILE_BYTES_MOST:,} bytes")
    for number, line in enumerate(content.split(b"\n"), start=1):
        if len(line) > LINE_BYTES_MOST:
            raise Place(path, number).refuse(f"the line is longer than {LINE_BYTES_MOST:,} bytes")


def _physical_lines(text: str) -> Iterator[_Physical]:
    start = 0
    for number, line in enumerate(text.split("\n"), start=1):
        mark = 1 if number == 1 and line.startswith(BYTE_ORDER_MARK) else 0
        yield _Physical(line[mark:].rstrip("\r"), number, start + mark)
        start += len(line) + 1


def _directives(lines: list[_Physical], path: str) -> Mapping[str, Directive]:
    found: dict[str, Directive] = {}
    for line, name, directive in _leading_directives(lines):
        if name in found:
            raise Place(path, line.number, line.text).refuse(f"only one {name} directive may be given")
        if name == "escape" and directive.value not in _ESCAPES:
            raise Place(path, line.number, line.text).refuse(
                f"escape character '{directive.value}' is neither \\ nor `",
                hint="write # escape=` or leave it out",
            )
        found[name] = directive
    return found


def _leading_directives(lines: Iterable[_Physical]) -> Iterator[tuple[_Physical, str, Directive]]:
    """Directives stand before everything else; the first line that is none ends them."""
    for line in lines:
        matched = _DIRECTIVE.fullmatch(line.text.lstrip(WHITE_SPACE))
        if matched is None or matched[1].lower() not in _DIRECTIVES:
            return
        value = matched[2].rstrip(_BLANKS) or matched[2]
        start = line.start + len(line.text) - len(matched[2])
        yield line, matched[1].lower(), Directive(value, line.number, Span(start, start + len(value)))


def _syntax(lines: list[_Physical]) -> Directive | None:
    """Looked for before the file is parsed, hence by other rules: behind a `#!` line, never indented."""
    first = 1 if lines[0].text.startswith("#!") else 0
    for line, name, directive in _leading_directives(lines[first:]):
        if not line.text.startswith("#"):
            return None
        if name == "syntax":
            image = directive.value.split(" ")[0]
            span = Span(directive.span.start, directive.span.start + len(image))
            return Directive(image, directive.line, span)
    return None


def _fold_lines(lines: list[_Physical], escape: str, path: str, budget: Budget) -> Iterator[FoldedLine]:
    remaining = iter(lines)
    for first in remaining:
        head = first.text.lstrip(WHITE_SPACE)
        if not head or head.startswith("#"):
            continue
        text, runs = _join(first, remaining, escape)
        has_heredoc = _skip_heredocs(text, remaining, Place(path, first.number, text), budget)
        yield FoldedLine(text, first.number, has_heredoc, runs)


def _join(
    first: _Physical, following: Iterator[_Physical], escape: str
) -> tuple[str, tuple[tuple[int, int], ...]]:
    """One instruction's lines as one, with the places where its parts began."""
    head = first.text.lstrip(WHITE_SPACE)
    part, goes_on = _without_continuation(head, escape)
    parts, runs = [part], [(0, first.start + len(first.text) - len(head))]
    length = len(part)
    while goes_on and (line := next(following, None)) is not None:
        bare = line.text.lstrip(WHITE_SPACE)
        if not bare or bare.startswith("#"):
            continue
        part, goes_on = _without_continuation(line.text, escape)
        runs.append((length, line.start))
        parts.append(part)
        length += len(part)
    return "".join(parts), tuple(runs)


def _without_continuation(text: str, escape: str) -> tuple[str, bool]:
    """The line without the escape at its end, and whether it had one; two of them continue nothing."""
    bare = text.rstrip(" \t")
    if bare.endswith(escape) and not bare.endswith(escape * 2):
        return bare.removesuffix(escape), True
    return text, False


def _skip_heredocs(text: str, following: Iterator[_Physical], place: Place, budget: Budget) -> bool:
    if "<<" not in text or not takes_heredocs(text):
        return False
    try:
        heredocs = list(_heredocs(text, budget))
    except Unreadable as error:
        raise place.refuse(str(error)) from None
    for heredoc in heredocs:
        if not any(heredoc.ends_at(line.text) for line in following):
            hint = "end it so; where << means something else, put it in quotes"
            raise place.refuse(f"the here-document is not ended by a line '{heredoc.name}'", hint=hint)
    return bool(heredocs)


@dataclass(frozen=True, slots=True)
class Heredoc:
    """`<<NAME`, `<<-NAME` or `<< NAME`."""

    name: str
    ignores_tabs: bool

    def ends_at(self, line: str) -> bool:
        return (line.lstrip("\t") if self.ignores_tabs else line) == self.name


def read_heredoc(word: str, budget: Budget) -> Heredoc | None:
    """The here-document that a word asks for. Its escapes are always `\\`, whatever the file says."""
    matched = _HEREDOC.fullmatch(word)
    if matched is None or not matched[2]:
        return None
    names = split_words(matched[2], Style(keeps_unset=True), budget)
    return Heredoc(names[0], bool(matched[1])) if len(names) == 1 else None


def _heredocs(text: str, budget: Budget) -> Iterator[Heredoc]:
    try:
        words = split_words(text, Style(keeps_quotes=True, keeps_escapes=True, keeps_unset=True), budget)
    except Unreadable:
        return  # BuildKit too takes a line that it cannot split for one without here-documents
    for word in words:
        heredoc = read_heredoc(word, budget)
        if heredoc is not None:
            yield heredoc
