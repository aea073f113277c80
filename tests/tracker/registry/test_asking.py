"""The client against a real, open registry: what it finds, and with how many requests."""

from __future__ import annotations

import json

import pytest

from graph.reference import Digest, ImageRef, Platform
from rebuild.images.registry import NotFound, RegistryRefused, RegistryUnavailable
from tests.real_registry import RealRegistry
from tests.tracker.registry.content import Pusher, image, index
from tests.tracker.registry.servers import Connect
from tracker.registry import Limits, RegistryClient, RequestSeen

pytestmark = pytest.mark.anyio

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


def requests_after(registry: RealRegistry, count: int) -> list[str]:
    return [line.removesuffix(" HTTP/1.1") for line in registry.requests()[count:]]


async def test_a_tag_is_resolved_with_one_head(registry: RealRegistry) -> None:
    pushed = Pusher(registry.url).image("app", "1", image("app"))
    before = len(registry.requests())

    async with RegistryClient() as client:
        found = await client.digest(ImageRef.parse(f"{registry.host}/app:1"))

    assert found == pushed
    assert requests_after(registry, before) == ["HEAD /v2/app/manifests/1"]


async def test_an_unchanged_tag_costs_one_request(registry: RealRegistry) -> None:
    pushed = Pusher(registry.url).image("app", "1", image("app"))
    seen: list[RequestSeen] = []

    async with RegistryClient(on_request=seen.append) as client:
        found = await client.digest(ImageRef.parse(f"{registry.host}/app:1"), known=pushed)

    assert found == pushed
    assert [(request.method, request.status) for request in seen] == [("HEAD", 304)]


async def test_a_moved_tag_is_seen_although_an_older_digest_is_known(registry: RealRegistry) -> None:
    old = Pusher(registry.url).image("app", "1", image("old"))
    new = Pusher(registry.url).image("app", "1", image("new"))

    async with RegistryClient() as client:
        assert await client.digest(ImageRef.parse(f"{registry.host}/app:1"), known=old) == new


async def test_an_index_is_read_once_by_digest_without_its_attestations(registry: RealRegistry) -> None:
    one, other = image("one"), image("other", architecture="arm64")
    pusher = Pusher(registry.url)
    for pushed in (one, other):
        pusher.image("app", pushed.digest.hex, pushed)
    unknown = {"os": "unknown", "architecture": "unknown"}
    attestation = {"vnd.docker.reference.type": "attestation-manifest"}
    listed = index(
        [
            one.manifest.descriptor(platform={"os": "linux", "architecture": "amd64"}),
            other.manifest.descriptor(platform={"os": "linux", "architecture": "arm64", "variant": "v8"}),
            one.manifest.descriptor(platform=unknown, annotations=attestation),
        ]
    )
    pusher.manifest("app", "1", listed)
    reference = ImageRef.parse(f"{registry.host}/app:1")
    before = len(registry.requests())

    async with RegistryClient() as client:
        digest = await client.digest(reference)
        manifests = await client.manifests(reference, digest)

    assert digest == manifests.digest == listed.digest
    assert manifests.platforms == {AMD64: one.digest, ARM64: other.digest}
    assert requests_after(registry, before) == [
        "HEAD /v2/app/manifests/1",
        f"GET /v2/app/manifests/{listed.digest}",
    ]


async def test_what_a_head_showed_to_be_no_index_is_not_fetched(registry: RealRegistry) -> None:
    Pusher(registry.url).image("app", "1", image("app"))
    reference = ImageRef.parse(f"{registry.host}/app:1")
    before = len(registry.requests())

    async with RegistryClient() as client:
        manifests = await client.manifests(reference, await client.digest(reference))

    assert not manifests.is_index
    assert requests_after(registry, before) == ["HEAD /v2/app/manifests/1"]


async def test_the_config_of_an_image_is_read_through_its_manifest(registry: RealRegistry) -> None:
    pushed = image("app")
    Pusher(registry.url).image("app", "1", pushed)

    async with RegistryClient() as client:
        config = await client.image_config(ImageRef.parse(f"{registry.host}/app:1"), pushed.digest)

    assert config == json.loads(pushed.config.body)


async def test_the_config_of_an_index_is_refused_with_the_way_out(registry: RealRegistry) -> None:
    listed = index([])
    Pusher(registry.url).manifest("app", "1", listed)

    async with RegistryClient() as client:
        with pytest.raises(RegistryRefused, match="ask for one platform's manifest"):
            await client.image_config(ImageRef.parse(f"{registry.host}/app:1"), listed.digest)


async def test_annotations_come_from_manifest_and_index_alike(registry: RealRegistry) -> None:
    pushed = image("app", annotations={"org.opencontainers.image.base.name": "docker.io/library/alpine:3"})
    pusher = Pusher(registry.url)
    pusher.image("app", "1", pushed)
    listed = index([], annotations={"of": "index"})
    pusher.manifest("app", "2", listed)
    reference = ImageRef.parse(f"{registry.host}/app:1")

    async with RegistryClient() as client:
        of_manifest = await client.annotations(reference, pushed.digest)
        of_index = await client.annotations(reference, listed.digest)

    assert of_manifest == {"org.opencontainers.image.base.name": "docker.io/library/alpine:3"}
    assert of_index == {"of": "index"}


async def test_a_missing_tag_is_not_found_by_name(registry: RealRegistry) -> None:
    async with RegistryClient() as client:
        with pytest.raises(NotFound, match=f"{registry.host}: nope:1: no such image"):
            await client.digest(ImageRef.parse(f"{registry.host}/nope:1"))


async def test_a_reference_with_a_digest_is_asked_for_by_it(registry: RealRegistry) -> None:
    old = Pusher(registry.url).image("app", "1", image("old"))
    Pusher(registry.url).image("app", "1", image("new"))

    async with RegistryClient() as client:
        assert await client.digest(ImageRef.parse(f"{registry.host}/app:1@{old}")) == old


async def test_a_pinned_digest_that_is_gone_is_not_found(registry: RealRegistry) -> None:
    Pusher(registry.url).image("app", "1", image("app"))
    gone = Digest("sha256", "0" * 64)

    async with RegistryClient() as client:
        with pytest.raises(NotFound):
            await client.digest(ImageRef.parse(f"{registry.host}/app@{gone}"))


async def test_a_manifest_over_the_limit_is_refused(registry: RealRegistry) -> None:
    pushed = image("app")
    Pusher(registry.url).image("app", "1", pushed)

    async with RegistryClient(limits=Limits(manifest=100)) as client:
        with pytest.raises(RegistryRefused, match="over 100 bytes"):
            await client.annotations(ImageRef.parse(f"{registry.host}/app:1"), pushed.digest)


async def test_a_config_over_the_limit_is_refused_before_it_is_fetched(registry: RealRegistry) -> None:
    pushed = image("app")
    Pusher(registry.url).image("app", "1", pushed)
    before = len(registry.requests())

    async with RegistryClient(limits=Limits(config=10)) as client:
        with pytest.raises(RegistryRefused, match="over the limit of 10"):
            await client.image_config(ImageRef.parse(f"{registry.host}/app:1"), pushed.digest)

    assert requests_after(registry, before) == [f"GET /v2/app/manifests/{pushed.digest}"]


async def test_a_registry_that_is_down_is_unavailable_and_named(
    connect: Connect, registry: RealRegistry
) -> None:
    registry.stop()

    async with connect() as client:
        with pytest.raises(
            RegistryUnavailable, match=f"{registry.host}: app:1: cannot connect: Connection refused"
        ):
            await client.digest(ImageRef.parse(f"{registry.host}/app:1"))


async def test_a_client_lives_through_a_restart_of_the_registry(
    connect: Connect, registry: RealRegistry
) -> None:
    pushed = Pusher(registry.url).image("app", "1", image("app"))
    reference = ImageRef.parse(f"{registry.host}/app:1")

    async with connect() as client:
        await client.digest(reference)
        registry.stop()
        registry.start()

        assert await client.digest(reference, known=pushed) == pushed
