"""Which platforms an index offers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.model import SaidBase
from graph.reference import Digest, ImageRef, Platform
from rebuild.images.registry import RegistryError
from tracker.registry.manifest import (
    is_index,
    read_annotations,
    read_config_blob,
    read_manifests,
    read_platforms,
    read_said_base,
    verify,
)

ONE, OTHER = (Digest("sha256", digit * 64) for digit in "12")


def entry(digest: Digest, os: str, architecture: str, **more: Any) -> dict[str, Any]:
    return {"digest": str(digest), "platform": {"os": os, "architecture": architecture, **more}}


def test_platforms_come_in_their_normal_form() -> None:
    entries = [entry(ONE, "linux", "x86_64"), entry(OTHER, "linux", "arm", variant="7")]

    assert read_platforms("r", {"manifests": entries}) == {
        Platform("linux", "amd64"): ONE,
        Platform("linux", "arm", "v7"): OTHER,
    }


def test_of_two_entries_for_a_platform_the_first_counts() -> None:
    entries = [
        entry(ONE, "windows", "amd64", **{"os.version": "10.0.2"}),
        entry(OTHER, "windows", "amd64", **{"os.version": "10.0.1"}),
    ]

    assert read_platforms("r", {"manifests": entries}) == {Platform("windows", "amd64"): ONE}


def test_entries_without_a_platform_are_left_out() -> None:
    entries = [{"digest": str(ONE)}, entry(OTHER, "unknown", "unknown")]

    assert read_platforms("r", {"manifests": entries}) == {}


def test_an_attestation_is_left_out_whatever_its_platform() -> None:
    attestation = entry(ONE, "linux", "amd64") | {"annotations": {"vnd.docker.reference.type": "x"}}

    assert read_platforms("r", {"manifests": [attestation]}) == {}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["manifests", "platform", "os", "architecture", "digest", "config", "size", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def _read_whole(what: str, document: dict[str, Any]) -> object:
    return read_manifests(what, ONE, document)


@pytest.mark.parametrize("read", [is_index, read_platforms, read_config_blob, _read_whole])
@given(document=st.dictionaries(st.sampled_from(["manifests", "config", "mediaType", "layers"]), _JSON))
def test_no_document_breaks_the_reading(read: Any, document: dict[str, Any]) -> None:
    try:
        read("r", document)
    except RegistryError as error:
        assert str(error).startswith("r: ")


@given(document=st.dictionaries(st.sampled_from(["annotations"]), _JSON))
def test_annotations_are_texts(document: dict[str, Any]) -> None:
    assert all(isinstance(value, str) for value in read_annotations(document).values())


@given(st.binary(max_size=64))
def test_only_the_named_content_is_verified(body: bytes) -> None:
    with pytest.raises(RegistryError):
        verify("r", ONE, body)


BASE = "org.opencontainers.image.base"


def words(name: str, digest: Digest = OTHER) -> dict[str, str]:
    return {f"{BASE}.name": name, f"{BASE}.digest": str(digest)}


def test_an_entry_of_an_index_names_the_base_of_its_platform() -> None:
    document = {
        "manifests": [entry(ONE, "linux", "amd64") | {"annotations": words("debian:12")}],
        "annotations": words("of-the-whole:1"),
    }

    assert read_manifests("r", OTHER, document).said == {ONE: SaidBase(ImageRef.parse("debian:12"), OTHER)}


def test_words_on_the_whole_index_count_for_entries_without() -> None:
    document = {"manifests": [entry(ONE, "linux", "amd64")], "annotations": words("debian:12")}

    assert read_manifests("r", OTHER, document).said == {ONE: SaidBase(ImageRef.parse("debian:12"), OTHER)}


def test_scratch_is_no_base_and_needs_no_further_question() -> None:
    assert read_said_base(ONE, {f"{BASE}.name": "scratch"}) == {ONE: None}


@pytest.mark.parametrize("name", [f"debian:12@{OTHER}", "docker.io/library/debian:12"])
def test_a_digest_within_the_name_of_a_base_is_not_part_of_the_name(name: str) -> None:
    said = read_said_base(ONE, {f"{BASE}.name": name, f"{BASE}.digest": str(OTHER)})

    assert said == {ONE: SaidBase(ImageRef.parse("debian:12"), OTHER)}


def test_an_image_does_not_stand_on_itself() -> None:
    assert read_said_base(ONE, words("debian:12", ONE)) == {}


@given(st.dictionaries(st.sampled_from([f"{BASE}.name", f"{BASE}.digest"]), _JSON) | _JSON)
def test_no_annotations_break_the_reading(annotations: Any) -> None:
    assert read_said_base(ONE, annotations) in ({}, {ONE: None})
