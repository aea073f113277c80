"""The sequence of instructions is that of BuildKit's own parser, which `dockerfile` has compiled in.

Its release is older than three rules, which the tests keep away from: `# check=` is no directive to it,
JSON with something behind it is JSON, and `<< EOF` with a blank is no here-document. It reports no
here-documents of ONBUILD, and expands nothing. BuildKit of any age reads flags byte by byte, and takes the
first half of a no-break space for a letter of the flag before it: no file is meant to do that.
"""

from __future__ import annotations

import importlib
import platform
import re
from typing import Any

import pytest
from hypothesis import assume, example, given, reject
from hypothesis import strategies as st

from graph.dockerfile import DockerfileError
from graph.dockerfile.budget import Budget
from graph.dockerfile.fold import fold
from graph.dockerfile.instruction import Instruction, read_instructions
from graph.dockerfile.outline import Keyword
from tests.graph.dockerfile.written_files import files

if platform.machine() != "x86_64":
    pytest.skip("the oracle has wheels for x86_64 only", allow_module_level=True)
oracle: Any = importlib.import_module("dockerfile")  # where there are wheels, a missing one is a failure

TOKENS = (
    "FROM a", "RUN x", "COPY", "ADD", "ENV a=b", "ARG A=1", "ONBUILD RUN", " ", "\\", "\\\\", "`", "\n",
    "\r\n", "\t",
    "# c", "# escape=`\n", "# syntax=x\n", "<<E", "<<-E", "<<'E'", '<<"E F"', "E", "\tE", "E F", "'", '"',
    "${x}", "$",
    "<", "3<<E", "--from=x", "--mount=a", "\x0b", "\xa0", "#", "CMD", "LABEL x y", "HEALTHCHECK NONE",
)  # fmt: skip
# the older release names these only when it reads the file, the newer when it reads the instruction
LATER = ("unknown instruction", "must have two arguments", "can't find =")


@given(st.lists(st.sampled_from(TOKENS), max_size=14).map("".join))
@example("\\\nFROM a")
@example("FROM a\nRUN <<E <<-F\nx\nE\n\tF\nRUN y")
@example("FROM a\nRUN x \\\n# c\n\n  y")
@example("\xa0ADD\x0b\xa0<<E\nE")
def test_a_mixture_of_the_language_is_split_as_buildkit_splits_it(text: str) -> None:
    text = f"FROM a\n{text}"
    assume(not re.search(r"<<-?[\s\\`]|--\S*\xa0", text))

    assert ours(text) == theirs(text)


@given(files())
def test_a_sound_file_is_split_as_buildkit_splits_it(content: bytes) -> None:
    text = content.decode()
    assume("# check=" not in text)

    assert ours(text) == theirs(text)


def theirs(text: str) -> list[tuple[object, ...]] | None:
    """Keyword, line, flags and, where words are split at blanks, the words; None where it refuses."""
    try:
        commands = oracle.parse_string(text)
    except UnicodeDecodeError:  # it cuts by bytes, so half a character may come back: that says nothing
        reject()
    except oracle.GoParseError as error:
        assume(not any(rule in str(error) for rule in LATER))
        return None
    return [_their_command(command) for command in commands]


def ours(text: str) -> list[tuple[object, ...]] | None:
    try:
        folded = fold(text.encode(), "Dockerfile", Budget(1_000_000))
    except DockerfileError:
        return None
    try:
        return [_our_command(instruction) for instruction in read_instructions(folded, "Dockerfile")]
    except DockerfileError:
        assume(False)  # an instruction that does not exist: the older parser lets it pass
        raise


def _their_command(command: Any) -> tuple[object, ...]:
    keyword = command.cmd.upper()
    is_onbuild = keyword == Keyword.ONBUILD
    return (
        keyword,
        command.start_line,
        () if is_onbuild else command.flags,
        bool(command.heredocs),
        command.value if keyword in (Keyword.FROM, Keyword.COPY, Keyword.ADD) and not command.json else None,
    )


def _our_command(instruction: Instruction) -> tuple[object, ...]:
    keyword = instruction.keyword
    is_onbuild = keyword is Keyword.ONBUILD
    splits = keyword in (Keyword.FROM, Keyword.COPY, Keyword.ADD)
    return (
        keyword.value,
        instruction.line.line,
        () if is_onbuild else tuple(map(_as_typed, instruction.flags)),
        instruction.line.has_heredoc and not is_onbuild,
        tuple(word.text for word in instruction.words) if splits else None,
    )


def _as_typed(flag: Any) -> str:
    return f"--{flag.name}" if flag.value is None else f"--{flag.name}={flag.value}"
