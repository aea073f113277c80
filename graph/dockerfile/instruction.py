"""Instructions of a folded file, as dockerfile-parse splits them. Knows no rule about what they may say."""

from __future__ import annotations

from io import BytesIO

from graph.dockerfile.error import Place
from graph.dockerfile.fold import Folded, FoldedLine
from graph.dockerfile.lex import WHITE_SPACE
from graph.dockerfile.outline import BLANKS, Flag, Keyword, Word, keyword_of, read_flags, words
from graph.dockerfile.record import Span
from graph.record import dataclass

# dockerfile-parse joins a line to the next where it ends in the escape character, and the folded lines
# are joined already: with this at its end no line does.
_GUARD = " ;"
_OTHER_SPACE = dict.fromkeys((ord(c) for c in WHITE_SPACE + "\x1c\x1d\x1e\x1f" if c not in BLANKS), "?")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, or the trigger inside an ONBUILD."""

    keyword: Keyword
    place: Place
    line: FoldedLine
    flags: tuple[Flag, ...]
    start: int  # where the arguments behind the flags begin in the line
    trigger: Instruction | None = None  # of an ONBUILD whose trigger is an instruction

    @property
    def arguments(self) -> str:
        return self.line.text[self.start :].strip(WHITE_SPACE)

    @property
    def words(self) -> list[Word]:
        return words(self.line.text, self.start)

    def span(self, start: int, end: int) -> Span:
        return self.line.span(start, end)


def read_instructions(folded: Folded, path: str) -> list[Instruction]:
    """Raise `DockerfileError` for a keyword that does not exist."""
    for line in folded.lines:
        keyword, _ = keyword_of(line.text)
        if keyword not in Keyword.__members__:
            raise Place(path, line.line, line.text).refuse(f"unknown instruction '{keyword}'")
    split = _split(folded.lines)
    return [
        _instruction(Keyword(keyword), Place(path, line.line, line.text), line, start)
        for line, (keyword, start) in zip(folded.lines, split, strict=True)
    ]


def _split(lines: tuple[FoldedLine, ...]) -> list[tuple[str, int]]:
    """The keyword of each line and the offset of what follows it."""
    from dockerfile_parse import DockerfileParser  # 40 ms that only a scan should pay for

    guarded = [line.text.strip(WHITE_SPACE).translate(_OTHER_SPACE) + _GUARD for line in lines]
    content = "".join(f"{line}\n" for line in guarded).encode("utf-8", "replace")
    found = DockerfileParser(fileobj=BytesIO(content), env_replace=False).structure
    return [
        (entry["instruction"], len(line.text.rstrip(WHITE_SPACE)) + len(_GUARD) - len(entry["value"]))
        for line, entry in zip(lines, found, strict=True)
    ]


def _instruction(keyword: Keyword, place: Place, line: FoldedLine, start: int) -> Instruction:
    flags, start = read_flags(line.text, min(start, len(line.text)))
    trigger = _trigger(place, line, start) if keyword is Keyword.ONBUILD else None
    return Instruction(keyword, place, line, flags, start, trigger)


def _trigger(place: Place, line: FoldedLine, start: int) -> Instruction | None:
    keyword, end = keyword_of(line.text[start:])
    if keyword not in Keyword.__members__:
        return None  # BuildKit keeps an unknown trigger and lets the build that fires it fail
    flags, start = read_flags(line.text, start + end)
    return Instruction(Keyword(keyword), place, line, flags, start)
