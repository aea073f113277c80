"""Dockerfiles that BuildKit builds, with the bases that it takes, one rule each."""
# ruff: noqa: E501 - tables, a rule a line

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from graph.dockerfile import Base, Scan, scan
from graph.reference import Platform
from graph.words import Role

TARGET = Platform.parse("linux/arm64")
BUILDER = Platform.parse("linux/amd64")
PINNED = "alpine@sha256:" + "1" * 64


@dataclass(frozen=True, slots=True)
class Case:
    """A file, what is said on the command line, and one line for each base: `LINE: VIA NAME REMARKS`."""

    sentence: str
    file: str
    bases: str
    args: dict[str, str] = field(default_factory=dict)
    target: str | None = None


CASES = [
    # names
    Case("a name alone is the latest of Docker Hub's library", "FROM alpine", "1: from alpine:latest runtime"),
    Case("a registry with a port", "FROM localhost:5000/a/b:1", "1: from localhost:5000/a/b:1 runtime"),
    Case("a digest is kept", f"FROM {PINNED}", f"1: from {PINNED} runtime"),
    Case("scratch is no base", "FROM scratch", ""),
    Case("keywords have any case", "from alpine as x\nfRoM x", "1: from alpine:latest runtime"),
    Case("an instruction may be indented", "  \tFROM alpine", "1: from alpine:latest runtime"),
    Case("words are parted by any blanks", "FROM \t alpine\x0b AS\tx", "1: from alpine:latest runtime"),
    Case("lines may end as on Windows", "FROM alpine\r\nCOPY --from=b /x /y\r\n",
         "1: from alpine:latest runtime\n2: copy b:latest"),
    Case("a byte order mark is no part of the first keyword", "\ufeffFROM alpine", "1: from alpine:latest runtime"),
    Case("the file may end without a line end", "FROM alpine\nRUN x", "1: from alpine:latest runtime"),
    Case("bytes that are no UTF-8 are let be", "FROM alpine\nRUN echo \udcff\udcfe", "1: from alpine:latest runtime"),
    # folding
    Case("a backslash joins lines without a space", "FROM al\\\npine", "1: from alpine:latest runtime"),
    Case("blanks behind the backslash do not matter", "FROM \\ \t\nalpine", "1: from alpine:latest runtime"),
    Case("an empty line does not end a continuation", "FROM \\\n\n  \nalpine", "1: from alpine:latest runtime"),
    Case("a comment does not end a continuation", "FROM \\\n  # FROM evil\nalpine", "1: from alpine:latest runtime"),
    Case("a comment's backslash continues nothing", "FROM a\n# x \\\nCOPY --from=b c d",
         "1: from a:latest runtime\n3: copy b:latest"),
    Case("two backslashes continue nothing", "FROM a\nRUN x \\\\\nCOPY --from=b c d",
         "1: from a:latest runtime\n3: copy b:latest"),
    Case("a backslash alone on its line begins an instruction", "\\\nFROM a", "1: from a:latest runtime"),
    Case("a continuation may end with the file", "FROM a\nCOPY --from=b c \\\n d \\",
         "1: from a:latest runtime\n2: copy b:latest"),
    Case("a number sign inside a line is no comment", "FROM a\nRUN x # \\\n --from=y",
         "1: from a:latest runtime"),
    # directives
    Case("the escape can be a backtick", "# escape=`\nFROM `\n  a", "2: from a:latest runtime"),
    Case("with a backtick a backslash is a plain character", "# escape=`\nFROM a\nRUN dir c:\\\nCOPY --from=b c d",
         "2: from a:latest runtime\n4: copy b:latest"),
    Case("the syntax line is a base of its own", "# syntax=docker/dockerfile:1\nFROM a",
         "1: syntax docker/dockerfile:1 for linux/amd64\n2: from a:latest runtime"),
    Case("what follows the syntax image is for the frontend", "#syntax = my/front:2 --x\nFROM a",
         "1: syntax my/front:2 for linux/amd64\n2: from a:latest runtime"),
    Case("a check line does not hide an escape line", "# check=skip=all\n# escape=`\nFROM `\na",
         "3: from a:latest runtime"),
    Case("a directive may be in any case", "# ESCAPE=`\nFROM `\na", "2: from a:latest runtime"),
    Case("behind a comment a directive is a comment", "# hello\n# escape=`\nFROM \\\na", "3: from a:latest runtime"),
    Case("behind an empty line a directive is a comment", "\n# syntax=x\nFROM a", "3: from a:latest runtime"),
    Case("an unknown directive ends the directives", "# author=me\n# syntax=x\nFROM a", "3: from a:latest runtime"),
    Case("a syntax line may stand behind an interpreter line", "#!/usr/bin/x\n# syntax=s:1\nFROM a",
         "2: syntax s:1 for linux/amd64\n3: from a:latest runtime"),
    Case("an indented syntax line is not looked at", "  # syntax=s:1\nFROM a", "2: from a:latest runtime"),
    Case("a build argument replaces the syntax line", "# syntax=s:1\nFROM a",
         "1: syntax t:2 for linux/amd64\n2: from a:latest runtime", {"BUILDKIT_SYNTAX": "t:2"}),
    # here-documents
    Case("the body of a here-document is no instruction", "FROM a\nRUN <<EOF\nFROM evil\nEOF\nCOPY --from=b c d",
         "1: from a:latest runtime\n5: copy b:latest"),
    Case("two here-documents follow each other", "FROM a\nCOPY <<A <<B /x\nFROM e\nA\nFROM f\nB\nCOPY --from=b c d",
         "1: from a:latest runtime\n7: copy b:latest"),
    Case("with a dash its end may be behind tabs", "FROM a\nRUN <<-E\n\tFROM e\n\tE\nCOPY --from=b c d",
         "1: from a:latest runtime\n5: copy b:latest"),
    Case("a quoted name may hold a space", 'FROM a\nRUN <<"E F"\nFROM e\nE F\nCOPY --from=b c d',
         "1: from a:latest runtime\n5: copy b:latest"),
    Case("a here-document may have a file descriptor", "FROM a\nRUN 3<<E\nFROM e\nE",
         "1: from a:latest runtime"),
    Case("blanks may stand before its name", "FROM a\nRUN cat <<  E > /x\nFROM e\nE\nCOPY --from=b c d",
         "1: from a:latest runtime\n5: copy b:latest"),
    Case("a dash without a name is none", "FROM a\nRUN cat <<-\nCOPY --from=b c d",
         "1: from a:latest runtime\n3: copy b:latest"),
    Case("a backslash in a body continues nothing", "FROM a\nRUN <<E\nx \\\nE\nCOPY --from=b c d",
         "1: from a:latest runtime\n5: copy b:latest"),
    Case("a shift in quotes is no here-document", "FROM a\nRUN echo 'x <<E'\nCOPY --from=b c d",
         "1: from a:latest runtime\n3: copy b:latest"),
    Case("three angles are no here-document", "FROM a\nRUN cat <<<E\nCOPY --from=b c d",
         "1: from a:latest runtime\n3: copy b:latest"),
    Case("JSON has no here-documents", 'FROM a\nRUN ["cat", "<<E"]\nCOPY --from=b c d',
         "1: from a:latest runtime\n3: copy b:latest"),
    Case("CMD has no here-documents", "FROM a\nCMD cat <<E\nCOPY --from=b c d",
         "1: from a:latest runtime\n3: copy b:latest"),
    Case("a line with an open quote has none", "FROM a\nRUN echo it's <<E\nCOPY --from=b c d",
         "1: from a:latest runtime\n3: copy b:latest"),
    Case("an ONBUILD can have one", "FROM a\nONBUILD RUN <<E\nFROM evil\nE", "1: from a:latest runtime"),
    # variables
    Case("a default counts", "ARG V=3\nFROM a:$V", "2: from a:3 runtime"),
    Case("a build argument beats the default", "ARG V=3\nFROM a:${V}", "2: from a:4 runtime", {"V": "4"}),
    Case("a build argument that is not declared does not count", "FROM a:${V:-1}", "1: from a:1 runtime", {"V": "4"}),
    Case("an ARG is made from another", "ARG A=3\nARG B=${A}.20\nFROM a:$B", "3: from a:3.20 runtime"),
    Case("one line makes several", "ARG A=3 B=$A.1 C='x y'\nFROM a:$B", "2: from a:3.1 runtime"),
    Case("an ARG without a value leaves the one it has", "ARG A=1\nARG A\nFROM a:$A", "3: from a:1 runtime"),
    Case("a later ARG replaces an earlier one", "ARG A=1\nARG A=2\nFROM a:$A", "3: from a:2 runtime"),
    Case("an ARG inside a stage does not reach FROM", "ARG A=1\nFROM a:$A\nARG A=2\nFROM b:$A",
         "2: from a:1 unused\n4: from b:1 runtime"),
    Case("ENV does not reach FROM", "FROM a\nENV V=2\nFROM b:${V:-1}", "1: from a:latest unused\n3: from b:1 runtime"),
    Case("platform variables need no ARG", "FROM a:$TARGETARCH-$BUILDARCH-$TARGETOS", "1: from a:arm64-amd64-linux runtime"),
    Case("an ARG may replace a platform variable", "ARG TARGETARCH=x\nFROM a:$TARGETARCH", "2: from a:x runtime"),
    Case("a build argument replaces one without ARG", "FROM a:$TARGETARCH", "1: from a:x runtime", {"TARGETARCH": "x"}),
    Case("TARGETSTAGE is the target", "FROM a:$TARGETSTAGE AS x\nFROM b", "1: from a:x runtime\n2: from b:latest unused",
         target="x"),
    Case("TARGETSTAGE is the last stage's name", "FROM a:$TARGETSTAGE AS x", "1: from a:x runtime"),
    Case("TARGETSTAGE is default where that has none", "FROM a:$TARGETSTAGE", "1: from a:default runtime"),
    Case("quotes around a base come off", 'FROM "alpine:3"', "1: from alpine:3 runtime"),
    Case("an escape before a plain character comes off", "FROM al\\pine", "1: from alpine:latest runtime"),
    Case("the old form of ENV may have an equals sign in its value", "FROM a\nENV A = b", "1: from a:latest runtime"),
    Case("what a base image sets is known only to the builder", "FROM a\nENV A=${B:?} C=\"$D\"\nCOPY ${A?} $C/",
         "1: from a:latest runtime"),
    Case("a stage that is not built may hold words that nobody can read", "FROM a\nENV A=${\nFROM b",
         "1: from a:latest unused\n3: from b:latest runtime"),
    Case("a build argument takes the place of a default that nobody can read", "FROM a\nARG A=${B^}",
         "1: from a:latest runtime", {"A": "1"}),
    # stages
    Case("a stage stands on an earlier one", "FROM a AS x\nFROM x", "1: from a:latest runtime"),
    Case("a variable can name a stage", "ARG S=x\nFROM a AS x\nFROM $S", "2: from a:latest runtime"),
    Case("a stage hides an image only once it is defined", "FROM x AS x\nFROM x", "1: from x:latest runtime"),
    Case("the last of two stages of one name counts", "FROM a AS x\nFROM b AS x\nFROM x",
         "1: from a:latest unused\n2: from b:latest runtime"),
    Case("a stage may be called scratch", "FROM a AS scratch\nFROM scratch", "1: from a:latest runtime"),
    Case("a name with a tag is no stage", "FROM a AS x\nFROM x:1", "1: from a:latest unused\n2: from x:1 runtime"),
    Case("what the target does not reach is not used", "FROM a\nFROM b", "1: from a:latest unused\n2: from b:latest runtime"),
    Case("the target can be named in any case", "FROM a AS Build\nFROM b", "1: from a:latest runtime\n2: from b:latest unused",
         target="bUILD"),
    Case("the target can be a number", "FROM a\nFROM b", "1: from a:latest runtime\n2: from b:latest unused", target="0"),
    Case("an intermediate stage passes the runtime base on", "FROM a AS x\nFROM x AS y\nFROM b\nFROM y",
         "1: from a:latest runtime\n3: from b:latest unused"),
    # platforms
    Case("--platform is the base's own", "FROM --platform=linux/s390x a", "1: from a:latest runtime for linux/s390x"),
    Case("--platform takes variables", "FROM --platform=$BUILDPLATFORM a", "1: from a:latest runtime for linux/amd64"),
    Case("an architecture alone is linux", "FROM --platform=s390x a", "1: from a:latest runtime for linux/s390x"),
    Case("a system alone has the builder's architecture", "FROM --platform=windows a",
         "1: from a:latest runtime for windows/amd64"),
    Case("a system may have a version", "FROM --platform=windows(10.0.17763)/amd64 a",
         "1: from a:latest runtime for windows/amd64"),
    # COPY --from
    Case("COPY takes from a stage by name in any case", "FROM a AS Build\nFROM b\nCOPY --from=BUILD x y",
         "1: from a:latest\n2: from b:latest runtime"),
    Case("COPY takes from a stage by number", "FROM a\nFROM b\nCOPY --from=0 x y", "1: from a:latest\n2: from b:latest runtime"),
    Case("COPY takes from an image", "FROM a\nCOPY --chown=1 --from=b:2 --link x y", "1: from a:latest runtime\n2: copy b:2"),
    Case("each place counts", "FROM a\nCOPY --from=b x y\nCOPY --from=b z y",
         "1: from a:latest runtime\n2: copy b:latest\n3: copy b:latest"),
    Case("an empty --from is the context", "FROM a\nCOPY --from= x y", "1: from a:latest runtime"),
    Case("quotes inside a flag come off", "FROM a\nCOPY --from=\"b\":'2' x y", "1: from a:latest runtime\n2: copy b:2"),
    Case("two dashes end the flags", "FROM a\nCOPY -- --from=b y", "1: from a:latest runtime"),
    Case("COPY from scratch is no base", "FROM a\nCOPY --from=scratch x y", "1: from a:latest runtime"),
    Case("a number behind the stages is an image named before", "FROM a\nCOPY --from=b x y\nCOPY --from=1 z y",
         "1: from a:latest runtime\n2: copy b:latest"),
    Case("what an unused stage copies is not used", "FROM a\nCOPY --from=b x y\nFROM c",
         "1: from a:latest unused\n2: copy b:latest unused\n3: from c:latest runtime"),
    Case("a copy is for the target's platform", "FROM --platform=linux/s390x a\nCOPY --from=b x y",
         "1: from a:latest runtime for linux/s390x\n2: copy b:latest"),
    # RUN --mount
    Case("a mount takes from an image", "FROM a\nRUN --mount=type=bind,from=b:1,target=/x make",
         "1: from a:latest runtime\n2: mount b:1"),
    Case("several mounts take each from its own", "FROM a\nRUN --mount=from=b,target=/x --mount=target=/y,from=c make",
         "1: from a:latest runtime\n2: mount b:latest\n2: mount c:latest"),
    Case("a mount takes from a stage by name", "FROM a AS x\nFROM b\nRUN --mount=from=X,target=/x make",
         "1: from a:latest\n2: from b:latest runtime"),
    Case("a mount knows no stage numbers", "FROM a\nFROM b\nRUN --mount=from=0,target=/x make",
         "1: from a:latest unused\n2: from b:latest runtime\n3: mount 0:latest"),
    Case("a cache mount may have a source", "FROM a\nRUN --mount=type=cache,from=b,target=/x make",
         "1: from a:latest runtime\n2: mount b:latest"),
    Case("a field of a mount may be quoted", "FROM a\nRUN --mount='type=bind,\"from=b\",target=/x' make",
         "1: from a:latest runtime\n2: mount b:latest"),
    Case("a mount may be on a line of its own", "FROM a\nRUN --mount=type=bind,\\\n  # why\nfrom=b,target=/x \\\n make",
         "1: from a:latest runtime\n2: mount b:latest"),
    Case("the last from of a mount counts", "FROM a\nRUN --mount=from=b,FROM=c,target=/x make",
         "1: from a:latest runtime\n2: mount c:latest"),
    Case("a mount may have options of its engine", "FROM a\nRUN --mount=from=b,target=/x,rw,Z,relabel=shared make",
         "1: from a:latest runtime\n2: mount b:latest"),
    Case("a mount behind the command is the command's", "FROM a\nRUN make --mount=from=b,target=/x",
         "1: from a:latest runtime"),
    # ONBUILD
    Case("an ONBUILD names a base for the builds to come", "FROM a\nONBUILD COPY --from=b x y",
         "1: from a:latest runtime\n2: copy b:latest unused onbuild"),
    Case("a stage fires the triggers of the one it stands on", "FROM a AS x\nONBUILD COPY --from=b x y\nFROM x",
         "1: from a:latest runtime\n2: copy b:latest onbuild"),
    Case("a trigger reaches a stage", "FROM s AS src\nFROM a AS x\nONBUILD COPY --from=src x y\nFROM x",
         "1: from s:latest\n2: from a:latest runtime"),
    Case("a trigger fires once, not in the grandchildren", "FROM a AS x\nONBUILD RUN --mount=from=b,target=/x y\nFROM x AS z\nFROM z",
         "1: from a:latest runtime\n2: mount b:latest onbuild"),
    Case("how a dormant trigger writes its variables, too", "FROM a\nONBUILD ENV y=${", "1: from a:latest runtime"),
    Case("what a dormant trigger may not say is left to the later build", "FROM a\nONBUILD COPY --from=$X y z",
         "1: from a:latest runtime"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.sentence for case in CASES])
def test_a_file_that_buildkit_builds(case: Case) -> None:
    found = read(case.file, args=case.args, target=case.target)

    assert "\n".join(map(told, found.bases)) == case.bases


def test_no_rule_is_told_twice() -> None:
    assert len({case.sentence for case in CASES}) == len(CASES)


def read(file: str, *, args: dict[str, str] | None = None, target: str | None = None) -> Scan:
    content = file.encode("utf-8", "surrogateescape")
    return scan(
        content,
        path="Dockerfile",
        platform=TARGET,
        build_platform=BUILDER,
        build_args=args or {},
        target=target,
    )


def told(base: Base) -> str:
    remarks = [
        " runtime" if base.role is Role.RUNTIME else "",
        "" if base.reachable else " unused",
        " onbuild" if base.onbuild else "",
        "" if base.platform == TARGET else f" for {base.platform}",
    ]
    return f"{base.line}: {base.via} {base.reference.familiar}{''.join(remarks)}"
