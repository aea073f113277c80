"""The door for events of repositories: who may send, what is refused, what is stored before the yes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.clock import now
from graph.errors import StoreBusy
from rebuild.secrets.secret import Secret
from rebuild.sources.event import Provider
from tests.tracker.hooks.forge_payloads import PAYLOADS, TELLING, Payload
from tracker.api.app import Parts, Phase, build_app
from tracker.api.hooks import HOOK_BYTES_MOST
from tracker.hooks.sender import HookSender, is_proven_before_body, is_proven_by_signature
from tracker.metrics import Metrics
from tracker.settings.hooks import HookKind, HookSource
from tracker.settings.senders import hook_senders_of
from tracker.settings.settings import SenderName
from tracker.state import State
from tracker.watching import inbox as inbox_module
from tracker.watching.inbox import Box, Inbox

SECRETS = (Secret("the new one"), Secret("the old one"))


@dataclass
class Door:
    """The application without a network, and what came through it."""

    parts: Parts
    woken: list[int]

    async def post(
        self, name: str, body: bytes, headers: dict[str, str], *, sender: str = "192.0.2.7"
    ) -> httpx.Response:
        transport = httpx.ASGITransport(build_app(self.parts), client=(sender, 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://tracker") as client:
            return await client.post(f"/hooks/{name}", content=body, headers=headers)

    @property
    def stored(self) -> list[bytes]:
        return [letter.payload for letter in Inbox(self.parts.connection, Box.HOOKS).oldest(100)]


async def no_metrics() -> bytes:
    return b""


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    connection = State(tmp_path).write()
    woken: list[int] = []
    senders = {
        SenderName(provider): HookSource(secret=SECRETS) for provider in Provider if provider != Provider.POLL
    }
    parts = Parts(
        connection=connection,
        metrics=Metrics(),
        senders={},
        arrived=lambda: None,
        health=dict,
        phase=lambda: Phase.READY,
        scrape=no_metrics,
        now=now,
        hook_senders=hook_senders_of({**senders, SenderName("local"): HookSource(kind=HookKind("forgejo"))}),
        hook_arrived=lambda: woken.append(1),
    )
    yield Door(parts, woken)
    connection.close()


def proof(provider: Provider, body: bytes, secret: str) -> dict[str, str]:
    """As each forge proves itself."""
    digits = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    basic = base64.b64encode(f"user:{secret}".encode()).decode()
    return {
        Provider.GITHUB: {"x-hub-signature-256": f"sha256={digits}"},
        Provider.GITLAB: {"x-gitlab-token": secret},
        Provider.GITEA: {"x-gitea-signature": digits},
        Provider.BITBUCKET: {"x-hub-signature": f"sha256={digits}"},
        Provider.AZURE: {"authorization": f"Basic {basic}"},
        Provider.GENERIC: {"authorization": f"Bearer {secret}"},
    }[provider]


@pytest.mark.anyio
@pytest.mark.parametrize("secret", ["the new one", "the old one"])
@pytest.mark.parametrize("payload", TELLING, ids=lambda payload: payload.name)
async def test_what_a_forge_sends_is_stored_before_it_is_acknowledged(
    door: Door, payload: Payload, secret: str
) -> None:
    headers = {**payload.headers, **proof(payload.provider, payload.raw, secret)}

    answer = await door.post(payload.provider, payload.raw, headers)

    assert (answer.status_code, answer.json()) == (202, {"events": len(payload.told)})
    (letter,) = Inbox(door.parts.connection, Box.HOOKS).oldest(9)
    assert (letter.source, letter.payload) == (payload.provider, payload.raw)
    assert dict(letter.headers) == dict(payload.headers)
    assert door.woken == [1]


@pytest.mark.anyio
@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.name)
async def test_without_the_right_secret_nothing_is_stored(door: Door, payload: Payload) -> None:
    for wrong in (proof(payload.provider, payload.raw, "another"), {}):
        answer = await door.post(payload.provider, payload.raw, {**payload.headers, **wrong})

        assert answer.status_code == 401
        assert "expected" in answer.json()["error"]
    assert door.stored == []


@pytest.mark.anyio
async def test_gitlab_may_sign_instead_of_showing_the_secret(door: Door) -> None:
    payload = next(payload for payload in TELLING if payload.provider is Provider.GITLAB)
    signed = {"webhook-id": "f5e5f430", "webhook-timestamp": "1772366400"}
    made = hmac.digest(b"the new one", b"f5e5f430.1772366400." + payload.raw, "sha256")
    right = f"v1,{base64.b64encode(made).decode()}"

    taken = await door.post("gitlab", payload.raw, {**signed, "webhook-signature": right})
    wrong = {**signed, "webhook-signature": "v1,AAAA", "x-gitlab-token": "the new one"}
    refused = await door.post("gitlab", payload.raw, wrong)

    assert (taken.status_code, refused.status_code) == (202, 401)
    assert "Webhook-Signature" in refused.json()["error"]
    assert len(door.stored) == 1


@pytest.mark.anyio
async def test_a_ping_is_answered_and_not_kept(door: Door) -> None:
    body = b'{"zen": "Design for failure."}'

    answer = await door.post(
        "github", body, {"x-github-event": "ping", **proof(Provider.GITHUB, body, "the new one")}
    )

    assert (answer.status_code, answer.json()) == (202, {"events": 0})
    assert door.stored == []


@pytest.mark.anyio
async def test_a_body_that_is_cut_off_is_refused(door: Door) -> None:
    body = PAYLOADS[0].raw[:-5]

    answer = await door.post(
        "github", body, {"x-github-event": "push", **proof(Provider.GITHUB, body, "the new one")}
    )

    assert answer.status_code == 400
    assert door.stored == []


@pytest.mark.anyio
async def test_a_body_of_50_megabytes_is_turned_away(door: Door) -> None:
    body = b" " * (50 * 1024 * 1024)
    signed = {"x-github-event": "push", "x-hub-signature-256": "sha256=" + "0" * 64}

    answer = await door.post("github", body, signed)

    assert answer.status_code == 413
    assert str(HOOK_BYTES_MOST) in answer.json()["error"]
    assert door.stored == []


@pytest.mark.anyio
async def test_without_a_secret_only_this_machine_may_send(door: Door) -> None:
    payload = next(payload for payload in TELLING if payload.provider is Provider.GITEA)

    own = await door.post("local", payload.raw, dict(payload.headers), sender="127.0.0.1")
    foreign = await door.post("local", payload.raw, dict(payload.headers))

    assert (own.status_code, foreign.status_code) == (202, 401)
    assert len(door.stored) == 1


@pytest.mark.anyio
async def test_a_sender_that_the_settings_do_not_name_is_told_so(door: Door) -> None:
    answer = await door.post("nobody", b"{}", {})

    assert answer.status_code == 404
    assert answer.json()["hint"] == "add a section [hooks.NAME] and restart"


@pytest.mark.anyio
async def test_what_cannot_be_stored_is_not_acknowledged(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def held(connection: sqlite3.Connection) -> None:
        raise StoreBusy("another process holds the database")

    monkeypatch.setattr(inbox_module, "immediate", held)
    payload = PAYLOADS[0]
    headers = {**payload.headers, **proof(payload.provider, payload.raw, "the new one")}

    answer = await door.post(payload.provider, payload.raw, headers)

    assert answer.status_code == 503
    assert door.woken == []


def test_a_signature_by_sha1_proves_nothing() -> None:
    body = b"{}"
    digits = hmac.new(b"the new one", body, hashlib.sha1).hexdigest()
    sender = HookSender("bits", Provider.BITBUCKET, SECRETS)

    assert not is_proven_by_signature(sender, {"x-hub-signature": f"sha1={digits}"}, body)


@given(
    st.sampled_from([provider for provider in Provider if provider != Provider.POLL]),
    st.sampled_from(
        ["x-hub-signature-256", "x-hub-signature", "x-gitea-signature", "x-forgejo-signature", "x-signature",
         "x-gitlab-token", "webhook-signature", "authorization"]
    ),
    st.text(alphabet=st.characters(max_codepoint=255), max_size=80),
    st.binary(max_size=50),
)  # fmt: skip
def test_no_header_by_chance_proves_anything(
    provider: Provider, header: str, value: str, body: bytes
) -> None:
    sender = HookSender("any", provider, (Secret("a very long secret that nobody finds by chance"),))
    headers = {header: value}

    proven = is_proven_before_body(sender, headers)

    assert proven is False or (proven is None and not is_proven_by_signature(sender, headers, body))
