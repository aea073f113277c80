"""Whatever the bytes are, the scan answers or refuses, and does not take long to say so."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.dockerfile import DockerfileError, scan
from graph.dockerfile.fold import FILE_BYTES_MOST, LINE_BYTES_MOST
from graph.reference import Platform
from tests.graph.dockerfile.written_files import files

HERE = Platform.parse("linux/amd64")
TOKENS = (
    "FROM", "ARG", "COPY", "RUN", "ONBUILD", "ADD", "ENV", "HEALTHCHECK", "VOLUME", "a", "$A", "${A",
    "${A:-", "}",
    "${A#*}", "${A/b/c}", "--from=", "--mount=", "--platform=", "from=", ",", "<<E", "<<-E", "E", "'", '"',
    "[", "]",
    "\\", "`", "\n", "\r\n", " ", "\t", "\x0b", "\xa0", "#", "# escape=`\n", "# syntax=", "AS", "0", "x",
    "=", "/", ":",
    "@", "\ufeff", "\x00", "\x1c", "é",
)  # fmt: skip


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    read(content)


@given(st.lists(st.sampled_from(TOKENS), max_size=40).map("".join))
def test_any_mixture_of_the_language_is_read_or_refused(text: str) -> None:
    read(f"FROM a\n{text}".encode())
    read(text.encode())


@given(files(), st.data())
def test_a_file_with_a_piece_cut_out_is_read_or_refused(content: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))

    read(content[:start] + content[end:])


@given(
    st.dictionaries(st.sampled_from(("A", "TARGETARCH", "BUILDKIT_SYNTAX")), st.text(max_size=20)), st.text()
)
def test_any_build_argument_and_target_are_taken_or_refused(args: dict[str, str], target: str) -> None:
    with contextlib.suppress(DockerfileError):
        scan(
            b"ARG A=b\nFROM $A-$TARGETARCH AS x",
            path="D",
            platform=HERE,
            build_platform=HERE,
            build_args=args,
            target=target,
        )


@pytest.mark.parametrize(
    "content",
    [
        b"FROM a\n" * 5_000,
        b"FROM a\n" + b"RUN <<E\nE\n" * 5_000,
        b"FROM a AS b\n" + b"ONBUILD COPY --from=x y z\n" * 2_000 + b"FROM b\n" * 5_000,
        b"FROM a\nRUN " + b"--mount=type=cache,target=/x \\\n" * 10_000 + b"x",
        b"FROM a\n" + b"ONBUILD " * 8_000,
        b"FROM a\nRUN " + b"[" * 60_000,
        b"ARG A=" + b"${A:-" * 13_000 + b"\nFROM a",
        b"ARG A=xx\n" + b"ARG A=$A$A\n" * 64 + b"FROM a",
        b"ARG A=" + b"a" * 60_000 + b"\nARG B=${A##" + b"*a" * 3_000 + b"b}\nFROM a",
        b"ARG A=" + b"a" * 900 + b"\n" + b"ARG B=${A/" + b"?" * 800 + b"b/c}\n" * 1_000 + b"FROM a",
        b"# syntax=a" + b" " * 60_000 + b"x\nFROM a",
    ],
    ids=range(11),
)
def test_a_file_made_to_be_slow_ends(content: bytes) -> None:
    """A scan that squares any of these would not end while somebody waits for the tests."""
    read(content)


def test_the_longest_line_is_that_of_buildkit() -> None:
    head = b"FROM a\n# "

    assert read(head + b"x" * (LINE_BYTES_MOST - 2)) is None
    assert read(head + b"x" * (LINE_BYTES_MOST - 1)) == "D:2: the line is longer than 65,535 bytes"


def test_a_file_over_a_mebibyte_is_refused() -> None:
    comment = b"#" * 9_999 + b"\n"
    exactly = (b"FROM a\n" + comment * 200)[:FILE_BYTES_MOST]

    assert read(exactly) is None
    assert read(exactly + b"#") == "D:1: the file is longer than 1,048,576 bytes"


def read(content: bytes) -> str | None:
    """The refusal, None where the file was read."""
    try:
        scan(content, path="D", platform=HERE, build_platform=HERE)
    except DockerfileError as error:
        return error.message
    return None
