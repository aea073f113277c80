"""Platforms: normal forms, what runs on what, and sets of them as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.errors import InvalidReference
from graph.model import Manifests
from graph.platforms import joined, pick, split
from graph.reference import Platform
from tests.graph.world import AMD64, ARM64, ARM_V6, ARM_V7, digest_of

platforms = st.builds(
    Platform.of,
    st.sampled_from(["linux", "windows"]),
    st.sampled_from(["amd64", "x86_64", "arm64", "aarch64", "arm", "armel", "armhf", "386", "riscv64"]),
    st.sampled_from(["", "v5", "v6", "v7", "v8", "7", "v3"]),
)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("linux/amd64", "linux/amd64"),
        ("amd64", "linux/amd64"),
        ("Linux/X86_64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("armhf", "linux/arm/v7"),
        ("armel", "linux/arm/v6"),
        ("i386", "linux/386"),
        ("windows/amd64", "windows/amd64"),
    ],
)
def test_a_platform_as_written_has_one_normal_form(written: str, normal: str) -> None:
    assert str(Platform.parse(written)) == normal


@pytest.mark.parametrize(
    "written", ["", "linux", "linux/", "local", "amd46", "a/b/c/d", "linux/amd 64", "linux/ämd64", "x" * 9999]
)
def test_what_names_no_architecture_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(InvalidReference) as refusal:
        Platform.parse(written)

    assert "os/architecture[/variant]" in refusal.value.message
    assert "linux/amd64" in str(refusal.value.hint)


@given(platforms)
def test_a_platform_survives_printing(platform: Platform) -> None:
    assert Platform.parse(str(platform)) == platform


@given(platforms)
def test_a_platform_runs_itself_best(platform: Platform) -> None:
    assert platform.compatible[0] == platform
    assert len(set(platform.compatible)) == len(platform.compatible)


def test_arm_runs_lower_variants_and_never_higher_ones() -> None:
    assert [str(runs) for runs in ARM_V6.compatible] == ["linux/arm/v6", "linux/arm/v5"]


def test_an_index_gives_a_platform_its_own_manifest_before_a_lower_variant() -> None:
    held = {ARM_V6: "six", ARM_V7: "seven"}

    assert pick(held, ARM_V7) == "seven"
    assert pick({ARM_V6: "six"}, ARM_V7) == "six"
    assert pick({ARM_V7: "seven"}, ARM_V6) is None


def test_what_is_no_index_serves_every_platform_with_itself() -> None:
    manifest = Manifests(digest_of("one"))

    assert manifest.for_platform(AMD64) == manifest.for_platform(ARM64) == digest_of("one")


def test_an_index_has_nothing_for_a_platform_that_it_lacks() -> None:
    assert Manifests(digest_of("index"), {AMD64: digest_of("a")}).for_platform(ARM64) is None


@given(st.sets(platforms))
def test_a_set_of_platforms_survives_being_stored(chosen: set[Platform]) -> None:
    assert set(split(joined(chosen))) == chosen
