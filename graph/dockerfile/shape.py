"""Which flags and how many words each instruction takes. Knows nothing of what they mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum, auto

from graph.dockerfile.budget import Unreadable
from graph.dockerfile.error import DockerfileError
from graph.dockerfile.flag_values import check_flag_values
from graph.dockerfile.fold import read_heredoc
from graph.dockerfile.instruction import Instruction
from graph.dockerfile.lex import WHITE_SPACE, Reading
from graph.dockerfile.outline import BLANKS, Flag, Keyword, NotStrings, json_strings
from graph.dockerfile.record import Feature


class _Takes(Enum):
    SWITCH = auto()  # --link, --link=true
    ONE = auto()  # --from=x, once
    MANY = auto()  # --mount=x, any number of times


_FLAGS: Mapping[Keyword, Mapping[str, _Takes]] = {
    Keyword.FROM: {"platform": _Takes.ONE},
    Keyword.RUN: {
        "mount": _Takes.MANY,
        "network": _Takes.ONE,
        "security": _Takes.ONE,
        "device": _Takes.MANY,
    },
    Keyword.COPY: {
        "from": _Takes.ONE,
        "chown": _Takes.ONE,
        "chmod": _Takes.ONE,
        "link": _Takes.SWITCH,
        "parents": _Takes.SWITCH,
        "exclude": _Takes.MANY,
    },
    Keyword.ADD: {
        "chown": _Takes.ONE,
        "chmod": _Takes.ONE,
        "link": _Takes.SWITCH,
        "exclude": _Takes.MANY,
        "checksum": _Takes.ONE,
        "keep-git-dir": _Takes.SWITCH,
        "unpack": _Takes.SWITCH,
    },
    Keyword.HEALTHCHECK: dict.fromkeys(
        ("interval", "timeout", "start-period", "start-interval", "retries"), _Takes.ONE
    ),
}
_NOT_A_TRIGGER = (Keyword.ONBUILD, Keyword.FROM, Keyword.MAINTAINER)
_MAY_BE_JSON = (
    Keyword.ADD,
    Keyword.CMD,
    Keyword.COPY,
    Keyword.ENTRYPOINT,
    Keyword.RUN,
    Keyword.SHELL,
    Keyword.VOLUME,
)
_GIT = re.compile(r"(git|ssh)://.+|[\w.+-]+@[\w.-]+:.+|https?://[^#?]+\.git([#?].*)?")


def check(instruction: Instruction, reading: Reading) -> None:
    """Raise `DockerfileError` where BuildKit would not take the instruction as it stands."""
    if not _takes_any_flag(instruction):
        _check_flags(instruction)
        check_flag_values(instruction)
    _CHECKS[instruction.keyword](instruction, reading)


def features(instruction: Instruction) -> list[Feature]:
    """What the instruction asks of the engine, each once, here-documents left to the fold."""
    if instruction.trigger is not None:
        return features(instruction.trigger)
    by_flag = {f"{instruction.keyword} --{flag.name}" for flag in instruction.flags}
    found = [feature for feature in Feature if feature.value in by_flag]
    if instruction.keyword is Keyword.ADD and any(_GIT.fullmatch(source) for source in sources(instruction)):
        found.append(Feature.ADD_GIT)
    return found


def flag_of(instruction: Instruction, name: str) -> Flag | None:
    """The flag of that name, None where it is not given."""
    return next((flag for flag in instruction.flags if flag.name == name), None)


def named_values(instruction: Instruction, escape: str) -> list[tuple[str, str | None]]:
    """`A B=c` as names and values, quotes kept; None where there is no `=`."""
    found: list[tuple[str, str | None]] = []
    for word in _quoted_words(instruction.arguments, escape):
        name, equals, value = word.partition("=")
        found.append((name, value if equals else None))
    return found


def sources(instruction: Instruction) -> list[str]:
    """All that ADD and COPY name, the destination last; the paths of VOLUME."""
    as_json = _json(instruction)
    return [word.text for word in instruction.words] if as_json is None else as_json


def _takes_any_flag(instruction: Instruction) -> bool:
    """Whether BuildKit never looks at the flags."""
    match instruction.keyword:
        case Keyword.ARG | Keyword.STOPSIGNAL:
            return True
        case Keyword.HEALTHCHECK:
            return instruction.arguments.upper() == "NONE"
        case _:
            return False


def _check_flags(instruction: Instruction) -> None:
    known = _FLAGS.get(instruction.keyword, {})
    seen: set[str] = set()
    for flag in instruction.flags:
        takes = known.get(flag.name)
        if takes is None:
            raise _unknown_flag(instruction, flag, known)
        if flag.name in seen and takes is not _Takes.MANY:
            raise instruction.place.refuse(f"--{flag.name} is given twice")
        seen.add(flag.name)
        _check_flag_value(instruction, flag, takes)


def _unknown_flag(instruction: Instruction, flag: Flag, known: Mapping[str, _Takes]) -> DockerfileError:
    names = ", ".join(f"--{name}" for name in known)
    hint = f"{instruction.keyword} takes {names or 'no flags'}"
    return instruction.place.refuse(f"unknown flag --{flag.name} of {instruction.keyword}", hint=hint)


def _check_flag_value(instruction: Instruction, flag: Flag, takes: _Takes) -> None:
    match takes:
        case _Takes.SWITCH:
            if flag.value is not None and flag.value.lower() not in ("true", "false"):
                raise instruction.place.refuse(f"--{flag.name} is true or false, not '{flag.value}'")
        case _Takes.ONE | _Takes.MANY:
            if flag.value is None:
                hint = f"write --{flag.name}=VALUE, with '='"
                raise instruction.place.refuse(f"--{flag.name} has no value", hint=hint)


def _json(instruction: Instruction) -> list[str] | None:
    try:
        return json_strings(instruction.arguments)
    except NotStrings:
        raise instruction.place.refuse("a JSON array of arguments holds strings only") from None


def _check_copy(instruction: Instruction, reading: Reading) -> None:
    named = sources(instruction)
    if len(named) < 2:
        raise instruction.place.refuse(f"{instruction.keyword} takes at least a source and a destination")
    try:
        destination = read_heredoc(named[-1], reading.budget)
    except Unreadable:
        return
    if destination is not None:
        raise instruction.place.refuse("a here-document cannot be a destination")


def _check_some(instruction: Instruction, reading: Reading) -> None:
    if not instruction.arguments:
        raise instruction.place.refuse(f"{instruction.keyword} takes an argument")


def _check_volume(instruction: Instruction, reading: Reading) -> None:
    named = sources(instruction)
    if not named or not all(name.strip(WHITE_SPACE) for name in named):
        raise instruction.place.refuse("VOLUME takes paths, none of them empty")


def _check_names(instruction: Instruction, reading: Reading) -> None:
    _check_some(instruction, reading)
    if not all(name for name, _ in named_values(instruction, reading.escape)):
        raise instruction.place.refuse(f"a name of {instruction.keyword} is empty")


def _check_values(instruction: Instruction, reading: Reading) -> None:
    _check_some(instruction, reading)
    _check_forms(instruction, reading)
    if named_values(instruction, reading.escape)[0][1] is not None:
        _check_names(instruction, reading)


def _check_forms(instruction: Instruction, reading: Reading) -> None:
    """`ENV a=b c=d`, or the old form `ENV a b c d`, where `=` is a character like any other."""
    found = named_values(instruction, reading.escape)
    if found and found[0][1] is None:
        if len(re.split(f"[{BLANKS}]+", instruction.arguments, maxsplit=1)) < 2:
            raise instruction.place.refuse(f"{instruction.keyword} takes a name and a value")
        return
    for name, value in found:
        if value is None:
            raise instruction.place.refuse(f"'{name}' is not of the form name=value")


def _check_healthcheck(instruction: Instruction, reading: Reading) -> None:
    kind, *command = re.split(f"[{BLANKS}]+", instruction.arguments, maxsplit=1)
    match kind.upper():
        case "NONE":
            if command:
                raise instruction.place.refuse("HEALTHCHECK NONE takes nothing else")
        case "CMD":
            try:
                missing = not command or json_strings(command[0]) == []
            except NotStrings:
                raise instruction.place.refuse("a JSON array of arguments holds strings only") from None
            if missing:
                raise instruction.place.refuse("HEALTHCHECK CMD has no command")
        case _:
            raise instruction.place.refuse("HEALTHCHECK takes CMD or NONE")


def _check_onbuild(instruction: Instruction, reading: Reading) -> None:
    """BuildKit reads a trigger's words now, and counts them and its flags when it fires."""
    _check_some(instruction, reading)
    trigger = instruction.trigger
    if trigger is None:
        return
    if trigger.keyword in _NOT_A_TRIGGER:
        raise instruction.place.refuse(f"{trigger.keyword} is not allowed as a trigger of ONBUILD")
    if trigger.keyword in (Keyword.ENV, Keyword.LABEL):
        _check_forms(trigger, reading)
    if trigger.keyword in _MAY_BE_JSON:
        _json(trigger)


def _check_json(instruction: Instruction, reading: Reading) -> None:
    if not _json(instruction) and instruction.keyword is Keyword.SHELL:
        raise instruction.place.refuse('SHELL takes a JSON array such as ["/bin/sh", "-c"]')


def _leave_to_stages(instruction: Instruction, reading: Reading) -> None:
    """FROM is read word by word where the stages are made."""


_CHECKS: Mapping[Keyword, Callable[[Instruction, Reading], None]] = {
    Keyword.ADD: _check_copy,
    Keyword.ARG: _check_names,
    Keyword.CMD: _check_json,
    Keyword.COPY: _check_copy,
    Keyword.ENTRYPOINT: _check_json,
    Keyword.ENV: _check_values,
    Keyword.EXPOSE: _check_some,
    Keyword.FROM: _leave_to_stages,
    Keyword.HEALTHCHECK: _check_healthcheck,
    Keyword.LABEL: _check_values,
    Keyword.MAINTAINER: _check_some,
    Keyword.ONBUILD: _check_onbuild,
    Keyword.RUN: _check_json,
    Keyword.SHELL: _check_json,
    Keyword.STOPSIGNAL: _check_some,
    Keyword.USER: _check_some,
    Keyword.VOLUME: _check_volume,
    Keyword.WORKDIR: _check_some,
}


def _quoted_words(text: str, escape: str) -> list[str]:
    """Words split at white space outside quotes; quotes and escapes stay."""
    found: list[str] = []
    word: list[str] = []
    quote = ""
    characters = iter(text)
    for character in characters:
        if not quote and character in WHITE_SPACE:
            found.append("".join(word))
            word = []
            continue
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        if character == escape and quote != "'":
            following = next(characters, "")
            character = character + following if following else ""
        word.append(character)
    return [text for text in (*found, "".join(word)) if text]
