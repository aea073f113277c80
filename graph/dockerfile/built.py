"""What BuildKit looks at only in stages that it builds: variables in their instructions, kinds of mounts.

The values of the variables are the base image's, and known to nobody here: only the way they are written
counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from graph.dockerfile.budget import Unreadable
from graph.dockerfile.fold import read_heredoc
from graph.dockerfile.instruction import Instruction
from graph.dockerfile.lex import Reading, expand
from graph.dockerfile.mention import mount_fields
from graph.dockerfile.outline import Keyword
from graph.dockerfile.shape import named_values, sources

_MOUNT_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_NEEDS_VALUE = (
    *("type", "from", "source", "src", "target", "dst", "destination"),
    *("id", "sharing", "size", "mode", "uid", "gid", "env"),
)


class _AllSet(Mapping[str, str]):
    """No variable counts as missing: the base image may set it."""

    def __getitem__(self, name: str) -> str:
        return "x"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


_ALL_SET = _AllSet()


def check_built(instruction: Instruction, build_args: Mapping[str, str], reading: Reading) -> None:
    """Raise `DockerfileError` where the build of the stage would stop at the instruction."""
    try:
        for word in _words(instruction, build_args, reading):
            expand(word, _ALL_SET, reading)
    except Unreadable as error:
        raise instruction.place.refuse(str(error)) from None
    if instruction.keyword is Keyword.RUN:
        _check_mounts(instruction)


def _words(instruction: Instruction, build_args: Mapping[str, str], reading: Reading) -> Iterator[str]:
    """The texts of the instruction in which variables are replaced."""
    match instruction.keyword:
        case Keyword.ENV | Keyword.LABEL:
            yield from _names_and_values(instruction, reading)
        case Keyword.ARG:
            values = named_values(instruction, reading.escape)
            yield from (value for name, value in values if value and name not in build_args)
        case Keyword.ADD | Keyword.COPY:
            yield from (flag.value or "" for flag in instruction.flags if flag.name in ("chown", "chmod"))
            yield from (name for name in sources(instruction) if read_heredoc(name, reading.budget) is None)
        case Keyword.VOLUME:
            yield from sources(instruction)
        case Keyword.EXPOSE:
            yield from (word.text for word in instruction.words)
        case Keyword.USER | Keyword.WORKDIR | Keyword.STOPSIGNAL:
            yield instruction.arguments
        case _:
            return  # the variables of a command are its shell's


def _names_and_values(instruction: Instruction, reading: Reading) -> Iterator[str]:
    """Of `NAME=value …`; the old form `NAME value …` is one text with blanks in it."""
    found = named_values(instruction, reading.escape)
    if found[0][1] is None:
        yield instruction.arguments
        return
    for name, value in found:
        yield name
        yield value or ""


def _check_mounts(instruction: Instruction) -> None:
    """Keys that are not known here are left to the engine: podman has more of them than BuildKit."""
    for flag in (flag for flag in instruction.flags if flag.name == "mount"):
        for field in mount_fields(instruction, flag):
            key, equals, value = field.partition("=")
            if not equals and (not key or key.lower() in _NEEDS_VALUE):
                raise instruction.place.refuse(f"'{field}' in --mount is not of the form key=value")
            if key.lower() == "type" and "$" not in value and value.lower() not in _MOUNT_TYPES:
                hint = f"it is one of {', '.join(_MOUNT_TYPES)}"
                raise instruction.place.refuse(f"there is no mount of type '{value}'", hint=hint)
