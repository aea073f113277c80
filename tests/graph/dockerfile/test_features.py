"""What a Dockerfile asks of its engine, and what the stages say of themselves."""

from __future__ import annotations

import pytest

from graph.dockerfile import Feature, FeatureUse, FirstRun, Span, Stage, scan
from graph.reference import Platform

HERE = Platform.parse("linux/amd64")

ASKED = {
    "RUN <<E\nx\nE": [Feature.HEREDOC],
    "COPY <<E /x\nE": [Feature.HEREDOC],
    "RUN --mount=type=cache,target=/x --mount=type=tmpfs,target=/y make": [Feature.RUN_MOUNT],
    "RUN --network=none --security=insecure --device=vendor/x make": [
        Feature.RUN_NETWORK, Feature.RUN_SECURITY, Feature.RUN_DEVICE,
    ],
    "COPY --link --chmod=644 --parents --exclude=*.o --exclude=*.a x y": [
        Feature.COPY_LINK, Feature.COPY_CHMOD, Feature.COPY_PARENTS, Feature.COPY_EXCLUDE,
    ],
    "ADD --link --chmod=644 --exclude=a --checksum=sha256:1 --keep-git-dir=true --unpack x y": [
        Feature.ADD_LINK, Feature.ADD_CHMOD, Feature.ADD_EXCLUDE, Feature.ADD_CHECKSUM,
        Feature.ADD_KEEP_GIT_DIR,
        Feature.ADD_UNPACK,
    ],
    "ADD https://github.com/a/b.git#v1 /x": [Feature.ADD_GIT],
    "ADD git@github.com:a/b.git /x": [Feature.ADD_GIT],
    "ADD https://example.com/x.tar.gz /x": [],
    "ONBUILD RUN --mount=type=cache,target=/x make": [Feature.RUN_MOUNT],
    "COPY --chown=1:1 --from=b x y": [],
    "RUN make --mount=x": [],
}  # fmt: skip


@pytest.mark.parametrize(("instruction", "asked"), ASKED.items())
def test_an_instruction_asks_for_features(instruction: str, asked: list[Feature]) -> None:
    found = scan(f"FROM a\n{instruction}".encode(), path="D", platform=HERE, build_platform=HERE)

    assert found.features == tuple(FeatureUse(feature, 2) for feature in asked)


def test_a_feature_of_an_unused_stage_counts_too_for_the_engine_reads_the_whole_file() -> None:
    found = scan(b"FROM a\nRUN --network=none x\nFROM b", path="D", platform=HERE, build_platform=HERE)

    assert found.features == (FeatureUse(Feature.RUN_NETWORK, 2),)


def test_a_stage_tells_its_name_base_and_line() -> None:
    content = b"FROM a:1 AS One\nFROM scratch\nFROM one AS two\n"

    found = scan(content, path="D", platform=HERE, build_platform=HERE)

    assert found.stages == (
        Stage(0, "one", "docker.io/library/a:1", True, 1),
        Stage(1, None, "scratch", False, 2),
        Stage(2, "two", "one", True, 3),
    )


def test_a_base_names_its_stage_or_its_number() -> None:
    found = scan(b"FROM a AS x\nFROM b\nCOPY --from=c p q", path="D", platform=HERE, build_platform=HERE)

    assert [base.stage for base in found.bases] == ["x", "1", "1"]


def test_a_base_is_told_as_written_and_where() -> None:
    found = scan(b"\xef\xbb\xbfARG V=1\nFROM 'a':${V} AS x", path="D", platform=HERE, build_platform=HERE)

    assert [(base.as_written, base.span) for base in found.bases] == [("'a':${V}", Span(14, 22))]


def test_what_a_stage_runs_is_for_the_platform_at_its_bottom() -> None:
    arm = Platform.parse("linux/arm64")
    content = (
        b"FROM --platform=$BUILDPLATFORM a AS x\nFROM --platform=linux/386 x AS y\nRUN make\nRUN test\n"
        b"FROM b\nCOPY --from=y /z /\nFROM y\nFROM b AS z\nRUN c\n"
    )

    found = scan(content, path="D", platform=arm, build_platform=HERE)

    assert [stage.runs for stage in found.stages] == [
        None, FirstRun(3, HERE), None, None, FirstRun(9, arm),
    ]  # fmt: skip
