"""The door for events: who may send, what is refused, and that nothing is accepted before it is stored."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from graph.clock import now
from graph.errors import StoreBusy
from rebuild.secrets.secret import Secret
from tests.graph_samples import digest_of
from tracker.api.app import Parts, Phase, build_app
from tracker.api.events import EVENT_BYTES_MOST
from tracker.events.sender import Sender
from tracker.metrics import Metrics
from tracker.settings.senders import secrets_of, senders_of
from tracker.settings.settings import EventSource, RegistryHost, SenderName
from tracker.settings.written import ConfigError
from tracker.state import State
from tracker.watching import inbox as inbox_module
from tracker.watching.inbox import Inbox

TARGET = {
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "digest": str(digest_of("new")),
    "repository": "app",
    "tag": "1",
}
PUSH = json.dumps({"events": [{"action": "push", "target": TARGET, "request": {"host": "r.io"}}]}).encode()
NAMELESS = json.dumps({"events": [{"action": "push", "target": TARGET}]}).encode()


@dataclass
class Door:
    """The application without a network, and what came through it."""

    parts: Parts
    woken: list[int]

    async def post(self, body: bytes, *, sender: str = "127.0.0.1", **headers: str) -> httpx.Response:
        transport = httpx.ASGITransport(build_app(self.parts), client=(sender, 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://tracker") as client:
            return await client.post("/events/distribution", content=body, headers=headers)

    @property
    def stored(self) -> list[bytes]:
        return [letter.payload for letter in Inbox(self.parts.connection).oldest(100)]


def distribution(**settings: Any) -> dict[str, Sender]:
    return senders_of({SenderName("distribution"): EventSource(**settings)})


async def no_metrics() -> bytes:
    return b""


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    connection = State(tmp_path).write()
    woken: list[int] = []
    parts = Parts(
        connection,
        Metrics(),
        senders_of({}),
        lambda: woken.append(1),
        dict,
        lambda: Phase.READY,
        no_metrics,
        now,
    )
    yield Door(parts, woken)
    connection.close()


@pytest.mark.anyio
async def test_an_event_is_stored_before_it_is_acknowledged(door: Door) -> None:
    answer = await door.post(PUSH)

    assert (answer.status_code, answer.json()) == (202, {"pushes": 1})
    assert door.stored == [PUSH]
    assert door.woken == [1]


@pytest.mark.anyio
async def test_an_event_that_cannot_be_stored_is_not_acknowledged(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(connection: sqlite3.Connection) -> None:
        raise StoreBusy("another process holds the database")

    monkeypatch.setattr(inbox_module, "immediate", held)

    answer = await door.post(PUSH)

    assert answer.status_code == 503
    assert door.woken == []


@pytest.mark.anyio
async def test_without_a_secret_only_this_machine_may_send(door: Door) -> None:
    own = await door.post(PUSH, sender="::1")
    mapped = await door.post(PUSH, sender="::ffff:127.0.0.1")
    foreign = await door.post(PUSH, sender="192.0.2.7")

    assert (own.status_code, mapped.status_code, foreign.status_code) == (202, 202, 401)
    assert door.stored == [PUSH, PUSH]


@pytest.mark.anyio
async def test_with_a_secret_everybody_has_to_show_it(door: Door) -> None:
    door.parts = replace(door.parts, senders=distribution(secret=(Secret("s3cret"),)))

    without = await door.post(PUSH)
    wrong = await door.post(PUSH, authorization="Bearer s3creT")
    right = await door.post(PUSH, sender="192.0.2.7", authorization="Bearer s3cret")

    assert [without.status_code, wrong.status_code, right.status_code] == [401, 401, 202]
    assert "s3cret" not in without.text + wrong.text


@pytest.mark.anyio
async def test_a_body_over_the_limit_is_refused_whether_its_length_is_declared_or_not(door: Door) -> None:
    async def pieces() -> object:
        for _ in range(EVENT_BYTES_MOST // 65536 + 1):
            yield b" " * 65536

    declared = await door.post(b"x" * (EVENT_BYTES_MOST + 1))
    streamed = await door.post(pieces())  # type: ignore[arg-type]

    assert (declared.status_code, streamed.status_code) == (413, 413)
    assert door.stored == []


@pytest.mark.anyio
async def test_a_body_that_is_no_envelope_is_refused_with_the_rule(door: Door) -> None:
    answer = await door.post(b"hello")

    assert answer.status_code == 400
    assert "not JSON" in answer.json()["error"]


@pytest.mark.anyio
async def test_a_body_that_is_compressed_is_refused_for_that(door: Door) -> None:
    answer = await door.post(gzip.compress(PUSH), **{"content-encoding": "gzip"})

    assert answer.status_code == 415
    assert "compressed (gzip)" in answer.json()["error"]
    assert door.stored == []


@pytest.mark.anyio
@pytest.mark.parametrize("media_type", ["", "text/plain", "application/x-unknown", "nonsense"])
async def test_what_a_body_is_called_says_nothing_of_it(door: Door, media_type: str) -> None:
    answer = await door.post(PUSH, **{"content-type": media_type})

    assert (answer.status_code, answer.json()) == (202, {"pushes": 1})


@pytest.mark.anyio
async def test_what_tells_of_no_push_is_acknowledged_and_not_kept(door: Door) -> None:
    answer = await door.post(b'{"events": []}')

    assert (answer.status_code, answer.json()) == (202, {"pushes": 0})
    assert door.stored == []


@pytest.mark.anyio
async def test_a_sender_that_names_no_host_counts_where_the_settings_name_its_registry(door: Door) -> None:
    unnamed = await door.post(NAMELESS)
    door.parts = replace(door.parts, senders=distribution(registry=RegistryHost("registry.example.com")))
    named = await door.post(NAMELESS)

    assert (unnamed.json(), named.json()) == ({"pushes": 0}, {"pushes": 1})


def test_letters_are_kept_in_order_until_they_are_removed(door: Door) -> None:
    inbox, at = Inbox(door.parts.connection), now()
    for payload in (b"one", b"two", b"three"):
        inbox.put("distribution", payload, at)

    first, second = inbox.oldest(2)
    inbox.remove([first])

    assert [second.payload, *door.stored] == [b"two", b"two", b"three"]


def test_the_secret_of_a_sender_may_lie_in_a_file_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret\n")

    (secret,) = secrets_of("distribution", EventSource(secret_file=file))

    assert secret.reveal() == "s3cret"
    assert "s3cret" not in f"{secret} {secret!r}"


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_a_secret_file_that_holds_none_is_refused_by_its_setting(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "secret"
    if text is not None:
        file.write_text(text)

    with pytest.raises(ConfigError, match=r"events\.distribution\.secret_file"):
        secrets_of("distribution", EventSource(secret_file=file))


def test_no_sender_is_held_up_by_the_letters_of_another(door: Door) -> None:
    inbox, at = Inbox(door.parts.connection), now()
    for number in range(30):
        inbox.put("storm", b"%d" % number, at)
    inbox.put("quiet", b"one", at, {"x-github-event": "package"})

    letters = inbox.oldest(10)

    assert [letter.source for letter in letters] == ["storm"] * 5 + ["quiet"]
    assert letters[-1].headers == {"x-github-event": "package"}
    assert inbox.sources() == ["quiet", "storm"]
    assert inbox.holds_more_than(30) and not inbox.holds_more_than(31)


def test_several_secrets_may_lie_in_a_file_a_line_each(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("the new one\n\n  the-old-one\r\n")

    secrets = secrets_of("quay", EventSource(secret_file=file))

    assert [secret.reveal() for secret in secrets] == ["the new one", "the-old-one"]


@pytest.mark.parametrize("text", ["x\n" * 11, "x" * 100_000])
def test_a_secret_file_that_holds_something_else_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "secret"
    file.write_text(text)

    with pytest.raises(ConfigError, match="more than 10 secrets"):
        secrets_of("quay", EventSource(secret_file=file))
