"""The outline of one instruction: keyword, flags, words, each with its place. Judges nothing."""

from __future__ import annotations

import json
import re
from enum import StrEnum

from graph.dockerfile.lex import WHITE_SPACE
from graph.record import dataclass

BLANKS = "\t\v\f\r "  # what separates words; other white space is part of them
_SPACE = re.compile(r"[\t\n\v\f\r ]*")  # flags are read byte by byte: no wider white space
_WORD = re.compile(rf"[^{BLANKS}]+")


class Keyword(StrEnum):
    """Every instruction there is."""

    ADD = "ADD"
    ARG = "ARG"
    CMD = "CMD"
    COPY = "COPY"
    ENTRYPOINT = "ENTRYPOINT"
    ENV = "ENV"
    EXPOSE = "EXPOSE"
    FROM = "FROM"
    HEALTHCHECK = "HEALTHCHECK"
    LABEL = "LABEL"
    MAINTAINER = "MAINTAINER"
    ONBUILD = "ONBUILD"
    RUN = "RUN"
    SHELL = "SHELL"
    STOPSIGNAL = "STOPSIGNAL"
    USER = "USER"
    VOLUME = "VOLUME"
    WORKDIR = "WORKDIR"


@dataclass(frozen=True, slots=True)
class Flag:
    """`--name=value`, without its quotes. `value` is None where there is no `=`."""

    name: str
    value: str | None
    positions: tuple[int, ...]  # of each character of the value, in the line
    end: int  # where the flag ends in the line, quotes included


@dataclass(frozen=True, slots=True)
class Word:
    """A word and where it begins in the line."""

    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class NotStrings(Exception):
    """A JSON array that holds something else than strings."""


def keyword_of(text: str) -> tuple[str, int]:
    """The first word of a line in upper case, and where it ends."""
    start = len(text) - len(text.lstrip(WHITE_SPACE))
    matched = _WORD.match(text, start, max(start, len(text.rstrip(WHITE_SPACE))))
    if matched is None:
        return "", start
    word = matched[0]
    return word.upper() if word.isascii() else word, matched.end()


def read_flags(text: str, at: int) -> tuple[tuple[Flag, ...], int]:
    """The flags at the beginning of an instruction's arguments, and where the rest begins."""
    flags: list[Flag] = []
    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing as well
        if not text.startswith("--", at):
            return tuple(flags), at
        characters, at = _flag_characters(text, at)
        flag = _flag(characters, at)
        if not flag.name and flag.value is None:
            return tuple(flags), at  # `--` alone ends the flags
        flags.append(flag)


def _flag(characters: list[tuple[str, int]], end: int) -> Flag:
    word = "".join(character for character, _ in characters)
    name, equals, value = word.removeprefix("--").partition("=")
    positions = tuple(position for _, position in characters[len(word) - len(value) :]) if value else ()
    return Flag(name, value if equals else None, positions, end)


def _flag_characters(text: str, at: int) -> tuple[list[tuple[str, int]], int]:
    """One word with its quotes off; `\\` escapes everywhere, whatever the file's own escape is."""
    characters: list[tuple[str, int]] = []
    quote = ""
    while at < len(text):
        character = text[at]
        if not quote and character in WHITE_SPACE:
            break
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif character == "\\":
            at += 1
            characters += [(text[at], at)] if at < len(text) else []
        else:
            characters.append((character, at))
        at += 1
    return characters, min(at, len(text))


def words(text: str, start: int) -> list[Word]:
    """The words from `start` on, split at blanks whatever the quotes."""
    start = len(text) - len(text[start:].lstrip(WHITE_SPACE))
    end = max(start, len(text.rstrip(WHITE_SPACE)))
    return [Word(matched[0], matched.start()) for matched in _WORD.finditer(text, start, end)]


def json_strings(arguments: str) -> list[str] | None:
    """The elements of a JSON array, None where there is none; raise `NotStrings` for other elements."""
    bare = arguments.strip(WHITE_SPACE)
    if not bare.startswith("["):
        return None
    try:
        found = json.loads(bare, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(element, str) for element in found):
        raise NotStrings
    return list(found)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # Python reads NaN and Infinity, JSON has neither


def takes_heredocs(text: str) -> bool:
    """Whether `<<NAME` in this line announces a here-document: RUN, COPY, ADD, not in JSON form."""
    keyword, at = keyword_of(text)
    _, at = read_flags(text, at)
    if keyword == Keyword.ONBUILD:
        keyword, end = keyword_of(text[at:])
        _, at = read_flags(text, at + end)
    if keyword not in (Keyword.RUN, Keyword.COPY, Keyword.ADD):
        return False
    try:
        return json_strings(text[at:]) is None
    except NotStrings:
        return False
