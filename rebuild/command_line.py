"""Splits a command line into words by the rules of the POSIX shell. Runs nothing, and never asks a shell.

What it knows: quotes, backslashes, `$NAME` and `${NAME}` from the variables that it is given. What it
leaves as it is: wildcards, `~`, `#`. What it refuses to guess at: whatever only a shell can carry out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from graph.record import dataclass

CHARACTERS_MOST = 1 << 20  # of all words; a program takes no more than 2 MiB of them

_BLANKS = " \t\r"
_SPLITS = " \t\n"  # what an unquoted variable is split at
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PLAIN = re.compile(r"[^\s'\"\\$`|&;<>()]+")
_PLAIN_IN_QUOTES = re.compile(r'[^"\\$`]+')
_SPECIAL = "@*#?-$!0123456789"
_STREAM_NUMBER = re.compile(r"(?:^|(?<=[^\\][ \t\r\n]))[0-9]$")


class Construct(StrEnum):
    """What of a line only a shell can carry out."""

    PIPE = "the pipe |"
    BACKGROUND = "the operator &"
    AND = "the operator &&"
    OR = "the operator ||"
    SEQUENCE = "the operator ;"
    REDIRECTION = "a redirection with < or >"
    GROUP = "a parenthesis"
    LINE_END = "a line end between two commands"
    SUBSTITUTION = "a command substitution $(…)"
    BACKTICK = "a command substitution with backticks"
    EXPANSION = "an expansion of the form ${…}"
    PARAMETER = "a parameter of the shell such as $1 or $?"


# What divides a line into a command and its rest. The others are no end of a command, or have no clear one.
DIVIDING = frozenset({Construct.PIPE, Construct.AND, Construct.OR, Construct.SEQUENCE, Construct.REDIRECTION})
_OPERATORS = DIVIDING | {Construct.BACKGROUND, Construct.GROUP, Construct.LINE_END}


@dataclass(frozen=True, slots=True)
class Words:
    """The argument vector, and the variables that it names and that have no value here."""

    words: tuple[str, ...]
    unset: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NeedsShell:
    """The line cannot be split without a shell; `offset` is where that shows."""

    construct: Construct
    offset: int


@dataclass(frozen=True, slots=True)
class Unclosed:
    """A quote that is opened at `offset` and not closed; or a backslash at the end of the line."""

    quote: str
    offset: int


@dataclass(frozen=True, slots=True)
class TooLong:
    """The variables make more of the line than any program can take."""


Fault = NeedsShell | Unclosed | TooLong


def tokenise(text: str, variables: Mapping[str, str]) -> Words | Fault:
    """The words of a line, as `sh -f` would hand them to a program."""
    try:
        return _Lexer(text, variables, one_word=False).words()
    except _Stop as stop:
        return stop.fault


def unquote(text: str, variables: Mapping[str, str]) -> Words | Fault:
    """A value as the shell reads it after `NAME=`: one word. Blanks and operators stand for themselves."""
    try:
        return _Lexer(text, variables, one_word=True).words()
    except _Stop as stop:
        return stop.fault


def first_operator(text: str, variables: Mapping[str, str]) -> int | None:
    """Where the first command of the line ends, if an operator ends it: `2` of `2>file` belongs to that."""
    match tokenise(text, variables):
        case NeedsShell(construct, offset) if construct in DIVIDING:
            has_number = construct is Construct.REDIRECTION and _STREAM_NUMBER.search(text, 0, offset)
            return offset - 1 if has_number else offset
        case _:
            return None


def first_word(text: str, variables: Mapping[str, str]) -> tuple[Words, int] | Fault:
    """What the first word of a text stands for, and where it ends; no word at all where it has none."""
    lexer = _Lexer(text, variables, one_word=False)
    try:
        return lexer.first_word()
    except _Stop as stop:
        if isinstance(stop.fault, NeedsShell) and stop.fault.construct in _OPERATORS:
            return lexer.ended(), stop.fault.offset
        return stop.fault


class _Stop(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(slots=True)
class _Lexer:
    text: str
    variables: Mapping[str, str]
    one_word: bool
    at: int = 0
    written: int = 0
    done: list[str] = field(default_factory=list)
    current: list[str] | None = None  # None between two words; [] is a word that is empty so far
    unset: dict[str, None] = field(default_factory=dict)

    def words(self) -> Words:
        if self.one_word:
            self.current = []
        else:
            self.at = len(self.text) - len(self.text.lstrip(_SPLITS))
        while self.at < len(self.text):
            self._step()
        return self.ended()

    def first_word(self) -> tuple[Words, int]:
        self.at = len(self.text) - len(self.text.lstrip(_BLANKS))
        while self.at < len(self.text) and self.text[self.at] not in _BLANKS:
            self._step()
        return self.ended(), self.at

    def ended(self) -> Words:
        """All that was read so far."""
        self._end_word()
        return Words(tuple(self.done), tuple(self.unset))

    def _step(self) -> None:
        character = self.text[self.at]
        match character:
            case "'":
                self._single_quotes()
            case '"':
                self._double_quotes()
            case "\\":
                self._backslash()
            case "$" | "`":
                self._dollar(quoted=self.one_word)
            case _ if not self.one_word and character in _BLANKS:
                self._end_word()
                self.at += 1
            case "\n" if not self.one_word and not self.text[self.at :].strip():
                self.at = len(self.text)
            case _ if not self.one_word and character in "|&;<>()\n":
                raise _Stop(NeedsShell(self._operator(), self.at))
            case _:
                self._take(_PLAIN)

    def _take(self, pattern: re.Pattern[str]) -> None:
        """A stretch without meaning, or the one character that has none here."""
        match = pattern.match(self.text, self.at)
        end = match.end() if match else self.at + 1
        self._add(self.text[self.at : end])
        self.at = end

    def _operator(self) -> Construct:
        two = self.text[self.at : self.at + 2]
        match two[0]:
            case "|":
                return Construct.OR if two == "||" else Construct.PIPE
            case "&":
                return Construct.AND if two == "&&" else Construct.BACKGROUND
            case ";":
                return Construct.SEQUENCE
            case "<" | ">":
                return Construct.REDIRECTION
            case "\n":
                return Construct.LINE_END
            case _:
                return Construct.GROUP

    def _single_quotes(self) -> None:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise _Stop(Unclosed("'", self.at))
        self._add(self.text[self.at + 1 : end])
        self.at = end + 1

    def _double_quotes(self) -> None:
        start = self.at
        self._add("")
        self.at += 1
        while self.at < len(self.text):
            match self.text[self.at]:
                case '"':
                    self.at += 1
                    return
                case "\\":
                    self._backslash_in_quotes()
                case "$" | "`":
                    self._dollar(quoted=True)
                case _:
                    self._take(_PLAIN_IN_QUOTES)
        raise _Stop(Unclosed('"', start))

    def _backslash(self) -> None:
        escaped = self.text[self.at + 1 : self.at + 2]
        if not escaped:
            raise _Stop(Unclosed("\\", self.at))
        if escaped != "\n":  # a continued line: both characters vanish
            self._add(escaped)
        self.at += 2

    def _backslash_in_quotes(self) -> None:
        escaped = self.text[self.at + 1 : self.at + 2]
        if escaped and escaped in '$`"\\':
            self._add(escaped)
        elif escaped != "\n":
            self._add(f"\\{escaped}")
        self.at += 2

    def _dollar(self, *, quoted: bool) -> None:
        if self.text[self.at] == "`":
            raise _Stop(NeedsShell(Construct.BACKTICK, self.at))
        following = self.text[self.at + 1 : self.at + 2]
        match = _NAME.match(self.text, self.at + 1) or _BRACED.match(self.text, self.at + 1)
        if match is not None:
            self.at = match.end()
            self._expand(match[1] if match.re is _BRACED else match[0], quoted=quoted)
        elif following in ("(", "{"):
            construct = Construct.SUBSTITUTION if following == "(" else Construct.EXPANSION
            raise _Stop(NeedsShell(construct, self.at))
        elif following and following in _SPECIAL:
            raise _Stop(NeedsShell(Construct.PARAMETER, self.at))
        else:
            self._add("$")
            self.at += 1

    def _expand(self, name: str, *, quoted: bool) -> None:
        value = self.variables.get(name)
        if value is None:
            self.unset[name] = None
            value = ""
        if quoted:
            self._add(value)
            return
        for number, piece in enumerate(re.split(f"[{_SPLITS}]+", value)):
            if number > 0:
                self._end_word()
            if piece:
                self._add(piece)

    def _add(self, piece: str) -> None:
        self.written += len(piece)
        if self.written > CHARACTERS_MOST:
            raise _Stop(TooLong())
        if self.current is None:
            self.current = []
        self.current.append(piece)

    def _end_word(self) -> None:
        if self.current is not None:
            self.done.append("".join(self.current))
            self.current = None
