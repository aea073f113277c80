"""Which platforms an index offers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.reference import Digest, Platform
from rebuild.registry import RegistryError
from tracker.registry.manifest import is_index, read_annotations, read_config_blob, read_platforms, verify

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


@pytest.mark.parametrize("read", [is_index, read_platforms, read_config_blob])
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
