"""Pinning: digests in place of names, and not one byte beside."""
# ruff: noqa: E501 - tables, a rule a line

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import assume, given

from graph.dockerfile import Base, DockerfileError, Scan, Span, pin, scan
from graph.dockerfile.fold import decode, encode
from graph.reference import Digest, ImageRef, Platform
from graph.words import Via
from tests.graph.dockerfile.written_files import files

HERE = Platform.parse("linux/amd64")
DIGEST = Digest("sha256", "d" * 64)
OTHER = Digest("sha256", "e" * 64)
PIN = f"@{DIGEST}"

PINNED = {
    "a name": ("FROM alpine", f"FROM docker.io/library/alpine{PIN}"),
    "a tag": ("FROM ghcr.io/a/b:1", f"FROM ghcr.io/a/b{PIN}"),
    "quotes around it stay": ('FROM "alpine"', f'FROM "docker.io/library/alpine{PIN}"'),
    "an expression is replaced whole": ("ARG B=a T=1\nFROM ${B}:${T} AS x", f"ARG B=a T=1\nFROM docker.io/library/a{PIN} AS x"),
    "flags, case, blanks and line ends stay": (
        "\ufefffrom\t--platform=$BUILDPLATFORM  alpine \\\r\n as x\r\n# FROM a\r\n",
        f"\ufefffrom\t--platform=$BUILDPLATFORM  docker.io/library/alpine{PIN} \\\r\n as x\r\n# FROM a\r\n",
    ),
    "a name over two lines becomes one": ("FROM al\\\npine AS x", f"FROM docker.io/library/alpine{PIN} AS x"),
    "a copy": ("FROM scratch\nCOPY --link --from=b:1 /x /y", f"FROM scratch\nCOPY --link --from=docker.io/library/b{PIN} /x /y"),
    "quotes that begin inside a name stay balanced": (
        'FROM scratch\nCOPY --from=b"usy" /x /y', f'FROM scratch\nCOPY --from=docker.io/library/busy{PIN}"" /x /y',
    ),
    "a mount between its fields": (
        "FROM scratch\nRUN --mount=type=bind,from=b,target=/x --mount=from=c,target=/y make",
        f"FROM scratch\nRUN --mount=type=bind,from=docker.io/library/b{PIN},target=/x"
        f" --mount=from=docker.io/library/c{PIN},target=/y make",
    ),
    "a quoted field of a mount": (
        "FROM scratch\nRUN --mount='\"from=b\",target=/x' make",
        f"FROM scratch\nRUN --mount='\"from=docker.io/library/b{PIN}\",target=/x' make",
    ),
    "a short name with a digest is written out": (f"FROM alpine:3@{OTHER}", f"FROM docker.io/library/alpine{PIN}"),
    "a stage that is not used stays": ("FROM a\nFROM b", f"FROM a\nFROM docker.io/library/b{PIN}"),
    "the syntax line stays": ("# syntax=s:1\nFROM scratch", "# syntax=s:1\nFROM scratch"),
    "ONBUILD that nothing fires stays": (
        "FROM scratch\nONBUILD COPY --from=b p q", "FROM scratch\nONBUILD COPY --from=b p q",
    ),
    "ONBUILD that a later stage fires": (
        "FROM scratch AS x\nONBUILD COPY --from=b p q\nFROM x",
        f"FROM scratch AS x\nONBUILD COPY --from=docker.io/library/b{PIN} p q\nFROM x",
    ),
    "a stage of an image's name is no image": ("FROM a AS a\nFROM a", f"FROM docker.io/library/a{PIN} AS a\nFROM a"),
    "names of stages are in lower case, as podman compares them": (
        "FROM scratch AS Tools\nFROM scratch AS x\nCOPY --from=tools p q\nRUN --mount=from=TOOLS make\nFROM x\nCOPY --from=X p q",
        "FROM scratch AS tools\nFROM scratch AS x\nCOPY --from=tools p q\nRUN --mount=from=tools make\nFROM x\nCOPY --from=x p q",
    ),
    "bytes that are no UTF-8 stay": ("FROM a\nRUN \udcff\udc80", f"FROM docker.io/library/a{PIN}\nRUN \udcff\udc80"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", PINNED)
def test_a_pin_changes_only_the_name(sentence: str) -> None:
    written, pinned = (text.encode("utf-8", "surrogateescape") for text in PINNED[sentence])

    assert pin(written, read(written), everything(read(written))) == pinned


def test_each_platform_of_a_base_has_its_own_digest() -> None:
    content = b"FROM --platform=linux/s390x a AS x\nFROM a\nCOPY --from=x p q"
    found = read(content)
    digests = {
        (base.reference, base.platform): Digest("sha256", f"{n}" * 64) for n, base in enumerate(found.bases)
    }

    lines = pin(content, found, digests).decode().splitlines()

    assert lines[0].endswith(f"a@sha256:{'0' * 64} AS x")
    assert lines[1].endswith(f"a@sha256:{'1' * 64}")


def test_a_base_without_a_digest_is_not_left_floating() -> None:
    with pytest.raises(KeyError):
        pin(b"FROM a", read(b"FROM a"), {})


@given(files())
def test_every_span_holds_the_name_as_written(content: bytes) -> None:
    text = decode(content)

    for base in read_or_skip(content).bases:
        standing = text[base.span.start : base.span.end]

        assert without_continuations(standing) == base.as_written


@given(files())
def test_a_pin_changes_nothing_outside_the_spans(content: bytes) -> None:
    content = in_lower_case(content, read_or_skip(content).upper_case_names)
    found = read(content)
    written, pinned = decode(content), decode(pin(content, found, everything(found)))

    for kept in between(written, [base for base in found.bases if is_replaced(base)]):
        before, name, pinned = pinned.partition(kept)

        assert name == kept
        assert before == "" or before.rstrip("'\"").endswith(PIN)
    assert pinned == "" or pinned.rstrip("'\"").endswith(PIN)


@given(files())
def test_a_pin_leaves_no_stage_with_a_name_in_upper_case(content: bytes) -> None:
    found = read_or_skip(content)

    assert read(pin(content, found, everything(found))).upper_case_names == ()


@given(files())
def test_a_pinned_file_has_the_same_shape_with_digests(content: bytes) -> None:
    found = read_or_skip(content)

    again = read(pin(content, found, everything(found)))

    assert [(s.index, s.name, s.reachable) for s in again.stages] == [
        (s.index, s.name, s.reachable) for s in found.stages
    ]
    assert [shape(base) for base in again.bases] == [shape(base) for base in found.bases]
    assert [base.reference for base in again.bases] == [expected(base) for base in found.bases]


@given(files())
def test_a_pinned_file_is_not_changed_by_another_pin(content: bytes) -> None:
    found = read_or_skip(content)
    once = pin(content, found, everything(found))

    assert pin(once, read(once), everything(read(once))) == once


def in_lower_case(content: bytes, spans: Iterable[Span]) -> bytes:
    text = decode(content)
    for span in spans:
        text = f"{text[: span.start]}{text[span.start : span.end].lower()}{text[span.end :]}"
    return encode(text)


def read(content: bytes) -> Scan:
    return scan(content, path="Dockerfile", platform=HERE, build_platform=HERE)


def read_or_skip(content: bytes) -> Scan:
    try:
        return read(content)
    except DockerfileError:
        assume(False)
        raise


def everything(found: Scan) -> dict[tuple[ImageRef, Platform], Digest]:
    return {(base.reference, base.platform): DIGEST for base in found.bases}


def is_replaced(base: Base) -> bool:
    return base.via is not Via.SYNTAX and base.reachable


def expected(base: Base) -> ImageRef:
    return base.reference.with_digest(DIGEST) if is_replaced(base) else base.reference


def shape(base: Base) -> tuple[object, ...]:
    return base.role, base.via, base.stage, base.reachable, base.platform, base.onbuild


def between(text: str, bases: list[Base]) -> list[str]:
    starts = [0, *(base.span.end for base in bases)]
    ends = [*(base.span.start for base in bases), len(text)]
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def without_continuations(text: str) -> str:
    return text.replace("\\\n", "")
