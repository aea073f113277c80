"""Upper, lower and title case, and words put together as in names. One letter stays one letter."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from enum import Enum

from rebuild.template.function import Scope, functions
from rebuild.template.functions.text import SPACES
from rebuild.template.value import Value


def _upper(letter: str) -> str:
    """Go maps letter to letter: it knows no 'SS' for 'ß'."""
    return letter.upper() if len(letter.upper()) == 1 else letter


def _lower(letter: str) -> str:
    return letter.lower() if len(letter.lower()) == 1 else letter


def _title(letter: str) -> str:
    return letter.title() if len(letter.title()) == 1 else letter


def upper(scope: Scope, text: str) -> Value:
    if text.isascii():
        return text.upper()
    scope.budget.walk(text)
    return "".join(map(_upper, text))


def lower(scope: Scope, text: str) -> Value:
    if text.isascii():
        return text.lower()
    scope.budget.walk(text)
    return "".join(map(_lower, text))


def title(scope: Scope, text: str) -> Value:
    scope.budget.walk(text)
    pairs = zip(f" {text}", text, strict=False)
    return "".join(_title(letter) if _parts_words(before) else letter for before, letter in pairs)


def _parts_words(character: str) -> bool:
    if character.isascii():
        return not (character.isalnum() or character == "_")
    return not (character.isalpha() or character.isdecimal()) and character in SPACES


def untitle(scope: Scope, text: str) -> Value:
    scope.budget.walk(text)
    pairs = zip(f" {text}", text, strict=False)
    return "".join(_lower(letter) if before in SPACES else letter for before, letter in pairs)


def initials(scope: Scope, text: str) -> Value:
    scope.budget.walk(text)
    pairs = zip(f" {text}", text, strict=False)
    return "".join(letter for before, letter in pairs if before in SPACES and letter not in SPACES)


def swapcase(scope: Scope, text: str) -> Value:
    scope.budget.walk(text)
    swapped: list[str] = []
    begins_word = True
    for letter in text:
        if letter.isupper() or letter.istitle():
            swapped.append(_lower(letter))
            begins_word = False
        elif letter.islower():
            swapped.append(_title(letter) if begins_word else _upper(letter))
            begins_word = False
        else:
            swapped.append(letter)
            begins_word = letter in SPACES
    return "".join(swapped)


def camelcase(scope: Scope, text: str) -> Value:
    """`http_server` to `HttpServer`; connectors in front and doubled ones stay."""
    scope.budget.walk(text)
    body = text.lstrip(_CONNECTORS)
    if text and not body:
        return text + text[-1]  # where there are only connectors, Go writes the last of them twice
    made = [text[: len(text) - len(body)]]
    begins = True
    for at, letter in enumerate(body):
        if letter not in _CONNECTORS:
            made.append(_upper(letter) if begins else _lower(letter))
        elif at + 1 == len(body) or body[at + 1] in _CONNECTORS:
            made.append(letter)
        begins = letter in _CONNECTORS
    return "".join(made)


def snakecase(scope: Scope, text: str) -> Value:
    return _connected(scope, text, "_")


def kebabcase(scope: Scope, text: str) -> Value:
    return _connected(scope, text, "-")


_CONNECTORS = f"-_{SPACES}"


class _Word(Enum):
    NONE = "nothing"
    CONNECTOR = "connector"
    PUNCTUATION = "punctuation"
    UPPER = "word in upper case, or with one upper-case letter in front"
    LOWER = "word in lower case"
    NUMBER = "number"
    OTHER = "other"


_Token = tuple[_Word, str]
_PLACELESS = (_Word.NONE, _Word.PUNCTUATION)
_TAIL = (_Word.LOWER, _Word.NUMBER)


def _kind(character: str) -> _Word:
    if character in _CONNECTORS:
        return _Word.CONNECTOR
    if unicodedata.category(character).startswith("P"):
        return _Word.PUNCTUATION
    if character.isupper():
        return _Word.UPPER
    if character.isalpha():
        return _Word.LOWER
    return _Word.NUMBER if unicodedata.category(character).startswith("N") else _Word.OTHER


def _words(text: str) -> Iterator[_Token]:
    kinds = [_kind(character) for character in text]
    at = 0
    while at < len(text):
        kind = kinds[at]
        end = at + 1
        while end < len(text) and kinds[end] is kind:
            end += 1
        if kind is _Word.UPPER and end < len(text) and kinds[end] is _Word.LOWER:
            end = end - 1 if end - at > 1 else _behind_lower(kinds, end)
        yield kind, text[at:end]
        at = end


def _behind_lower(kinds: list[_Word], at: int) -> int:
    while at < len(kinds) and kinds[at] is _Word.LOWER:
        at += 1
    return at


def _connected(scope: Scope, text: str, connector: str) -> str:
    scope.budget.step(len(text) // 2)  # slow: it looks at what every character is
    return "".join(_Connecting(list(_words(text)), connector).pieces())


class _Connecting:
    """Puts a connector between words. A number belongs to the word before it, unless small letters follow."""

    def __init__(self, words: list[_Token], connector: str) -> None:
        self._words = words
        self._connector = connector
        self._at = 0

    def _word(self) -> _Token:
        return self._words[self._at] if self._at < len(self._words) else (_Word.NONE, "")

    def _take(self) -> str:
        kind, word = self._word()
        self._at += 1
        if kind is _Word.CONNECTOR:
            return self._connector * len(word)
        return "".join(map(_lower, word)) if kind is _Word.UPPER else word

    def _tail(self) -> Iterator[str]:
        while self._word()[0] in _TAIL:
            yield self._take()

    def pieces(self) -> Iterator[str]:
        while self._at + 1 < len(self._words):
            before = self._word()[0]
            yield self._take()
            match before:
                case _Word.NUMBER:
                    yield from self._tail()
                    if self._word()[0] not in _PLACELESS:
                        yield self._connector
                case _Word.CONNECTOR | _Word.PUNCTUATION:
                    continue
                case _:
                    yield from self._behind_word()
        if self._at < len(self._words):
            yield self._take()

    def _behind_word(self) -> Iterator[str]:
        kind = self._word()[0]
        parted: tuple[_Word, ...] = (_Word.CONNECTOR, _Word.PUNCTUATION)
        if kind is not _Word.NUMBER:
            if kind not in parted:
                yield self._connector
            return
        if self._at + 1 == len(self._words):
            return
        if self._words[self._at + 1][0] is _Word.LOWER:
            yield self._connector
            yield self._take()
            yield from self._tail()
            parted = (*parted, _Word.NONE)
        else:
            yield self._take()
        if self._word()[0] not in parted:
            yield self._connector


FUNCTIONS = functions(
    upper=upper,
    lower=lower,
    title=title,
    untitle=untitle,
    initials=initials,
    swapcase=swapcase,
    camelcase=camelcase,
    snakecase=snakecase,
    kebabcase=kebabcase,
)
