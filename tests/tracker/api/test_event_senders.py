"""The door for every kind of sender: proven senders are stored and answered, all others leave no trace."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.clock import now
from rebuild.secrets.secret import Secret
from tests.tracker.events.payloads import SAMPLES, Sample, sample_of, title
from tracker.api.app import Parts, Phase, build_app
from tracker.api.events import EVENT_BYTES_MOST
from tracker.events.kind import Kind
from tracker.events.reading import read_pushes
from tracker.events.sender import Naming, Sender
from tracker.events.signature import token_of
from tracker.metrics import EventResult, Metrics
from tracker.state import State
from tracker.watching.inbox import Inbox, Letter

SECRET, NEXT = Secret("correct-horse"), Secret("battery-staple")
STRANGER = "192.0.2.7"


@dataclass
class Service:
    """The application without a network, on a database of its own."""

    app: FastAPI
    connection: sqlite3.Connection
    metrics: Metrics
    woken: list[int]

    async def send(
        self, path: str, body: bytes | AsyncIterator[bytes], headers: Mapping[str, str], method: str = "POST"
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=(STRANGER, 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://tracker") as client:
            return await client.request(method, path, content=body, headers=headers)

    @property
    def stored(self) -> list[Letter]:
        return Inbox(self.connection).oldest(1000)

    def counted(self, source: str, result: EventResult) -> float:
        labels = {"source": source, "result": str(result)}
        return self.metrics.registry.get_sample_value("tracker_events_total", labels) or 0.0


async def no_metrics() -> bytes:
    return b""


@contextlib.contextmanager
def service_of(folder: Path, *senders: Sender) -> Iterator[Service]:
    connection = State(folder).write()
    woken: list[int] = []
    metrics = Metrics()
    parts = Parts(
        connection=connection,
        metrics=metrics,
        senders={sender.name: sender for sender in senders},
        arrived=lambda: woken.append(1),
        health=dict,
        phase=lambda: Phase.READY,
        scrape=no_metrics,
        now=now,
    )
    yield Service(build_app(parts), connection, metrics, woken)
    connection.close()


def sender_of(kind: Kind) -> Sender:
    naming = Naming("nexus.example.com:8082") if kind is Kind.NEXUS else Naming()
    return Sender(f"our-{kind}", kind, (NEXT, SECRET), naming)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with service_of(tmp_path, *map(sender_of, Kind)) as running:
        yield running


def proof(kind: Kind, body: bytes, secret: Secret = SECRET) -> tuple[str, dict[str, str]]:
    """Path and headers with which a sender of that kind proves itself."""
    path, key = f"/events/our-{kind}", secret.reveal()

    def signed(algorithm: str) -> str:
        return hmac.new(key.encode(), body, algorithm).hexdigest()

    match kind:
        case Kind.GHCR:
            return path, {"X-Hub-Signature-256": f"sha256={signed('sha256')}"}
        case Kind.JFROG:
            return path, {"X-JFrog-Event-Auth": signed("sha256")}
        case Kind.NEXUS:
            return path, {"X-Nexus-Webhook-Signature": signed("sha1")}
        case Kind.GENERIC:
            return path, {"X-Signature": f"sha512={signed('sha512')}"}
        case Kind.DOCKERHUB | Kind.QUAY | Kind.EVENTGRID:
            return f"{path}/{token_of(secret, f'our-{kind}')}", {}
        case _:
            return path, {"Authorization": f"Bearer {key}"}


@pytest.mark.anyio
@pytest.mark.parametrize("sample", SAMPLES, ids=title)
class TestASender:
    async def test_is_answered_once_what_it_sends_is_stored_and_can_be_read_again(
        self, sample: Sample, service: Service
    ) -> None:
        path, headers = proof(sample.kind, sample.body)

        answer = await service.send(path, sample.body, {**headers, **sample.headers})

        assert (answer.status_code, answer.json()) == (202, {"pushes": len(sample.says)})
        (letter,) = service.stored
        assert read_pushes(sender_of(sample.kind), letter.payload, letter.headers) == sample.says

    async def test_may_use_the_next_secret_already(self, sample: Sample, service: Service) -> None:
        path, headers = proof(sample.kind, sample.body, NEXT)

        assert (await service.send(path, sample.body, {**headers, **sample.headers})).status_code == 202

    async def test_with_a_wrong_secret_leaves_no_trace(self, sample: Sample, service: Service) -> None:
        path, headers = proof(sample.kind, sample.body, Secret("wrong"))
        bare = await service.send(f"/events/our-{sample.kind}", sample.body, sample.headers)
        wrong = await service.send(path, sample.body, {**headers, **sample.headers})

        assert (bare.status_code, wrong.status_code) == (401, 401)
        assert (service.stored, service.woken) == ([], [])
        assert service.counted(f"our-{sample.kind}", EventResult.REFUSED) == 2
        assert SECRET.reveal() not in bare.text + wrong.text

    async def test_whose_body_was_changed_on_the_way_is_refused_where_it_signs(
        self, sample: Sample, service: Service
    ) -> None:
        path, headers = proof(sample.kind, sample.body + b" ")
        signs = any("signature" in name.lower() or "event-auth" in name.lower() for name in headers)

        answer = await service.send(path, sample.body, {**headers, **sample.headers})

        assert answer.status_code == (401 if signs else 202)
        assert len(service.stored) == (0 if signs else 1)

    async def test_whose_body_is_cut_off_is_refused(self, sample: Sample, service: Service) -> None:
        cut = sample.body[: len(sample.body) // 2]
        path, headers = proof(sample.kind, cut)

        answer = await service.send(path, cut, {**headers, **sample.headers})

        assert (answer.status_code, service.stored) == (400, [])
        assert "not JSON" in answer.json()["error"]

    async def test_that_sends_50_mb_is_refused_after_4(self, sample: Sample, service: Service) -> None:
        read = 0

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal read
            for _ in range(50):
                read += 1024 * 1024
                yield b" " * 1024 * 1024

        path, headers = proof(sample.kind, b"")

        answer = await service.send(path, pieces(), {**headers, **sample.headers})

        assert (answer.status_code, service.stored) == (413, [])
        assert read <= EVENT_BYTES_MOST + 2 * 1024 * 1024

    async def test_may_send_the_same_again(self, sample: Sample, service: Service) -> None:
        path, headers = proof(sample.kind, sample.body)

        answers = [await service.send(path, sample.body, {**headers, **sample.headers}) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [202] * 3


@pytest.mark.anyio
async def test_a_body_that_is_declared_too_large_is_not_read(service: Service) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("read")
        yield b""

    path, headers = proof(Kind.HARBOR, b"")

    answer = await service.send(path, never(), {**headers, "content-length": "50000000"})

    assert answer.status_code == 413


@pytest.mark.anyio
async def test_a_name_that_no_sender_has_is_not_found(service: Service) -> None:
    answer = await service.send("/events/harbour", b"{}", {})

    assert answer.status_code == 404
    assert "harbour" in answer.json()["error"]


@pytest.mark.anyio
async def test_event_grid_is_let_in_by_its_handshake(service: Service) -> None:
    body = (
        b'[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"5-1"}}]'
    )
    path, _ = proof(Kind.EVENTGRID, body)

    right = await service.send(path, body, {"aeg-event-type": "SubscriptionValidation"})
    wrong = await service.send("/events/our-eventgrid/guess", body, {})

    assert (right.status_code, right.json()) == (200, {"validationResponse": "5-1"})
    assert wrong.status_code == 401
    assert service.stored == []


@pytest.mark.anyio
async def test_cloud_events_are_let_in_by_their_handshake(service: Service) -> None:
    path, _ = proof(Kind.EVENTGRID, b"")
    asked = {"WebHook-Request-Origin": "eventgrid.azure.net"}

    right = await service.send(path, b"", asked, "OPTIONS")
    wrong = await service.send("/events/our-eventgrid", b"", asked, "OPTIONS")
    none = await service.send(path, b"", {}, "OPTIONS")

    assert right.status_code == 200
    assert right.headers["webhook-allowed-origin"] == "eventgrid.azure.net"
    assert int(right.headers["webhook-allowed-rate"]) > 0
    assert (wrong.status_code, none.status_code) == (401, 401)


@pytest.mark.anyio
async def test_a_sender_that_sends_too_much_is_told_when_to_go_on_and_harms_no_other(tmp_path: Path) -> None:
    few = Sender("few", Kind.GENERIC, (SECRET,), per_minute=6)
    many = Sender("many", Kind.GENERIC, (SECRET,))
    body, headers = sample_of(Kind.GENERIC).body, {"Authorization": "Bearer correct-horse"}
    with service_of(tmp_path, few, many) as service:
        first = await service.send("/events/few", body, headers)
        second = await service.send("/events/few", body, headers)
        other = await service.send("/events/many", body, headers)

        assert [first.status_code, second.status_code, other.status_code] == [202, 429, 202]
        assert 1 <= int(second.headers["retry-after"]) <= 10
        assert service.counted("few", EventResult.RATE_LIMITED) == 1


@pytest.mark.anyio
async def test_a_stranger_uses_nothing_of_what_a_sender_may_send(tmp_path: Path) -> None:
    few = Sender("few", Kind.GENERIC, (SECRET,), per_minute=6)
    body = sample_of(Kind.GENERIC).body
    with service_of(tmp_path, few) as service:
        for _ in range(5):
            await service.send("/events/few", body, {"X-Signature": "sha256=0"})

        answer = await service.send("/events/few", body, {"Authorization": "Bearer correct-horse"})

        assert answer.status_code == 202


@pytest.mark.anyio
async def test_the_log_says_once_why_a_sender_is_turned_away(service: Service) -> None:
    with structlog.testing.capture_logs() as said:
        for _ in range(5):
            await service.send("/events/our-quay", b"{}", {})

    (line,) = said
    assert (line["source"], line["result"]) == ("our-quay", "refused")
    assert "tracker config events" in line["why"]


@pytest.mark.anyio
async def test_events_that_come_together_are_stored_in_one_transaction(service: Service) -> None:
    begun: list[str] = []
    service.connection.set_trace_callback(lambda sql: begun.append(sql) if "BEGIN" in sql else None)
    body = sample_of(Kind.GENERIC).body
    path, headers = proof(Kind.GENERIC, body)

    answers = await asyncio.gather(*(service.send(path, body, headers) for _ in range(50)))

    assert [answer.status_code for answer in answers] == [202] * 50
    assert len(service.stored) == 50
    assert len(begun) < 10


@pytest.mark.anyio
async def test_a_word_of_a_proxy_is_no_address_of_this_machine(tmp_path: Path) -> None:
    with service_of(tmp_path, Sender("generic", Kind.GENERIC)) as service:
        for host in ("unknown", "", "::ffff:192.0.2.7"):
            transport = httpx.ASGITransport(service.app, client=(host, 0))
            async with httpx.AsyncClient(transport=transport, base_url="http://tracker") as client:
                answer = await client.post("/events/generic", content=sample_of(Kind.GENERIC).body)

            assert answer.status_code == 401


HEADER_NAMES = st.sampled_from(
    [
        b"authorization",
        b"content-length",
        b"x-signature",
        b"x-hub-signature-256",
        b"x-jfrog-event-auth",
        b"x-nexus-webhook-signature",
        b"x-nexus-webhook-id",
        b"x-github-event",
        b"webhook-request-origin",
    ]
)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [Kind.DOCKERHUB, Kind.HARBOR])
async def test_an_address_may_end_with_a_slash(kind: Kind, service: Service) -> None:
    sample = sample_of(kind)
    path, headers = proof(kind, sample.body)

    answer = await service.send(path + "/", sample.body, headers)

    assert (answer.status_code, len(service.stored)) == (202, 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(list(Kind)),
    token=st.none() | st.text(min_size=1, max_size=20),
    method=st.sampled_from(["POST", "OPTIONS"]),
    headers=st.lists(st.tuples(HEADER_NAMES, st.binary(max_size=40)), max_size=4),
    body=st.binary(max_size=100),
)
def test_whatever_a_stranger_sends_is_refused_and_leaves_no_trace(
    kind: Kind,
    token: str | None,
    method: str,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    service: Service,
) -> None:
    path = f"/events/our-{kind}" + ("" if token is None else f"/{token}")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": (STRANGER, 1234),
    }
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    asyncio.run(service.app(scope, receive, send))

    assert statuses[0] in (307, 401, 404, 413)  # 307: slashes too many
    assert service.stored == []


@pytest.mark.anyio
async def test_a_topic_is_told_to_show_its_password_and_how_it_is_confirmed_is_logged(
    service: Service,
) -> None:
    body = b'{"Type": "SubscriptionConfirmation", "SubscribeURL": "https://sns.example/?Token=1"}'
    path, headers = proof(Kind.ECR, body)

    unasked = await service.send(path, body, {})
    with structlog.testing.capture_logs() as logs:
        answer = await service.send(path, body, headers)

    assert (unasked.status_code, unasked.headers["www-authenticate"]) == (401, 'Basic realm="tracker"')
    assert (answer.status_code, answer.json(), service.stored) == (202, {"pushes": 0}, [])
    assert [entry["url"] for entry in logs] == ["https://sns.example/?Token=1"]
