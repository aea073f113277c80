"""Stages as the file writes them, and the variables that FROM sees. Knows no other instruction."""

from __future__ import annotations

import re
from collections.abc import Mapping

from graph.dockerfile.budget import Unreadable
from graph.dockerfile.instruction import Instruction
from graph.dockerfile.lex import Reading, expand
from graph.dockerfile.outline import Keyword, Word
from graph.dockerfile.record import Span
from graph.dockerfile.shape import flag_of, named_values
from graph.errors import InvalidReference
from graph.record import dataclass
from graph.reference import Platform

HOW_TO_GIVE_A_VALUE = "--build-arg, or ARG with a default before the first FROM"

_NAME = re.compile(r"[a-z][a-z0-9_.-]*")
_OPERATING_SYSTEMS = re.compile(
    "aix|android|darwin|dragonfly|freebsd|hurd|illumos|ios|js|linux|nacl|netbsd|openbsd|plan9|solaris"
    "|windows|zos"
)
_SYSTEM_VERSION = re.compile(r"^([A-Za-z0-9_-]+)\([A-Za-z0-9_.-]*\)")  # windows(10.0.17763)/amd64


@dataclass(frozen=True, slots=True)
class WrittenStage:
    """One FROM with the instructions below it."""

    index: int
    name: str | None  # lower case
    base_name: str  # variables replaced
    platform: Platform | None  # of --platform
    word: Word  # the base as written, without quotes around it
    instruction: Instruction
    body: tuple[Instruction, ...]

    @property
    def name_word(self) -> Word | None:
        """The name as it is written behind AS."""
        return self.instruction.words[2] if self.name is not None else None

    @property
    def label(self) -> str:
        return self.name or str(self.index)

    @property
    def span(self) -> Span:
        return self.instruction.span(self.word.start, self.word.end)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a build gives to every file."""

    platform: Platform
    build_platform: Platform
    build_args: Mapping[str, str]
    target: str | None


def read_stages(
    instructions: list[Instruction], circumstances: Circumstances, reading: Reading
) -> list[WrittenStage]:
    """Raise `DockerfileError` where there is no FROM, or one that BuildKit would not take."""
    starts = [at for at, each in enumerate(instructions) if each.keyword is Keyword.FROM]
    header = instructions[: starts[0] if starts else None]
    for instruction in header:
        if instruction.keyword is not Keyword.ARG:
            raise instruction.place.refuse(f"{instruction.keyword} stands before the first FROM")
    if not starts:
        raise instructions[-1].place.refuse("the file has no FROM", hint="begin with FROM and a base image")
    variables = _variables(header, _last_name(instructions, starts), circumstances, reading)
    return [
        _read_stage(index, instructions[start:end], variables, circumstances, reading)
        for index, (start, end) in enumerate(zip(starts, [*starts[1:], None], strict=True))
    ]


def _last_name(instructions: list[Instruction], starts: list[int]) -> str:
    return _stage_name(instructions[starts[-1]]) or ""


def _variables(
    header: list[Instruction], last_name: str, circumstances: Circumstances, reading: Reading
) -> Mapping[str, str]:
    """Predefined ones, which build arguments replace, then ARG by ARG; a build argument beats a default."""
    given = circumstances.build_args
    known = _predefined(circumstances, last_name)
    known.update({name: given[name] for name in known if name in given})
    for instruction in header:
        for name, default in named_values(instruction, reading.escape):
            if name in given:
                known[name] = given[name]
            elif default is not None:
                known[name] = _expanded(instruction, default, known, reading)
    return known


def _predefined(circumstances: Circumstances, last_name: str) -> dict[str, str]:
    target, build = circumstances.platform, circumstances.build_platform
    return {
        "BUILDPLATFORM": str(build),
        "BUILDOS": build.os,
        "BUILDOSVERSION": "",
        "BUILDARCH": build.architecture,
        "BUILDVARIANT": build.variant,
        "TARGETPLATFORM": str(target),
        "TARGETOS": target.os,
        "TARGETOSVERSION": "",
        "TARGETARCH": target.architecture,
        "TARGETVARIANT": target.variant,
        "TARGETSTAGE": circumstances.target or last_name or "default",
    }


def _read_stage(
    index: int,
    instructions: list[Instruction],
    variables: Mapping[str, str],
    circumstances: Circumstances,
    reading: Reading,
) -> WrittenStage:
    instruction, *body = instructions
    name = _stage_name(instruction)
    word = instruction.words[0]
    base_name = _expanded(instruction, word.text, variables, reading)
    if not base_name:
        hint = f"give {word.text} a value: {HOW_TO_GIVE_A_VALUE}"
        raise instruction.place.refuse("the base name is blank", hint=hint)
    platform = _platform(instruction, variables, circumstances, reading)
    return WrittenStage(index, name, base_name, platform, _unquoted(word), instruction, tuple(body))


def _stage_name(instruction: Instruction) -> str | None:
    words = instruction.words
    if len(words) == 1:
        return None
    if len(words) != 3 or words[1].text.casefold() != "as":
        raise instruction.place.refuse("FROM takes an image, or an image, AS and a name")
    name = words[2].text.lower()
    if not _NAME.fullmatch(name):
        rule = "a letter, then letters, digits, '-', '_' and '.'"
        raise instruction.place.refuse(f"'{words[2].text}' is not valid as the name of a stage: {rule}")
    return name


def _platform(
    instruction: Instruction, variables: Mapping[str, str], circumstances: Circumstances, reading: Reading
) -> Platform | None:
    flag = flag_of(instruction, "platform")
    if flag is None or not flag.value:
        return None
    text = _SYSTEM_VERSION.sub(r"\1", _expanded(instruction, flag.value, variables, reading))
    if not text:
        raise instruction.place.refuse(f"--platform={flag.value} is blank")
    if _OPERATING_SYSTEMS.fullmatch(text.lower()):
        return Platform.of(text.lower(), circumstances.build_platform.architecture)
    try:
        return Platform.parse(text)
    except InvalidReference as error:
        raise instruction.place.refuse(error.message, hint=error.hint) from None


def _expanded(instruction: Instruction, word: str, variables: Mapping[str, str], reading: Reading) -> str:
    try:
        return expand(word, variables, reading)
    except Unreadable as error:
        raise instruction.place.refuse(str(error)) from None


def _unquoted(word: Word) -> Word:
    """The word without one pair of quotes around it, which a pin leaves where it is."""
    text = word.text
    if len(text) > 2 and text[0] in "'\"" and text.find(text[0], 1) == len(text) - 1:
        return Word(text[1:-1], word.start + 1)
    return word
