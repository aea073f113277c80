"""Words as BuildKit reads them: quotes, escapes, `$V` and every `${V…}` form. Knows no instruction.

The forms: `${V}`, `${V:-w}`, `${V-w}`, `${V:+w}`, `${V+w}`, `${V:?w}`, `${V?w}`, `${V#p}`, `${V##p}`,
`${V%p}`, `${V%%p}`, `${V/p/w}`, `${V//p/w}`; w and p are words again. A word is read even where it is
not used, so an error in it counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from graph.dockerfile import pattern
from graph.dockerfile.budget import Budget, Unreadable
from graph.record import dataclass

WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
NESTED_MOST = 50
_NOT_PLAIN = re.compile(r"['\"$\\`}/<]")
_ANGLES = re.compile(r"<(?:<[\t\r ]*)?")
_SPECIAL_NAMES = "@*#?-$!0"


@dataclass(frozen=True, slots=True)
class Style:
    """What of a word stays as it was written."""

    escape: str = "\\"
    keeps_quotes: bool = False
    keeps_escapes: bool = False
    keeps_unset: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What holds for every word of one file."""

    escape: str
    budget: Budget


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    splits: bool  # whether white space in it ends a word


def expand(word: str, variables: Mapping[str, str], reading: Reading) -> str:
    """The word with variables put in and quotes taken off; `Unreadable` where BuildKit refuses it."""
    reader = _Reader(word, variables, Style(reading.escape), reading.budget)
    pieces = reader.pieces(None, keeps_escapes=False)
    return "".join(piece.text for piece in pieces)


def split_words(line: str, style: Style, budget: Budget) -> list[str]:
    """The words of a line without variables, split at white space that nothing protects."""
    pieces = _Reader(line, {}, style, budget).pieces(None, keeps_escapes=style.keeps_escapes)
    words: list[list[str]] = [[]]
    for piece in pieces:
        for character in piece.text if piece.splits else (piece.text,):
            if piece.splits and character in WHITE_SPACE:
                words.append([])
            else:
                words[-1].append(character)
    return [text for word in words if (text := "".join(word))]


class _Reader:
    """A position in one word."""

    def __init__(self, text: str, variables: Mapping[str, str], style: Style, budget: Budget) -> None:
        self._text = text.removeprefix("\ufeff")  # BuildKit's scanner drops a byte order mark here too
        self._variables = variables
        self._style = style
        self._budget = budget
        self._at = 0
        self._depth = 0

    def pieces(self, stop: str | None, *, keeps_escapes: bool) -> list[_Piece]:
        """All up to the character `stop`, which is skipped, or up to the end."""
        self._depth += 1
        if self._depth > NESTED_MOST:
            raise Unreadable(f"${{…}} is nested more than {NESTED_MOST} deep")
        found: list[_Piece] = []
        while (character := self._peek()) is not None and character != stop:
            piece = self._piece(character, keeps_escapes)
            self._budget.spend(len(piece.text))
            found.append(piece)
        if stop is not None and self._take() is None:
            raise Unreadable(f"missing '{stop}' in ${{…}}")
        self._depth -= 1
        return found

    def _piece(self, character: str, keeps_escapes: bool) -> _Piece:
        if character == self._style.escape:
            return _Piece(self._escaped(keeps_escapes), splits=False)
        match character:
            case "'":
                return _Piece(self._single_quoted(), splits=False)
            case '"':
                return _Piece(self._double_quoted(keeps_escapes), splits=False)
            case "$":
                return _Piece(self._dollar(), splits=True)
            case "<":
                return _Piece(self._angles(), splits=False)
            case _:
                return _Piece(self._plain(), splits=True)

    def _peek(self) -> str | None:
        return self._text[self._at] if self._at < len(self._text) else None

    def _take(self) -> str | None:
        character = self._peek()
        self._at += 1
        return character

    def _plain(self) -> str:
        start = self._at
        special = _NOT_PLAIN.search(self._text, start + 1)
        self._at = special.start() if special else len(self._text)
        return self._text[start : self._at]

    def _angles(self) -> str:
        """Blanks behind `<<` do not part it from the name of its here-document."""
        matched = _ANGLES.match(self._text, self._at)
        angles = matched[0] if matched else ""
        self._at += len(angles)
        return angles

    def _escaped(self, keeps_escapes: bool) -> str:
        escape = self._take() or ""
        return (escape if keeps_escapes else "") + (self._take() or "")

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise Unreadable("a single quote is not closed")
        quoted = self._text[self._at : end + 1]
        self._at = end + 1
        return quoted if self._style.keeps_quotes else quoted[1:-1]

    def _double_quoted(self, keeps_escapes: bool) -> str:
        quote = '"' if self._style.keeps_quotes else ""
        self._at += 1
        inside: list[str] = []
        while (character := self._peek()) != '"':
            if character is None:
                raise Unreadable("a double quote is not closed")
            if character == "$":
                inside.append(self._dollar())
            elif character == self._style.escape:
                inside.append(self._escaped_in_quotes(keeps_escapes))
            else:
                inside.append(character)
                self._at += 1
        self._at += 1
        return "".join((quote, *inside, quote))

    def _escaped_in_quotes(self, keeps_escapes: bool) -> str:
        """Only a quote, a dollar and the escape itself can be escaped here; before others it stays."""
        escape = self._take() or ""
        kept = escape if keeps_escapes else ""
        following = self._peek()
        if following in ('"', "$", escape):
            self._at += 1
            return f"{kept}{following}"
        return f"{kept}{escape}"

    def _dollar(self) -> str:
        self._at += 1
        if self._peek() == "{":
            self._at += 1
            return self._braces()
        name = self._name()
        return self._value(name, f"${name}") if name else "$"

    def _braces(self) -> str:
        if self._peek() in ("{", "}", ":"):
            raise Unreadable("bad substitution in ${…}")
        name = self._name()
        match self._take():
            case "}":
                return self._value(name, f"${{{name}}}")
            case "/":
                return self._replaced(name)
            case ":":
                return self._modified(name, ":", self._take())
            case modifier:
                return self._modified(name, "", modifier)

    def _name(self) -> str:
        start = self._at
        first = self._peek()
        if first is not None and first.isdecimal():
            self._skip(lambda character: character.isdecimal())
        elif first is not None and first in _SPECIAL_NAMES:
            self._at += 1
        else:
            self._skip(lambda character: character.isalpha() or character.isdecimal() or character == "_")
        return self._text[start : self._at]

    def _skip(self, belongs: Callable[[str], bool]) -> None:
        while (character := self._peek()) is not None and belongs(character):
            self._at += 1

    def _value(self, name: str, as_written: str) -> str:
        value = self._variables.get(name)
        if value is None:
            return as_written if self._style.keeps_unset else ""
        return value

    def _word(self, stop: str, *, keeps_escapes: bool) -> str:
        return "".join(piece.text for piece in self.pieces(stop, keeps_escapes=keeps_escapes))

    def _modified(self, name: str, colon: str, modifier: str | None) -> str:
        if modifier is None or modifier not in ("-+?" if colon else "-+?#%"):
            raise Unreadable(f"unsupported modifier '{colon}{modifier or ''}' in ${{{name}…}}")
        trims = modifier in ("#", "%")
        word = self._word("}", keeps_escapes=trims)
        value = self._variables.get(name)
        if value is None and self._style.keeps_unset:
            return f"${{{name}{colon}{modifier}{word}}}"
        if trims:
            return self._trimmed(modifier, word, value or "")
        counts_as_unset = value is None or (bool(colon) and not value)
        return _choose(name, modifier, word, value, counts_as_unset)

    def _trimmed(self, modifier: str, word: str, value: str) -> str:
        longest = word.startswith(modifier)
        wanted = word.removeprefix(modifier)
        self._budget.spend((len(wanted) + 1) * (len(value) + 1))
        trim = pattern.trim_prefix if modifier == "#" else pattern.trim_suffix
        return trim(wanted, value, longest=longest)

    def _replaced(self, name: str) -> str:
        every = self._peek() == "/"
        if every:
            self._at += 1
        wanted = self._word("/", keeps_escapes=True)
        by = self._word("}", keeps_escapes=True)
        value = self._variables.get(name)
        if value is None and self._style.keeps_unset:
            return f"${{{name}/{wanted}/{by}}}"
        value = value or ""
        self._budget.spend((len(wanted) + len(by) + 1) * (len(value) + 1))
        return pattern.replace(wanted, value, by, every=every)


def _choose(name: str, modifier: str, word: str, value: str | None, counts_as_unset: bool) -> str:
    match modifier:
        case "-":
            return word if counts_as_unset else value or ""
        case "+":
            return "" if counts_as_unset else word
        case _:
            if counts_as_unset:
                state = "unset" if value is None else "empty"
                raise Unreadable(f"{name}: {word or f'is not allowed to be {state}'}")
            return value or ""
