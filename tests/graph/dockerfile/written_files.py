"""Strategies that write Dockerfiles: mostly sound ones, in every dress that the language allows."""

from __future__ import annotations

from hypothesis import strategies as st

NAMES = ("alpine", "ghcr.io/a/b:1.2", "localhost:5000/x", "debian:12-slim", "busybox@sha256:" + "2" * 64)
STAGES = ("one", "Two", "three.x")
BLANK = st.sampled_from((" ", "  ", "\t", " \\\n", " \\\r\n  ", " \\\n# FROM evil\n\n "))
LINE_END = st.sampled_from(("\n", "\r\n", "\n\n", " \n", "\n# FROM evil \\\n"))


def names() -> st.SearchStrategy[str]:
    """An image as FROM may write it, some through variables that `header` defines."""
    variables = (
        "$BASE",
        "${BASE}",
        "${NONE:-alpine:3}",
        "a:${TAG%.*}",
        '"alpine"',
        "alp\\\nine",
        "$BASE:$TAG",
    )
    return st.sampled_from((*NAMES, *variables))


@st.composite
def from_lines(draw: st.DrawFn) -> str:
    platform = draw(st.sampled_from(("", "--platform=linux/s390x", "--platform=$BUILDPLATFORM")))
    name = draw(st.sampled_from(("", *STAGES)))
    words = ["FROM", platform, draw(names()), *(("AS", name) if name else ())]
    return draw(BLANK).join(word for word in words if word)


@st.composite
def other_lines(draw: st.DrawFn) -> str:
    source = draw(st.sampled_from((*NAMES, "scratch", "0", *STAGES)))
    line = draw(
        st.sampled_from(
            (
                "RUN true",
                "RUN <<EOF\nFROM evil\nCOPY --from=evil a b\nEOF",
                'CMD ["x", "FROM evil"]',
                "ENV A=b C='d e'",
                f"COPY --from={source} /x /y",
                f'COPY --link --from="{source}" /x /y',
                f"COPY --from={source[:1]}\\\n{source[1:]} /x /y",
                f"RUN --mount=type=bind,from={source},target=/x true",
                f"RUN --mount=type=bind,target=/x,'\"from={source}\"' --mount=from=alpine,target=/y true",
                f"ONBUILD COPY --from={source} /x /y",
            )
        )
    )
    return line.replace("COPY ", f"COPY{draw(BLANK)}", 1) if "<<" not in line else line


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A whole Dockerfile; some are refused for a stage that is not there."""
    head = draw(st.sampled_from(("", "\ufeff", "# syntax=docker/dockerfile:1\n", "# check=skip=all\n")))
    lines = ["ARG BASE=alpine TAG=3.20", "ARG NONE"]
    for _ in range(draw(st.integers(1, 4))):
        lines += [draw(from_lines()), *draw(st.lists(other_lines(), max_size=3))]
    return (head + "".join(line + draw(LINE_END) for line in lines)).encode()
