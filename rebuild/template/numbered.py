"""A text whose lines know which lines of a file they come from. Knows not what was done to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field

from graph.record import dataclass


@dataclass(frozen=True, slots=True)
class NumberedText:
    """A text made out of a file, `lines` with one entry a line of it: the line of the file, from 1.

    It may hold secrets, so no representation shows it.
    """

    text: str = field(repr=False)
    lines: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> NumberedText:
        """The file itself."""
        return cls(text, tuple(range(1, text.count("\n") + 2)))

    @classmethod
    def of_lines(cls, lines: Iterable[tuple[int, str]]) -> NumberedText:
        """Lines with their numbers, without line ends."""
        kept = tuple(lines)
        return cls("".join(f"{text}\n" for _, text in kept), tuple(number for number, _ in kept))

    def numbered(self) -> Iterator[tuple[int, str]]:
        """Each line with its number; a last line without a line end is one, too."""
        texts = self.text.split("\n")
        return zip(self.lines, texts if texts[-1] else texts[:-1], strict=False)

    def number(self, line: int) -> int:
        """Where the line `line` of the text, from 1, stands in the file."""
        return self.lines[min(max(line, 1), len(self.lines)) - 1] if self.lines else line


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a new text, and the line of the old one that it begins in."""

    text: str
    line: int
    is_plain: bool  # it stood there; otherwise all of it was put in the place of something in that line

    def line_of(self, at: int) -> int:
        """Where the line `at` of the piece, from 0, comes from."""
        return self.line + at if self.is_plain else self.line


def origins(pieces: Sequence[Piece]) -> Iterator[int]:
    """For each line that the pieces make up, the old line whose text comes first in it."""
    origin: int | None = None
    for piece in pieces:
        for at, part in enumerate(piece.text.split("\n")):
            if at:
                yield piece.line_of(at - 1) if origin is None else origin
                origin = None
            if origin is None and part:
                origin = piece.line_of(at)
    if origin is not None:
        yield origin
