"""Payloads of forges to what happened, and nothing else out of anything."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuild.sources.event import Provider
from rebuild.sources.repository_url import repository
from tests.tracker.hooks.forge_payloads import PAYLOADS, TELLING, ZERO, A, B, Payload
from tracker.events.push import BadEvent
from tracker.hooks.reading import HOOK_HEADERS, kept_headers, read_events

SENDING = [provider for provider in Provider if provider is not Provider.POLL]
HEADERS = [dict(payload.headers) for payload in PAYLOADS]
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(), max_size=20)  # halves of surrogate pairs, too
    | st.sampled_from([A, B, "refs/heads/main"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.name)
def test_a_documented_payload_tells(payload: Payload) -> None:
    events = read_events(payload.provider, payload.raw, payload.headers)

    told = tuple((event.happening, event.ref, event.commit, event.old_commit) for event in events)
    assert told == payload.told


@pytest.mark.parametrize("payload", TELLING, ids=lambda payload: payload.name)
def test_a_documented_payload_tells_what_is_around_it(payload: Payload) -> None:
    event = read_events(payload.provider, payload.raw, payload.headers)[0]

    assert event.paths == payload.paths
    assert event.default_branch == payload.default_branch
    assert (event.pull.from_fork if event.pull else None) == payload.fork
    assert (event.pull.number, event.pull.base) == (7, "main") if event.pull else True
    assert all(repository(url) for url in event.urls)


def test_a_payload_may_come_as_a_form() -> None:
    payload = PAYLOADS[0]

    form = b"payload=" + quote_plus(payload.raw.decode()).encode()

    assert read_events(payload.provider, form, payload.headers) == read_events(
        payload.provider, payload.raw, payload.headers
    )


@pytest.mark.parametrize("key", ["\\ud800", "\\udfff", "\\ud800\\ud800"])
def test_half_of_a_surrogate_pair_is_no_name_of_a_branch(key: str) -> None:
    payload = PAYLOADS[0]
    body = payload.raw.replace(b"refs/heads/main", f"refs/heads/{key}".encode())

    with pytest.raises(BadEvent, match="ref is no name"):
        read_events(payload.provider, body, payload.headers)


def test_half_of_a_surrogate_pair_in_words_spoils_nothing_else() -> None:
    body = {"repository": "https://git.example.com/web.git", "ref": "refs/heads/main", "after": A}
    raw = json.dumps({**body, "message": "\ud83d\ude00 \ud800", "delivery": "\udc00" + "x" * 5000}).encode()

    (event,) = read_events(Provider.GENERIC, raw, {})

    assert event.message == "\N{GRINNING FACE} ?"
    assert event.delivery == "?" + "x" * 199


@pytest.mark.parametrize(
    ("change", "paths"),
    [({}, {"app/a"}), ({"created": True}, None), ({"forced": True}, None), ({"before": ZERO}, None)],
    ids=str,
)
def test_a_push_need_not_say_where_the_branch_was(change: dict[str, Any], paths: set[str] | None) -> None:
    body = {
        "ref": "refs/heads/main",
        "after": B,
        "repository": {"clone_url": "https://github.com/octocat/web.git"},
        "commits": [{"id": B, "message": "words", "modified": ["app/a"]}],
    }

    (event,) = read_events(
        Provider.GITHUB, json.dumps({**body, **change}).encode(), {"x-github-event": "push"}
    )

    assert (event.commit, event.old_commit) == (B, "" if "before" in change else None)
    assert event.paths == paths


@pytest.mark.parametrize("payload", TELLING, ids=lambda payload: payload.name)
def test_a_payload_that_is_cut_off_is_refused(payload: Payload) -> None:
    with pytest.raises(BadEvent, match="not JSON"):
        read_events(payload.provider, payload.raw[:-1], payload.headers)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"after": "--upload-pack=x"}, "after is no id of a commit"),
        ({"ref": "refs/heads/--force"}, "ref is no name"),
        ({"ref": "refs/heads/a..b"}, "ref is no name"),
        ({"ref": "refs/heads/a\nb"}, "ref is no name"),
        ({"ref": None}, "ref is no name"),
        ({"repository": {}}, "which repository"),
        ({"repository": None}, 'no object "repository"'),
    ],
)
def test_what_git_could_take_for_something_else_is_refused(change: dict[str, Any], why: str) -> None:
    payload = PAYLOADS[0]

    with pytest.raises(BadEvent, match=why):
        read_events(payload.provider, json.dumps({**payload.body, **change}).encode(), payload.headers)


@pytest.mark.parametrize(
    ("origin", "from_fork"),
    [
        ({"id": 1296269, "fork": True}, False),  # a fork may have pull requests of its own
        ({"id": 1, "fork": False}, True),
        ({"full_name": "octocat/web"}, False),
        ({"full_name": "stranger/web", "fork": False}, True),
        ({"clone_url": "https://github.com/stranger/web.git"}, True),
        ({"fork": False}, False),
        ({"fork": True}, True),
        ({"fork": None}, True),
        ({"id": "1296269"}, True),
        ({}, True),
        (None, True),
    ],
    ids=str,
)
def test_a_pull_request_is_of_a_stranger_unless_it_is_certainly_not(origin: Any, from_fork: bool) -> None:
    payload = next(payload for payload in PAYLOADS if payload.name == "github pull request")
    body = json.loads(payload.raw)
    body["pull_request"]["head"]["repo"] = origin

    (event,) = read_events(payload.provider, json.dumps(body).encode(), payload.headers)

    assert event.pull and event.pull.from_fork is from_fork


def test_only_headers_that_are_needed_are_kept_and_none_is_long() -> None:
    kept = kept_headers({"x-github-event": "push" * 1000, "authorization": "secret", "cookie": "c"})

    assert set(kept) == {"x-github-event"}
    assert len(kept["x-github-event"]) == 200


@given(st.sampled_from(SENDING), st.binary(max_size=200), st.sampled_from(HEADERS))
def test_any_bytes_are_read_or_refused(provider: Provider, body: bytes, headers: dict[str, str]) -> None:
    try:
        assert isinstance(read_events(provider, body, headers), tuple)
    except BadEvent:
        return


@given(st.sampled_from(PAYLOADS), st.data())
def test_a_documented_payload_with_anything_in_one_place_is_read_or_refused(
    payload: Payload, data: st.DataObject
) -> None:
    body = json.loads(payload.raw)
    place = body
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(ANYTHING)
        break

    try:
        events = read_events(payload.provider, json.dumps(body).encode(), payload.headers)
    except BadEvent:
        return

    for event in events:
        assert json.dumps(asdict(event), ensure_ascii=False, default=str).encode()
        assert event.commit == "" or (event.commit.isalnum() and len(event.commit) >= 7)
        assert not event.ref.startswith("-")
        assert event.urls


@given(st.dictionaries(st.sampled_from(sorted(HOOK_HEADERS)), st.text(max_size=30)), ANYTHING)
def test_any_headers_are_read_or_refused(headers: dict[str, str], body: Any) -> None:
    for provider in SENDING:
        try:
            read_events(provider, json.dumps(body).encode(), headers)
        except BadEvent:
            continue
