"""Where an instruction names a stage or an image: COPY --from and RUN --mount=from. Resolves nothing."""

from __future__ import annotations

import re

from graph.dockerfile.budget import Unreadable
from graph.dockerfile.instruction import Instruction
from graph.dockerfile.lex import Reading, expand
from graph.dockerfile.outline import Flag, Keyword
from graph.dockerfile.record import Span
from graph.dockerfile.shape import flag_of
from graph.record import dataclass
from graph.words import Via

_Characters = list[tuple[str, int]]  # each with its offset in the line

SCRATCH = "scratch"
_INDEX = re.compile(r"[+-]?[0-9]{1,18}")
_NO_VARIABLES = "name a stage instead: FROM ${NAME} AS other, with an ARG before the first FROM"


@dataclass(frozen=True, slots=True)
class Mention:
    """One name of a stage or an image."""

    name: str
    via: Via
    positions: tuple[int, ...]  # of each character in the line; none where the file has no name there
    instruction: Instruction

    @property
    def index(self) -> int | None:
        """The stage number that COPY --from names. A mount knows no numbers: 0 is an image there."""
        is_number = self.via is Via.COPY and _INDEX.fullmatch(self.name)
        return int(self.name) if is_number else None

    @property
    def as_written(self) -> str:
        first, last = self.positions[0], self.positions[-1]
        return self.instruction.line.text[first : last + 1]

    @property
    def span(self) -> Span:
        """From the first to the last character of the name; quotes may stand between them."""
        return self.instruction.line.span(self.positions[0], self.positions[-1] + 1)


def mentions(instruction: Instruction, reading: Reading) -> list[Mention]:
    """In the order of the line. Raise `DockerfileError` for names that BuildKit does not take."""
    match instruction.keyword:
        case Keyword.COPY:
            return _of_copy(instruction, reading)
        case Keyword.RUN:
            return [_of_mount(instruction, flag) for flag in instruction.flags if flag.name == "mount"]
        case _:
            return []


def _of_copy(instruction: Instruction, reading: Reading) -> list[Mention]:
    flag = flag_of(instruction, "from")
    if flag is None or not flag.value:
        return []
    try:
        is_plain = expand(flag.value, {}, reading) == flag.value
    except Unreadable as error:
        raise instruction.place.refuse(f"--from={flag.value}: {error}") from None
    if not is_plain:
        raise instruction.place.refuse("--from takes no variables", hint=_NO_VARIABLES)
    return [Mention(flag.value, Via.COPY, flag.positions, instruction)]


def mount_fields(instruction: Instruction, flag: Flag) -> list[str]:
    """What stands between the commas of a --mount. Raise `DockerfileError` for what is no list."""
    return [_text(field) for field in _fields(instruction, flag)]


def _of_mount(instruction: Instruction, flag: Flag) -> Mention:
    """The last `from=` counts; without one BuildKit looks for a stage called scratch."""
    name = SCRATCH
    positions: tuple[int, ...] = ()
    for field in _fields(instruction, flag):
        key, equals, value = _text(field).partition("=")
        if not equals or key.lower() != "from":
            continue
        if re.search(r"\$.", value):
            raise instruction.place.refuse("from= of a mount takes no variables", hint=_NO_VARIABLES)
        name = value or SCRATCH
        positions = tuple(position for _, position in field[len(key) + 1 :])
    return Mention(name, Via.MOUNT, positions, instruction)


def _fields(instruction: Instruction, flag: Flag) -> list[_Characters]:
    """The value of --mount as one line of CSV: `a=b,"c=d"`."""
    rest = list(zip(flag.value or "", flag.positions, strict=True))
    if not rest:
        raise instruction.place.refuse("--mount is empty")
    fields: list[_Characters] = []
    at = -1
    while at < len(rest):
        if _text(rest[at + 1 : at + 2]) == '"':
            field, at = _quoted_field(rest, at + 2)
        else:
            field, at = _bare_field(rest, at + 1)
        if at < len(rest) and rest[at][0] != ",":
            raise instruction.place.refuse("--mount is no list of key=value: a quote is out of place")
        fields.append(field)
    return fields


def _bare_field(rest: _Characters, start: int) -> tuple[_Characters, int]:
    """The field and where it stops: at a comma, the end, or a quote that has no business there."""
    at = next((at for at in range(start, len(rest)) if rest[at][0] in ',"'), len(rest))
    return rest[start:at], at


def _quoted_field(rest: _Characters, at: int) -> tuple[_Characters, int]:
    """The field behind an opening quote; it stops behind the closing one, or at the opening one."""
    field: _Characters = []
    opening = at - 1
    while at < len(rest):
        if rest[at][0] == '"':
            if _text(rest[at + 1 : at + 2]) != '"':
                return field, at + 1
            at += 1  # two quotes in a quoted field are one
        field.append(rest[at])
        at += 1
    return field, opening


def _text(characters: _Characters) -> str:
    return "".join(character for character, _ in characters)
