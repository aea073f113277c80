"""The client against a server that answers wrongly, slowly, hugely or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
from collections.abc import Callable, Iterator

import pytest

from graph.reference import Digest, ImageRef
from rebuild.images.registry import RateLimited, RegistryError, RegistryRefused, RegistryUnavailable
from rebuild.secrets.secret import Secret
from tests.hostile_registry import HostileRegistry, Reply, Seen, hostile_registry
from tests.tracker.registry.content import OCI_INDEX, OCI_MANIFEST
from tests.tracker.registry.fake_clock import FakeClock
from tests.tracker.registry.servers import Connect
from tracker.registry import (
    FixedCredentials,
    Limits,
    Login,
    Patience,
    RegistryClient,
    RegistrySettings,
)

pytestmark = pytest.mark.anyio

ONCE = Patience(attempts=1, total_s=0)
LOGIN = Login("user", Secret("password"))
DIGEST = Digest("sha256", "a" * 64)
FOUND = Reply(200, {"docker-content-digest": str(DIGEST), "content-type": OCI_MANIFEST})


@pytest.fixture
def hostile() -> Iterator[HostileRegistry]:
    with hostile_registry() as running:
        yield running


def app(hostile: HostileRegistry) -> ImageRef:
    return ImageRef.parse(f"{hostile.host}/app:1")


def impatient(connect: Connect, **settings: float) -> RegistryClient:
    return connect(patience=ONCE, default=RegistrySettings(**settings))  # type: ignore[arg-type]


def digest_of(body: bytes) -> Digest:
    return Digest("sha256", hashlib.sha256(body).hexdigest())


# Limits of the registry


async def test_a_rate_limit_closes_the_gate_for_every_caller(
    connect: Connect, hostile: HostileRegistry
) -> None:
    hostile.script = [Reply(429, {"retry-after": "60"})]

    async with impatient(connect) as client:
        for _ in range(3):
            with pytest.raises(RateLimited) as fault:
                await client.digest(app(hostile))

    assert len(hostile.seen) == 1
    assert fault.value.retry_after_s == pytest.approx(60, abs=30)


async def test_a_patient_caller_waits_what_the_registry_asked(
    connect: Connect, hostile: HostileRegistry
) -> None:
    hostile.script = [Reply(503, {"retry-after": "7"}), FOUND]
    time = FakeClock()

    async with connect(patience=Patience(3, total_s=60), clock=time.clock()) as client:
        assert await client.digest(app(hostile)) == DIGEST

    assert time.sleeps == [7]


async def test_a_date_to_wait_for_is_read_by_the_clock_of_the_server(
    connect: Connect, hostile: HostileRegistry
) -> None:
    late = {"date": "Mon, 01 Jan 2035 00:00:00 GMT", "retry-after": "Mon, 01 Jan 2035 00:00:09 GMT"}
    answer = "".join(f"{name}: {value}\r\n" for name, value in late.items())
    raw = f"HTTP/1.1 429 Too Many Requests\r\n{answer}content-length: 0\r\n\r\n".encode()
    hostile.script = [Reply(raw=raw), FOUND]
    time = FakeClock()

    async with connect(patience=Patience(3, total_s=60), clock=time.clock()) as client:
        assert await client.digest(app(hostile)) == DIGEST

    assert time.sleeps == [9]


async def test_a_pause_longer_than_the_patience_is_not_waited_for(
    connect: Connect, hostile: HostileRegistry
) -> None:
    hostile.script = [Reply(429, {"retry-after": "3600"})]
    time = FakeClock()

    async with connect(patience=Patience(9, total_s=60), clock=time.clock()) as client:
        with pytest.raises(RateLimited, match="too many requests; it is not asked again for 3600 s"):
            await client.digest(app(hostile))

    assert time.sleeps == []


async def test_callers_of_one_client_have_their_own_patience_and_one_gate(
    connect: Connect, hostile: HostileRegistry
) -> None:
    hostile.script = [Reply(429, {"retry-after": "20"}), FOUND]
    time = FakeClock()

    async with connect(patience=ONCE, clock=time.clock()) as polling:
        with pytest.raises(RateLimited):
            await polling.digest(app(hostile))
        building = polling.with_patience(Patience(2, total_s=60))

        assert await building.digest(app(hostile)) == DIGEST

    assert (time.sleeps, len(hostile.seen)) == ([20], 2)


async def test_what_the_registry_says_is_left_can_be_read(connect: Connect, hostile: HostileRegistry) -> None:
    quota = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "37;w=21600"}
    hostile.script = [Reply(200, {**FOUND.headers, **quota})]

    async with impatient(connect) as client:
        await client.digest(app(hostile))
        left = client.budgets()[hostile.host]

    assert (left.pulls_left, left.pulls_limit, left.window_s) == (37, 100, 21600)


# Passing faults


async def test_an_error_of_the_server_is_tried_again(connect: Connect, hostile: HostileRegistry) -> None:
    hostile.script = [Reply(500), Reply(502), FOUND]
    time = FakeClock()

    async with connect(patience=Patience(3, total_s=60), clock=time.clock()) as client:
        assert await client.digest(app(hostile)) == DIGEST


async def test_attempts_end_with_the_last_fault(connect: Connect, hostile: HostileRegistry) -> None:
    hostile.script = [Reply(500)]
    time = FakeClock()

    async with connect(patience=Patience(4, total_s=600), clock=time.clock()) as client:
        with pytest.raises(RegistryUnavailable, match="HTTP 500"):
            await client.digest(app(hostile))

    assert len(hostile.seen) == 4


async def test_a_final_answer_is_not_asked_for_again(connect: Connect, hostile: HostileRegistry) -> None:
    hostile.script = [Reply(403)]

    async with connect(patience=Patience(9, total_s=600)) as client:
        with pytest.raises(RegistryRefused, match="HTTP 403"):
            await client.digest(app(hostile))

    assert len(hostile.seen) == 1


@pytest.mark.parametrize(
    ("reply", "rule"),
    [
        (Reply(hang=True), "no answer within 0.3 s"),
        (Reply(raw=b""), "closed before the answer was whole"),
        (Reply(raw=b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "broken answer"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000 + b"\r\n\r\n"), "broken answer"),
        (Reply(304), "says unchanged"),
        (Reply(204), "HTTP 204"),
        (Reply(200, {"docker-content-digest": "sha256:short"}), "lower-case hexadecimal"),
    ],
)
async def test_a_head_without_a_good_answer_is_unavailable(
    connect: Connect, hostile: HostileRegistry, reply: Reply, rule: str
) -> None:
    hostile.script = [reply]

    async with impatient(connect, read_timeout_s=0.3) as client:
        with pytest.raises(RegistryUnavailable, match=rule) as fault:
            await client.digest(app(hostile))

    assert str(fault.value).startswith(hostile.host)


async def test_a_name_with_a_port_that_there_is_not_is_refused(connect: Connect) -> None:
    async with impatient(connect) as client:
        with pytest.raises(RegistryRefused, match="localhost:65536: a port is 1 to 65535"):
            await client.digest(ImageRef.parse("localhost:65536/app:1"))


async def test_a_server_that_takes_no_connection_is_given_up(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as waiting:
        for _ in range(2):  # what fills the queue of connections that nobody accepts
            caller = waiting.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())

        async with impatient(connect, connect_timeout_s=0.2) as client:
            with pytest.raises(RegistryUnavailable, match=r"no connection within 0\.2 s"):
                await client.digest(ImageRef.parse(f"127.0.0.1:{full.getsockname()[1]}/app:1"))


async def test_an_answer_that_drips_for_ever_ends_with_its_time(
    connect: Connect, hostile: HostileRegistry
) -> None:
    hostile.script = [Reply(hang=True)]

    async with impatient(connect, read_timeout_s=30, answer_timeout_s=0.2) as client:
        with pytest.raises(RegistryUnavailable, match=r"no whole answer within 0\.2 s"):
            await client.digest(app(hostile))


async def test_a_body_that_breaks_off_is_unavailable(connect: Connect, hostile: HostileRegistry) -> None:
    hostile.script = [Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}")]

    async with impatient(connect) as client:
        with pytest.raises(RegistryUnavailable):
            await client.annotations(app(hostile), DIGEST)


# Wrong content


async def test_a_tag_without_a_digest_header_is_fetched_and_hashed(
    connect: Connect, hostile: HostileRegistry
) -> None:
    body = b'{"schemaVersion": 2}'
    hostile.script = [Reply(200, {"content-type": OCI_INDEX}, body)]

    async with impatient(connect) as client:
        assert await client.digest(app(hostile)) == digest_of(body)

    assert [seen.method for seen in hostile.seen] == ["HEAD", "GET"]


async def test_content_that_is_not_what_the_digest_names_is_unavailable(
    connect: Connect, hostile: HostileRegistry
) -> None:
    hostile.script = [Reply(200, {"content-type": OCI_INDEX}, b'{"manifests": []}')]

    async with impatient(connect) as client:
        with pytest.raises(RegistryUnavailable, match="not the one asked for"):
            await client.manifests(app(hostile), DIGEST)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"<html>", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"manifests": {}}', "not a list"),
        (b'{"manifests": [{"platform": {"os": 1, "architecture": "amd64"}}]}', "entry 0"),
        (b'{"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}]}', "entry 0"),
        (b'{"manifests": [null]}', "entry 0"),
        (b'{"manifests": [], "layers": []}', "an index and a manifest at once"),
        (b'{"manifests": [], "mediaType": "%s"}' % OCI_MANIFEST.encode(), "mediaType does not fit"),
    ],
)
async def test_an_index_that_means_nothing_is_refused(
    connect: Connect, hostile: HostileRegistry, body: bytes, rule: str
) -> None:
    hostile.script = [Reply(200, {"content-type": OCI_INDEX}, body)]

    async with connect() as client:
        with pytest.raises(RegistryRefused, match=rule) as refusal:
            await client.manifests(app(hostile), digest_of(body))

    assert f"{hostile.host}: app@sha256:" in str(refusal.value)


@pytest.mark.parametrize(
    ("manifest", "rule"),
    [
        ({}, "names no config"),
        ({"config": {"digest": "sha256:x", "size": 1}}, "names no config"),
        ({"config": {"digest": str(DIGEST), "size": "big"}}, "not a number"),
    ],
)
async def test_a_manifest_without_a_usable_config_is_refused(
    connect: Connect, hostile: HostileRegistry, manifest: object, rule: str
) -> None:
    body = json.dumps(manifest).encode()
    hostile.script = [Reply(200, {"content-type": OCI_MANIFEST}, body)]

    async with impatient(connect) as client:
        with pytest.raises(RegistryRefused, match=rule):
            await client.image_config(app(hostile), digest_of(body))


@pytest.mark.parametrize(
    "config",
    [
        {"rootfs": ["layer"]},
        {"rootfs": {"diff_ids": 3}},
        {"rootfs": {"diff_ids": ["sha256:short"]}},
        {"rootfs": {"diff_ids": [None]}},
        {"config": ["Env"]},
        {"config": {"Labels": ["a=b"]}},
    ],
)
async def test_a_config_that_is_none_of_an_image_is_refused(
    connect: Connect, hostile: HostileRegistry, config: object
) -> None:
    blob = json.dumps(config).encode()
    parts = {"config": {"digest": str(digest_of(blob)), "size": len(blob)}, "layers": []}
    manifest = json.dumps(parts).encode()
    hostile.script = [Reply(200, {"content-type": OCI_MANIFEST}, manifest), Reply(200, {}, blob)]

    async with connect() as client:
        with pytest.raises(RegistryRefused, match="it is not the config of an image"):
            await client.image_config(app(hostile), digest_of(manifest))


async def test_an_answer_without_end_is_refused_at_the_limit(
    connect: Connect, hostile: HostileRegistry
) -> None:
    hostile.script = [Reply(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000)]

    async with connect(limits=Limits(manifest=1000), patience=ONCE) as client:
        with pytest.raises(RegistryRefused, match="over 1000 bytes"):
            await client.annotations(app(hostile), DIGEST)


async def test_a_registrys_words_are_shown_without_control_characters(
    connect: Connect, hostile: HostileRegistry
) -> None:
    error = {"errors": [{"code": "DENIED", "message": "no\x1b[2J\nway" + "y" * 5000}]}
    hostile.script = [Reply(403, {}, json.dumps(error).encode())]

    async with impatient(connect) as client:
        with pytest.raises(RegistryRefused, match=r"DENIED: no \[2J way") as refusal:
            await client.annotations(app(hostile), DIGEST)

    assert str(refusal.value).isprintable() and len(str(refusal.value)) < 400


async def test_cookies_are_not_sent_back(connect: Connect, hostile: HostileRegistry) -> None:
    hostile.script = [Reply(200, {**FOUND.headers, "set-cookie": "track=1; Path=/"})]

    async with impatient(connect) as client:
        await client.digest(app(hostile))
        await client.digest(app(hostile))

    assert "cookie" not in hostile.seen[1].headers


async def test_a_proxy_is_asked_in_the_place_of_the_registry(
    connect: Connect, hostile: HostileRegistry
) -> None:
    hostile.script = [FOUND]
    proxies = {"http": f"http://user:word@{hostile.host}"}
    settings = {"registry.invalid": RegistrySettings(insecure=True)}

    async with connect(settings=settings, proxies=proxies) as client:
        assert await client.digest(ImageRef.parse("registry.invalid/app:1")) == DIGEST

    [seen] = hostile.seen
    assert seen.path == "http://registry.invalid/v2/app/manifests/1"
    assert seen.headers["proxy-authorization"].startswith("Basic ")


async def test_tls_goes_through_a_proxy_and_its_refusal_is_named(
    connect: Connect, hostile: HostileRegistry
) -> None:
    hostile.script = [Reply(407)]
    proxies = {"https": f"http://user:word@{hostile.host}"}

    async with connect(patience=ONCE, proxies=proxies) as client:
        with pytest.raises(RegistryUnavailable, match="the proxy answered HTTP 407"):
            await client.digest(ImageRef.parse("registry.invalid/app:1"))

    [seen] = hostile.seen
    assert (seen.method, seen.path) == ("CONNECT", "registry.invalid:443")
    assert seen.headers["proxy-authorization"].startswith("Basic ")


# Redirects and credentials


async def test_a_redirect_to_another_host_is_followed_without_the_credential(
    connect: Connect,
    hostile: HostileRegistry,
) -> None:
    body = b'{"annotations": {"a": "b"}}'
    with hostile_registry() as storage:
        storage.script = [Reply(200, {}, body)]
        hostile.script = _behind_basic(Reply(307, {"location": f"http://127.0.0.1:{storage.port}/blob"}))
        credentials = FixedCredentials({hostile.host: LOGIN})

        async with connect(credentials=credentials) as client:
            assert await client.annotations(app(hostile), digest_of(body)) == {"a": "b"}

        assert [seen.headers.get("authorization") for seen in storage.seen] == [None]


async def test_a_redirect_on_the_same_host_keeps_the_credential(
    connect: Connect, hostile: HostileRegistry
) -> None:
    body = b'{"annotations": {}}'

    def script(seen: Seen) -> Reply:
        reply = Reply(200, {}, body) if seen.path == "/moved" else Reply(302, {"location": "/moved"})
        return _behind_basic(reply)(seen)

    hostile.script = script
    async with connect(credentials=FixedCredentials({hostile.host: LOGIN})) as client:
        assert await client.annotations(app(hostile), digest_of(body)) == {}

    assert hostile.seen[-1].path == "/moved" and "authorization" in hostile.seen[-1].headers


@pytest.mark.parametrize(
    ("location", "rule"),
    [
        ("/again", "more than 5 redirects"),
        ("file:///etc/passwd", "not followed"),
        ("", "not followed"),
        ("http://[::bad", "no URL"),
        ("http://localhost:99999/", "localhost:99999: a port is 1 to 65535"),
    ],
)
async def test_a_redirect_that_leads_nowhere_ends(
    connect: Connect, hostile: HostileRegistry, location: str, rule: str
) -> None:
    hostile.script = [Reply(302, {"location": location})]

    async with impatient(connect) as client:
        with pytest.raises(RegistryError, match=rule):
            await client.digest(app(hostile))

    assert len(hostile.seen) <= 6


async def test_a_token_server_elsewhere_without_tls_gets_nothing(
    connect: Connect, hostile: HostileRegistry
) -> None:
    challenge = 'Bearer realm="http://tokens.example.com/token",service="s"'
    hostile.script = [Reply(401, {"www-authenticate": challenge})]

    async with connect(credentials=FixedCredentials({hostile.host: LOGIN})) as client:
        with pytest.raises(RegistryRefused, match=r"tokens\.example\.com speaks plain http"):
            await client.digest(app(hostile))


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\r\\nx: y"}'])
async def test_a_token_server_without_a_token_is_unavailable_and_its_words_stay_hidden(
    connect: Connect, hostile: HostileRegistry, body: bytes
) -> None:
    def script(seen: Seen) -> Reply:
        if seen.path.startswith("/token"):
            return Reply(200, {}, body)
        challenge = f'Bearer realm="http://{hostile.host}/token",service="s"'
        return Reply(401, {"www-authenticate": challenge})

    hostile.script = script
    async with impatient(connect) as client:
        with pytest.raises(RegistryUnavailable, match="token server's answer") as fault:
            await client.digest(app(hostile))

    assert body.decode() not in str(fault.value)


async def test_a_rate_limit_of_the_token_server_closes_the_gate(
    connect: Connect, hostile: HostileRegistry
) -> None:
    def script(seen: Seen) -> Reply:
        if seen.path.startswith("/token"):
            return Reply(429, {"retry-after": "60"})
        challenge = f'Bearer realm="http://{hostile.host}/token",service="s"'
        return Reply(401, {"www-authenticate": challenge})

    hostile.script = script
    async with impatient(connect) as client:
        for _ in range(3):
            with pytest.raises(RateLimited):
                await client.digest(app(hostile))

    assert len(hostile.seen) == 2


@pytest.mark.parametrize("challenge", ["Negotiate", "", 'Bearer service="no realm"', "\\,,=\"'"])
async def test_a_way_to_log_in_that_is_not_known_is_refused(
    connect: Connect, hostile: HostileRegistry, challenge: str
) -> None:
    hostile.script = [Reply(401, {"www-authenticate": challenge})]

    async with impatient(connect) as client:
        with pytest.raises(RegistryRefused, match="neither Basic nor Bearer"):
            await client.digest(app(hostile))


async def test_a_registry_that_changes_its_way_to_log_in_is_followed(
    connect: Connect, hostile: HostileRegistry
) -> None:
    basic = _behind_basic(FOUND)

    def bearer(seen: Seen) -> Reply:
        if seen.path.startswith("/token"):
            return Reply(200, {}, b'{"token": "opaque"}')
        if seen.headers.get("authorization") == "Bearer opaque":
            return FOUND
        return Reply(401, {"www-authenticate": f'Bearer realm="http://{hostile.host}/token"'})

    hostile.script = basic
    async with connect(credentials=FixedCredentials({hostile.host: LOGIN})) as client:
        assert await client.digest(app(hostile)) == DIGEST
        hostile.script = bearer

        assert await client.digest(app(hostile)) == DIGEST


def _behind_basic(reply: Reply) -> Callable[[Seen], Reply]:
    def script(seen: Seen) -> Reply:
        if "authorization" not in seen.headers:
            return Reply(401, {"www-authenticate": 'Basic realm="r"'})
        return reply

    return script
