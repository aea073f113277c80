"""What an engine does not understand is refused beforehand, at its line, with who has it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from graph.dockerfile import Feature, FeatureUse, scan
from graph.reference import Platform
from rebuild.engines.engine import EngineError
from rebuild.engines.features import Builder, refusals, refuse, understood, version_of, who_has

AMD64 = Platform.parse("linux/amd64")
BOOKWORM = understood(Builder.BUILDAH, (1, 28, 2))


@dataclass
class Understands:
    """An engine as far as `refuse` looks at one."""

    features: frozenset[Feature]
    reads_syntax_line: bool = False
    name: str = "podman"
    worker: str | None = None
    version: str = "4.3.1"


def refused(text: str, engine: Understands) -> None:
    found = scan(text.encode(), path="Dockerfile", platform=AMD64, build_platform=AMD64)
    refuse("app/Dockerfile", found, engine)  # type: ignore[arg-type]


def test_a_refusal_names_the_line_the_feature_and_the_engines_that_have_it() -> None:
    messages = refusals(
        [FeatureUse(Feature.HEREDOC, 7)], path="app/Dockerfile", engine="podman 4.3.1", features=BOOKWORM
    )

    assert messages == (
        "app/Dockerfile:7: heredoc is not understood by podman 4.3.1; "
        "it needs podman 4.8 or newer, or docker 23 or newer with BuildKit",
    )


def test_every_refused_line_is_told_at_once() -> None:
    text = "FROM scratch\nCOPY --link a /a\nCOPY --chmod=755 b /b\nCOPY <<X /c\nx\nX\n"

    with pytest.raises(EngineError) as error:
        refused(text, Understands(BOOKWORM))

    assert [line.split(" ")[0] for line in error.value.message.splitlines()] == [
        "app/Dockerfile:2:",
        "app/Dockerfile:4:",
    ]


def test_what_the_engine_understands_is_let_through() -> None:
    refused(
        "FROM scratch\nCOPY --chmod=755 b /b\nRUN --mount=type=cache,target=/c x\n", Understands(BOOKWORM)
    )


def test_the_image_of_a_syntax_line_decides_where_the_engine_uses_it() -> None:
    text = "# syntax=docker/dockerfile:1\nFROM scratch\nCOPY --link a /a\n"

    refused(text, Understands(frozenset(), reads_syntax_line=True))
    with pytest.raises(EngineError):
        refused(text, Understands(frozenset(), reads_syntax_line=False))


def test_what_no_engine_is_granted_is_said_so() -> None:
    messages = refusals(
        [FeatureUse(Feature.RUN_DEVICE, 1)], path="f", engine="docker 29.0", features=frozenset()
    )

    assert messages == (
        "f:1: RUN --device is not understood by docker 29.0, nor by any engine as tracker uses it",
    )


@pytest.mark.parametrize("feature", Feature)
def test_an_engine_of_the_version_that_is_advised_understands_the_feature(feature: Feature) -> None:
    newest = understood(Builder.BUILDAH, (99,)) | understood(Builder.BUILDKIT, (99,))

    assert (feature in newest) == bool(who_has(feature))


def test_the_legacy_builder_understands_none_of_them() -> None:
    assert understood(Builder.LEGACY, (99,)) == frozenset()


@pytest.mark.parametrize(
    ("text", "version"),
    [("20.10.24+dfsg1", (20, 10, 24)), ("v1.28.2", (1, 28, 2)), ("5.0.0-rc1", (5, 0, 0)), ("unknown", ())],
)
def test_a_version_is_the_numbers_at_its_start(text: str, version: tuple[int, ...]) -> None:
    assert version_of(text) == version
