"""The registry's notifications: pushes of tags count, nothing else does, and no body does harm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.graph_samples import digest_of
from tracker.events.body import EVENTS_MOST
from tracker.events.kind import Kind
from tracker.events.push import BadEvent, Push
from tracker.events.reading import read_pushes
from tracker.events.sender import Naming, Sender

OCI = "application/vnd.oci.image.manifest.v1+json"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


def event(**changes: Any) -> dict[str, Any]:
    target = {"mediaType": OCI, "digest": str(digest_of("new")), "repository": "team/app", "tag": "1"}
    plain = {"action": "push", "target": target, "request": {"host": "localhost:5000"}}
    return {**plain, **changes, "target": {**target, **changes.get("target", {})}}


def read_envelope(body: bytes, registry: str | None = None) -> tuple[Push, ...]:
    return read_pushes(Sender("distribution", Kind.DISTRIBUTION, naming=Naming(registry)), body, {})


def envelope(*events: Any) -> bytes:
    return json.dumps({"events": events}).encode()


@pytest.mark.parametrize(
    "media_type",
    [
        OCI,
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ],
)
def test_a_pushed_tag_is_told_with_its_host_and_digest(media_type: str) -> None:
    pushes = read_envelope(envelope(event(target={"mediaType": media_type})))

    assert pushes == (Push("localhost:5000", "team/app", "1", digest_of("new")),)


def test_a_tag_whose_media_type_is_left_out_is_pushed_all_the_same() -> None:
    pushes = read_envelope(envelope(event(target={"mediaType": None})))

    assert [push.tag for push in pushes] == ["1"]


@pytest.mark.parametrize(
    "other",
    [
        event(action="pull"),
        event(action="delete"),
        event(target={"mediaType": "application/octet-stream"}),
        event(target={"mediaType": []}),
        event(target={"mediaType": {}}),
        event(target={"tag": None}),
        event(target={"tag": ""}),
        event(target={"tag": "../x"}),
        event(target={"repository": "Upper"}),
        event(target={"repository": "../../etc"}),
        event(request={"host": "evil.example/../localhost:5000"}),
        event(request={}),
        "no object",
    ],
    ids=lambda other: json.dumps(other)[:40],
)
def test_an_event_that_moves_no_tag_of_ours_is_passed_over_and_spoils_no_other(other: Any) -> None:
    pushes = read_envelope(envelope(other, event()))

    assert pushes == (Push("localhost:5000", "team/app", "1", digest_of("new")),)


def test_the_registry_may_be_named_where_the_sender_calls_itself_otherwise() -> None:
    (push,) = read_envelope(envelope(event(request={})), registry="registry.example.com")

    assert [str(name) for name in push.names()] == ["registry.example.com/team/app:1"]


def test_a_registry_on_loopback_is_known_under_all_its_names() -> None:
    (push,) = read_envelope(envelope(event()))

    assert {str(name) for name in push.names()} == {
        "localhost:5000/team/app:1",
        "127.0.0.1:5000/team/app:1",
        "[::1]:5000/team/app:1",
    }


@pytest.mark.parametrize("host", ["Registry.Example.COM", "registry.example.com:443"])
def test_a_registry_is_known_however_its_client_wrote_it(host: str) -> None:
    (push,) = read_envelope(envelope(event(request={"host": host})))

    assert "registry.example.com/team/app:1" in [str(name) for name in push.names()]


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", 'no list "events"'),
        (b'{"events": {}}', 'no list "events"'),
        (envelope(*[{}] * (EVENTS_MOST + 1)), "over the limit"),
    ],
    ids=["empty", "no text", "deep", "a list", "no list", "many"],
)
def test_a_body_that_is_no_envelope_is_refused_with_the_rule(body: bytes, rule: str) -> None:
    with pytest.raises(BadEvent, match=rule):
        read_envelope(body)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_is_sent_is_read_or_refused(body: bytes) -> None:
    try:
        read_envelope(body)
    except BadEvent as refused:
        assert refused.message


TARGETS = st.fixed_dictionaries(
    {"mediaType": JSON | st.just(OCI), "repository": JSON, "tag": JSON, "digest": JSON}
)
EVENTS = st.fixed_dictionaries(
    {"action": st.just("push"), "target": TARGETS | JSON, "request": st.just({"host": "a.b"}) | JSON}
)


@given(st.lists(JSON | EVENTS, max_size=4))
def test_events_of_any_shape_are_passed_over(events: list[Any]) -> None:
    assert all(isinstance(push, Push) for push in read_envelope(envelope(*events)))
