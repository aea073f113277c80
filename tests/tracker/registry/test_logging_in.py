"""The client against real registries that want Basic, tokens or TLS."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from graph.reference import ImageRef
from rebuild.images.registry import RegistryError, RegistryRefused, RegistryUnavailable
from rebuild.secrets.secret import Secret
from tests.tracker.registry.content import Pusher, image
from tests.tracker.registry.fake_clock import FakeClock
from tests.tracker.registry.servers import (
    IMAGE,
    PASSWORD,
    USER,
    Connect,
    Guarded,
    registry_with_basic,
    registry_with_tls,
    registry_with_tokens,
)
from tracker.registry import (
    CredentialsRejected,
    FixedCredentials,
    IdentityToken,
    Login,
    RegistryClient,
    RegistrySettings,
    RequestSeen,
)

pytestmark = pytest.mark.anyio

LOGIN = Login(USER, Secret(PASSWORD))
WRONG = Login(USER, Secret("guessed"))


def references(guarded: Guarded, *repositories: str) -> list[ImageRef]:
    return [ImageRef.parse(f"{guarded.registry.host}/{repository}:1") for repository in repositories]


async def test_basic_is_sent_only_after_the_registry_asks_and_then_always(tmp_path: Path) -> None:
    with registry_with_basic(tmp_path / "r", "app") as registry:
        seen: list[RequestSeen] = []
        reference = ImageRef.parse(f"{registry.host}/app:1")
        credentials = FixedCredentials({registry.host: LOGIN})

        async with RegistryClient(credentials=credentials, on_request=seen.append) as client:
            assert await client.digest(reference) == IMAGE.digest
            await client.digest(reference, known=IMAGE.digest)

        assert [request.status for request in seen] == [401, 200, 304]


async def test_a_wrong_password_is_tried_once(tmp_path: Path) -> None:
    with registry_with_basic(tmp_path / "r", "app") as registry:
        seen: list[RequestSeen] = []
        reference = ImageRef.parse(f"{registry.host}/app:1")
        credentials = FixedCredentials({registry.host: WRONG})

        async with RegistryClient(credentials=credentials, on_request=seen.append) as client:
            for _ in range(3):
                with pytest.raises(CredentialsRejected):
                    await client.digest(reference)

        assert [request.status for request in seen] == [401, 401]  # the question, and the one try


async def test_a_corrected_password_is_tried_again(tmp_path: Path) -> None:
    with registry_with_basic(tmp_path / "r", "app") as registry:
        reference = ImageRef.parse(f"{registry.host}/app:1")
        kept = {registry.host: WRONG}

        async with RegistryClient(credentials=FixedCredentials(kept)) as client:
            with pytest.raises(CredentialsRejected):
                await client.digest(reference)
            kept[registry.host] = LOGIN

            assert await client.digest(reference) == IMAGE.digest


async def test_a_registry_that_wants_a_password_and_gets_none_is_refused_with_a_hint(tmp_path: Path) -> None:
    with registry_with_basic(tmp_path / "r", "app") as registry:
        async with RegistryClient() as client:
            with pytest.raises(RegistryRefused) as refusal:
                await client.digest(ImageRef.parse(f"{registry.host}/app:1"))

        assert refusal.value.hint == f"log in: tracker login {registry.host}"


async def test_one_token_serves_all_prepared_repositories(tmp_path: Path) -> None:
    names = [f"team/app{number}" for number in range(12)]
    with registry_with_tokens(tmp_path, *names) as guarded:
        asked = references(guarded, *names)

        async with RegistryClient() as client:
            client.prepare(asked)
            found = await asyncio.gather(*(client.digest(reference) for reference in asked))

        assert set(found) == {IMAGE.digest}
        assert [len(request.scopes) for request in guarded.tokens.requests] == [12]
        assert len(guarded.registry.requests()) == 1 + 12  # the question who we are, and one HEAD each


async def test_sixty_repositories_take_two_token_requests_and_one_head_each(tmp_path: Path) -> None:
    names = [f"team/app{number}" for number in range(60)]
    with registry_with_tokens(tmp_path, *names) as guarded:
        seen: list[RequestSeen] = []
        asked = references(guarded, *names)

        async with RegistryClient(on_request=seen.append) as client:
            client.prepare(asked)
            found = await asyncio.gather(*(client.digest(reference) for reference in asked))

        assert set(found) == {IMAGE.digest}
        assert sorted(len(request.scopes) for request in guarded.tokens.requests) == [10, 50]
        heads = [request.status for request in seen if request.method == "HEAD"]
        assert sorted(heads) == [200] * 60 + [401]  # the question who we are is asked once


async def test_the_next_round_takes_no_token_request_until_the_tokens_end(tmp_path: Path) -> None:
    names = [f"team/app{number}" for number in range(60)]
    time = FakeClock()
    with registry_with_tokens(tmp_path, *names) as guarded:
        asked, counted = references(guarded, *names), []

        async with RegistryClient(clock=time.clock()) as client:
            for passed_s in (0, 240, 299):  # a token lives for 300 s, of which the last few do not count
                time.passed_s = passed_s
                client.prepare(asked)
                await asyncio.gather(*(client.digest(reference, known=IMAGE.digest) for reference in asked))
                counted.append(len(guarded.tokens.requests))

        assert counted == [2, 2, 4]


async def test_a_shared_token_that_the_registry_no_longer_takes_is_replaced_once_for_all(
    tmp_path: Path,
) -> None:
    names = [f"team/app{number}" for number in range(60)]
    with registry_with_tokens(tmp_path, *names) as guarded:
        guarded.tokens.expired_ones = 1
        asked = references(guarded, *names)

        async with RegistryClient() as client:
            client.prepare(asked)
            found = await asyncio.gather(*(client.digest(reference) for reference in asked))

        assert set(found) == {IMAGE.digest}
        assert sorted(len(request.scopes) for request in guarded.tokens.requests) == [10, 50, 50]


async def test_callers_at_the_same_time_share_one_token_request(tmp_path: Path) -> None:
    with registry_with_tokens(tmp_path, "app") as guarded:
        guarded.tokens.delay_s = 0.1
        [reference] = references(guarded, "app")

        async with RegistryClient() as client:
            await asyncio.gather(*(client.digest(reference) for _ in range(10)))

        assert len(guarded.tokens.requests) == 1


async def test_a_repository_that_the_shared_token_leaves_out_is_asked_for_alone(tmp_path: Path) -> None:
    with registry_with_tokens(tmp_path, "mine", "theirs") as guarded:
        guarded.tokens.denied.add("theirs")
        mine, theirs = references(guarded, "mine", "theirs")

        async with RegistryClient() as client:
            client.prepare([mine, theirs])
            assert await client.digest(mine) == IMAGE.digest
            for _ in range(3):
                with pytest.raises(RegistryRefused, match="may not be pulled"):
                    await client.digest(theirs)

        shared, alone = guarded.tokens.requests
        assert (len(shared.scopes), alone.scopes) == (2, ("repository:theirs:pull",))


async def test_a_token_server_without_shared_tokens_is_asked_one_by_one(tmp_path: Path) -> None:
    with registry_with_tokens(tmp_path, "a", "b") as guarded:
        guarded.tokens.scopes_most = 1
        asked = references(guarded, "a", "b")

        async with RegistryClient() as client:
            client.prepare(asked)
            found = [await client.digest(reference) for reference in asked]

        assert found == [IMAGE.digest, IMAGE.digest]
        assert [len(request.scopes) for request in guarded.tokens.requests] == [2, 1, 1]


async def test_a_token_that_expired_on_the_way_is_renewed_once(tmp_path: Path) -> None:
    with registry_with_tokens(tmp_path, "app") as guarded:
        guarded.tokens.expired_ones = 1
        [reference] = references(guarded, "app")

        async with RegistryClient() as client:
            assert await client.digest(reference) == IMAGE.digest

        assert len(guarded.tokens.requests) == 2


async def test_an_anonymous_caller_sends_no_credentials_to_the_token_server(tmp_path: Path) -> None:
    with registry_with_tokens(tmp_path, "app") as guarded:
        async with RegistryClient() as client:
            await client.digest(references(guarded, "app")[0])

        assert [request.login for request in guarded.tokens.requests] == [None]


async def test_a_login_goes_to_the_token_server(tmp_path: Path) -> None:
    with registry_with_tokens(tmp_path, "app") as guarded:
        guarded.tokens.users[USER] = PASSWORD
        credentials = FixedCredentials({guarded.registry.host: LOGIN})

        async with RegistryClient(credentials=credentials) as client:
            await client.digest(references(guarded, "app")[0])

        assert [request.login for request in guarded.tokens.requests] == [f"{USER}:{PASSWORD}"]


async def test_a_wrong_password_is_sent_to_the_token_server_once(tmp_path: Path) -> None:
    with registry_with_tokens(tmp_path, "app") as guarded:
        guarded.tokens.users[USER] = PASSWORD
        credentials = FixedCredentials({guarded.registry.host: WRONG})

        async with RegistryClient(credentials=credentials) as client:
            for _ in range(3):
                with pytest.raises(CredentialsRejected) as refusal:
                    await client.digest(references(guarded, "app")[0])

        assert len(guarded.tokens.requests) == 1
        assert "guessed" not in f"{refusal.value}{refusal.value.hint}"


async def test_an_identity_token_is_exchanged_by_post(tmp_path: Path) -> None:
    with registry_with_tokens(tmp_path, "a", "b") as guarded:
        guarded.tokens.refresh_tokens.add("identity")
        credentials = FixedCredentials({guarded.registry.host: IdentityToken(Secret("identity"))})
        asked = references(guarded, "a", "b")

        async with RegistryClient(credentials=credentials) as client:
            client.prepare(asked)
            found = [await client.digest(reference) for reference in asked]

        assert found == [IMAGE.digest, IMAGE.digest]
        assert [(request.method, len(request.scopes)) for request in guarded.tokens.requests] == [("POST", 2)]


async def test_tls_with_an_authority_of_its_own_is_verified(connect: Connect, tmp_path: Path) -> None:
    with registry_with_tls(tmp_path / "tls") as registry:
        pushed = _push_over_tls(tmp_path, registry.port)
        settings = {registry.host: RegistrySettings(ca_file=tmp_path / "tls" / "ca.pem")}

        async with connect(settings=settings) as client:
            assert await client.digest(ImageRef.parse(f"{registry.host}/app:1")) == pushed


async def test_an_unknown_authority_is_refused_and_the_hint_names_the_setting(
    connect: Connect, tmp_path: Path
) -> None:
    with registry_with_tls(tmp_path / "tls") as registry:
        settings = {registry.host: RegistrySettings(insecure=False)}

        async with connect(settings=settings) as client:
            with pytest.raises(RegistryUnavailable, match="TLS failed") as fault:
                await client.digest(ImageRef.parse(f"{registry.host}/app:1"))

        assert fault.value.hint is not None and "ca_file" in fault.value.hint


async def test_plain_http_to_a_registry_that_speaks_tls_is_refused_and_the_hint_names_the_setting(
    connect: Connect, tmp_path: Path
) -> None:
    with registry_with_tls(tmp_path / "registry") as registry:
        async with connect() as client:
            with pytest.raises(RegistryError) as fault:
                await client.digest(ImageRef.parse(f"{registry.host}/app:1"))

        assert fault.value.hint == f"if {registry.host} speaks TLS, set its ca_file, or insecure = false"


async def test_a_ca_file_that_is_none_is_refused_by_name(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    settings = {"example.invalid": RegistrySettings(ca_file=tmp_path / "ca.pem")}

    async with connect(settings=settings) as client:
        with pytest.raises(RegistryError, match=r"ca\.pem: not a PEM file"):
            await client.digest(ImageRef.parse("example.invalid/app:1"))


def _push_over_tls(tmp_path: Path, port: int) -> object:
    trusted = ssl.create_default_context(cafile=str(tmp_path / "tls" / "ca.pem"))
    return Pusher(f"https://localhost:{port}", tls=trusted).image("app", "1", image("app"))
