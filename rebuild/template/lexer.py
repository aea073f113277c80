"""A template's text to tokens. Knows Go's grammar of words, and nothing of what they mean together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from graph.record import dataclass
from rebuild.template.error import Fault

LEFT, RIGHT = "{{", "}}"
_SPACE = " \t\r\n"


class Kind(Enum):
    """What a token is."""

    TEXT = "text"
    LEFT = "{{"
    RIGHT = "}}"
    SPACE = "space"
    PIPE = "|"
    ASSIGN = "="
    DECLARE = ":="
    COMMA = ","
    OPEN = "("
    CLOSE = ")"
    DOT = "."
    FIELD = "field"
    VARIABLE = "variable"
    WORD = "word"
    KEYWORD = "keyword"
    BOOL = "bool"
    NIL = "nil"
    NUMBER = "number"
    CHAR = "character"
    STRING = "string"
    RAW_STRING = "raw string"
    END = "end"


KEYWORDS = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "range", "template", "with")
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the template; `line` is where it begins, from 1."""

    kind: Kind
    text: str
    line: int

    def __str__(self) -> str:
        if self.kind is Kind.END:
            return "the end of the file"
        shown = self.text if len(self.text) <= 20 else f"{self.text[:20]}…"
        return f"<{shown}>" if self.kind is Kind.KEYWORD else repr(shown)


class LexicalFault(Fault):
    """Characters that are no word, with the line where they stand."""

    def __init__(self, line: int, reason: str, *, hint: str | None = None) -> None:
        super().__init__(reason, hint=hint)
        self.line = line


_ACTION = re.compile(
    r"""
    (?P<trimmed>[ \t\r\n]-\}\})
  | (?P<right>\}\})
  | (?P<space>[ \t\r\n]+?(?=[ \t\r\n]-\}\}|[^ \t\r\n]|\Z))
  | (?P<string>"(?:\\[^\n]|[^"\\\n])*")
  | (?P<raw>`[^`]*`)
  | (?P<char>'(?:\\[^\n]|[^'\\\n])*')
  | (?P<variable>\$\w*)
  | (?P<number>[+-]?(?:
        0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?
      | 0[oO][0-7_]* | 0[bB][01_]*
      | (?=\.?[0-9])[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?))
  | (?P<field>\.\w+)
  | (?P<dot>\.)
  | (?P<word>\w+)
  | (?P<declare>:=) | (?P<assign>=) | (?P<pipe>\|) | (?P<comma>,) | (?P<open>\() | (?P<close>\))
    """,
    re.VERBOSE,
)
_SPACES = re.compile(r"[ \t\r\n]*")
_TERMINATED = re.compile(r"[ \t\r\n.,|:)(]|\}\}|\Z")
_NUMBER_ENDS = re.compile(r"\W|\Z")
_SIMPLE = {
    "space": Kind.SPACE,
    "string": Kind.STRING,
    "raw": Kind.RAW_STRING,
    "char": Kind.CHAR,
    "declare": Kind.DECLARE,
    "assign": Kind.ASSIGN,
    "pipe": Kind.PIPE,
    "comma": Kind.COMMA,
    "open": Kind.OPEN,
    "close": Kind.CLOSE,
}
_UNCLOSED = {'"': "a quoted string", "`": "a raw string", "'": "a character"}


def lex(text: str) -> Iterator[Token]:
    """The tokens in order, `END` last; raise `LexicalFault` where there is none."""
    return _Lexer(text).tokens()


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._depth = 0  # of parentheses in this action

    def tokens(self) -> Iterator[Token]:
        while True:
            start = self._text.find(LEFT, self._at)
            plain_end = len(self._text) if start < 0 else start
            plain = self._text[self._at : plain_end]
            if start >= 0 and self._is_trim_marker(start + len(LEFT)):
                plain = plain.rstrip(_SPACE)
            if plain:
                yield Token(Kind.TEXT, plain, self._line)
            self._advance(plain_end)
            if start < 0:
                yield Token(Kind.END, "", self._line)
                return
            yield from self._comment_or_action()

    def _is_trim_marker(self, at: int) -> bool:
        return self._text[at : at + 1] == "-" and self._text[at + 1 : at + 2] in tuple(_SPACE)

    def _advance(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _comment_or_action(self) -> Iterator[Token]:
        opened = Token(Kind.LEFT, LEFT, self._line)
        inside = self._at + len(LEFT)
        if self._is_trim_marker(inside):
            inside += 2
        if self._text.startswith("/*", inside):
            self._skip_comment(inside)
            return
        yield opened
        self._advance(inside)
        yield from self._action(opened.line)

    def _skip_comment(self, inside: int) -> None:
        end = self._text.find("*/", inside + 2)
        if end < 0:
            raise LexicalFault(self._line, "a comment is not closed", hint="write {{/* … */}}")
        if not self._close(end + 2):
            raise LexicalFault(self._line, "a comment is not all of its action", hint="write {{/* … */}}")

    def _close(self, at: int) -> bool:
        """Go past a right delimiter, and past the space behind it where it trims."""
        match = _ACTION.match(self._text, at)
        if match is None or match.lastgroup not in ("trimmed", "right"):
            return False
        behind = _SPACES.match(self._text, match.end()) if match.lastgroup == "trimmed" else match
        self._advance(behind.end() if behind else match.end())
        return True

    def _action(self, begun: int) -> Iterator[Token]:
        self._depth = 0
        while True:
            match = _ACTION.match(self._text, self._at)
            if match is None:
                raise self._unknown(begun)
            if match.lastgroup in ("trimmed", "right"):
                if self._depth:
                    raise LexicalFault(self._line, "a parenthesis is not closed")
                closed = Token(Kind.RIGHT, RIGHT, self._line)
                self._close(self._at)
                yield closed
                return
            token = self._token(match)
            self._advance(match.end())
            yield token

    def _token(self, match: re.Match[str]) -> Token:
        group, text = match.lastgroup or "", match[0]
        if group in _SIMPLE:
            self._count(text)
            return Token(_SIMPLE[group], text, self._line)
        if group == "number":
            if not _NUMBER_ENDS.match(self._text, match.end()):
                raise LexicalFault(self._line, f"{_word_at(self._text, self._at)!r} is not a number")
            return Token(Kind.NUMBER, text, self._line)
        if group != "dot" and not _TERMINATED.match(self._text, match.end()):
            raise LexicalFault(self._line, f"unexpected {self._text[match.end()]!r} behind {text!r}")
        if group == "dot" and not _TERMINATED.match(self._text, match.end()):
            raise LexicalFault(self._line, f"unexpected {self._text[match.end()]!r} behind a dot")
        return Token(_kind_of_name(group, text), text, self._line)

    def _count(self, text: str) -> None:
        if text == "(":
            self._depth += 1
        elif text == ")":
            self._depth -= 1
            if self._depth < 0:
                raise LexicalFault(self._line, "a parenthesis is closed that was not opened")

    def _unknown(self, begun: int) -> LexicalFault:
        if self._at >= len(self._text):
            return LexicalFault(begun, "an action is not closed", hint="write }} at its end")
        found = self._text[self._at]
        if found in _UNCLOSED:
            return LexicalFault(self._line, f"{_UNCLOSED[found]} is not closed")
        where = "" if begun == self._line else f" that begins in line {begun}"
        return LexicalFault(self._line, f"unexpected {found!r} in an action{where}")


def _kind_of_name(group: str, text: str) -> Kind:
    if group == "field":
        return Kind.FIELD
    if group == "dot":
        return Kind.DOT
    if group == "variable":
        return Kind.VARIABLE
    if text in KEYWORDS:
        return Kind.KEYWORD
    if text in ("true", "false"):
        return Kind.BOOL
    return Kind.NIL if text == "nil" else Kind.WORD


def _word_at(text: str, at: int) -> str:
    match = re.compile(r"[+-]?[\w.]{1,20}").match(text, at)
    return str(match[0]) if match else text[at]
