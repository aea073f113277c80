"""What is about to be pushed survives the database; equal content has an equal id."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from graph.model import BuildRecord, Manifests, RecordedBase
from graph.reference import Digest, ImageRef, Platform
from graph.words import Role, Via
from rebuild.images import intent
from rebuild.images.content import content_id, content_id_of
from tests.graph_samples import digest_of

DIGESTS = st.binary(max_size=4).map(lambda seed: digest_of(seed.hex()))
PLATFORMS = st.sampled_from(["linux/amd64", "linux/arm64", "linux/arm/v6", "linux/s390x"]).map(Platform.parse)
REFERENCES = st.from_regex(r"[a-z0-9]{1,8}(\.io:5000/[a-z]{1,5})?:[a-z0-9]{1,5}", fullmatch=True).map(
    ImageRef.parse
)
MANIFESTS = st.builds(Manifests, DIGESTS, st.dictionaries(PLATFORMS, DIGESTS, max_size=3))
# The database keeps milliseconds.
TIMES = st.integers(0, 4_000_000_000_000).map(
    lambda ms: datetime.fromtimestamp(ms / 1000, UTC).replace(microsecond=ms % 1000 * 1000)
)
BASES = st.builds(
    RecordedBase,
    REFERENCES,
    st.sampled_from(Role),
    st.sampled_from(Via),
    st.text(max_size=5),
    st.integers(1, 999),
    MANIFESTS,
    st.lists(PLATFORMS, max_size=2).map(tuple),
)
RECORDS = st.builds(
    BuildRecord,
    images=st.lists(REFERENCES, max_size=3).map(tuple),
    manifests=st.none(),
    content_id=DIGESTS,
    platforms=st.lists(PLATFORMS, max_size=2).map(tuple),
    bases=st.lists(BASES, max_size=3).map(tuple),
    resolved_at=TIMES,
    built_at=TIMES,
    duration_s=st.floats(0, 1e6),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(RECORDS)
def test_an_intent_is_read_back_as_it_was_written(record: BuildRecord) -> None:
    assert intent.from_json(intent.to_json(record)) == record


CONFIG: dict[str, Any] = {"Env": ["A=1"], "Cmd": ["/app"], "Labels": {"own": "1"}}
LAYERS = (digest_of("low"), digest_of("high"))
AMD64 = Platform.parse("linux/amd64")


def test_dates_history_and_labels_of_the_engine_do_not_count_as_content() -> None:
    volatile = {"io.buildah.version": "9", "org.opencontainers.image.base.digest": "sha256:1"}
    other = {**CONFIG, "Labels": {**CONFIG["Labels"], **volatile}, "Hostname": "x"}
    whole = {
        "os": "linux",
        "architecture": "amd64",
        "created": "2001-01-01T00:00:00Z",
        "history": [{"created_by": "somebody"}],
        "config": other,
        "rootfs": {"type": "layers", "diff_ids": [str(layer) for layer in LAYERS]},
    }

    assert content_id(AMD64, CONFIG, LAYERS) == content_id(AMD64, other, LAYERS) == content_id_of(whole)


def test_whatever_a_container_would_notice_counts_as_content() -> None:
    plain = content_id(AMD64, CONFIG, LAYERS)
    others = [
        content_id(Platform.parse("linux/arm64"), CONFIG, LAYERS),
        content_id(AMD64, CONFIG, LAYERS[::-1]),
        content_id(AMD64, {**CONFIG, "Env": ["A=2"]}, LAYERS),
        content_id(AMD64, {**CONFIG, "Labels": {"own": "2"}}, LAYERS),
        content_id(AMD64, {**CONFIG, "User": "1"}, LAYERS),
    ]

    assert len({plain, *others}) == 6


@given(st.dictionaries(st.sampled_from(["Env", "Cmd", "Labels", "User"]), JSON, max_size=3))
def test_an_empty_field_is_the_same_as_none(config: dict[str, Any]) -> None:
    kept = {name: value for name, value in config.items() if name != "Labels"}

    assert content_id(AMD64, {**kept, "Volumes": {}, "Shell": None}, LAYERS) == content_id(
        AMD64, kept, LAYERS
    )


def test_a_digest_of_content_is_a_digest() -> None:
    assert Digest.parse(str(content_id(AMD64, {}, ()))) == replace(content_id(AMD64, {}, ()))
