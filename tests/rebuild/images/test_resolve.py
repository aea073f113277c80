"""Every base is asked for once, and every way in which that can fail names file and line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from graph.dockerfile import Base, scan
from graph.model import BaseContent, Manifests
from graph.reference import Digest, ImageRef, Platform
from rebuild.images.registry import NotFound, RegistryRefused, RegistryUnavailable
from rebuild.images.resolve import LastBuild, UnusableBase, refuse_other_platform, resolve, taken
from tests.graph_samples import digest_of, index_of, single

AMD64 = Platform.parse("linux/amd64")


class FakeRegistry:
    """Answers out of a table; an exception in it is raised."""

    def __init__(self, **holds: Manifests | Exception) -> None:
        self.holds = holds
        self.asked: Counter[str] = Counter()

    async def digest(self, reference: ImageRef, *, known: Digest | None = None) -> Digest:
        self.asked[reference.familiar] += 1
        return self._held(reference).digest

    async def manifests(self, reference: ImageRef, digest: Digest) -> Manifests:
        self.asked[f"{reference.familiar} inside"] += 1
        return self._held(reference)

    async def image_config(self, reference: ImageRef, manifest: Digest) -> Mapping[str, Any]:
        raise NotImplementedError

    async def annotations(self, reference: ImageRef, digest: Digest) -> Mapping[str, str]:
        raise NotImplementedError

    def _held(self, reference: ImageRef) -> Manifests:
        held = self.holds[reference.repository.removeprefix("library/")]
        if isinstance(held, Exception):
            raise held
        return held


class NothingKnown:
    def known_manifests(self, digest: Digest) -> Manifests | None:
        return None

    def content_of(self, digest: Digest) -> BaseContent | None:
        return None

    def newest_build(self, reference: ImageRef) -> LastBuild | None:
        return None


class Known(NothingKnown):
    def __init__(self, manifests: Manifests) -> None:
        self._manifests = manifests

    def known_manifests(self, digest: Digest) -> Manifests | None:
        return self._manifests


def bases(text: str) -> tuple[Base, ...]:
    found = scan(text.encode(), path="Dockerfile", platform=AMD64, build_platform=AMD64)
    return taken(found, reads_syntax_line=False)


@pytest.mark.anyio
async def test_a_base_that_is_named_in_many_places_is_asked_for_once() -> None:
    registry = FakeRegistry(low=single("low"))
    text = "FROM low AS one\nFROM low\nCOPY --from=low /a /a\nCOPY --from=one /b /b\n"

    resolved = await resolve("Dockerfile", bases(text), registry, NothingKnown())

    assert registry.asked == {"low:latest": 1, "low:latest inside": 1}
    assert {str(digest) for digest in resolved.pins.values()} == {str(single("low").digest)}


@pytest.mark.anyio
async def test_of_an_index_the_manifest_of_the_platform_is_pinned_and_the_index_recorded() -> None:
    index = index_of(amd64="ours", arm64="theirs")

    resolved = await resolve("Dockerfile", bases("FROM low\n"), FakeRegistry(low=index), NothingKnown())

    assert [*resolved.pins.values()] == [digest_of("ours")]
    assert resolved.recorded()[0].manifests.digest == index.digest


@pytest.mark.anyio
async def test_what_a_digest_holds_is_not_asked_for_twice_in_a_life() -> None:
    index = index_of(amd64="ours")
    registry = FakeRegistry(low=index)

    await resolve("Dockerfile", bases("FROM low\n"), registry, Known(index))

    assert registry.asked == {"low:latest": 1}


@pytest.mark.anyio
async def test_a_base_that_is_pinned_in_the_dockerfile_is_not_asked_where_it_points_to() -> None:
    pinned = single("low")
    registry = FakeRegistry(low=pinned)

    await resolve("Dockerfile", bases(f"FROM low@{pinned.digest}\n"), registry, NothingKnown())

    assert [asked for asked in registry.asked if not asked.endswith("inside")] == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (NotFound("no such image"), "app/Dockerfile:2: base 'low:3' cannot be resolved: no such image"),
        (RegistryRefused("denied"), "app/Dockerfile:2: base 'low:3' cannot be asked for: denied"),
        (
            index_of(arm64="theirs"),
            "app/Dockerfile:2: base 'low:3' has no image for linux/amd64; it has linux/arm64",
        ),
    ],
)
async def test_a_base_that_cannot_be_used_is_named_as_it_was_written(
    answer: Manifests | Exception, said: str
) -> None:
    with pytest.raises(UnusableBase) as raised:
        found = bases("# why\nFROM low:3\n")
        await resolve("app/Dockerfile", found, FakeRegistry(low=answer), NothingKnown())

    assert raised.value.message == said


def test_a_last_stage_for_another_platform_is_refused_with_the_way_to_build_it() -> None:
    found = bases("FROM a AS x\nFROM --platform=linux/arm64 b\nCOPY --from=x / /\n")

    with pytest.raises(UnusableBase) as raised:
        refuse_other_platform("app/Dockerfile", found, AMD64)

    assert raised.value.message == (
        "app/Dockerfile:2: FROM --platform makes an image for linux/arm64,"
        " where one for linux/amd64 is asked for"
    )
    assert raised.value.hint is not None and "--platform linux/arm64" in raised.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "FROM --platform=linux/amd64 a",
        "FROM --platform=linux/arm64 a AS x\nFROM b\nCOPY --from=x / /",
        "FROM scratch",
        "FROM --platform=linux/arm64 a AS unused\nFROM b",
    ],
)
def test_other_stages_may_be_for_other_platforms(text: str) -> None:
    refuse_other_platform("Dockerfile", bases(f"{text}\n"), AMD64)


@pytest.mark.anyio
async def test_a_registry_that_is_down_is_nobody_s_mistake_and_told_with_file_and_line() -> None:
    with pytest.raises(RegistryUnavailable) as raised:
        down = FakeRegistry(low=RegistryUnavailable("down", hint="wait", retry_after_s=7))
        await resolve("Dockerfile", bases("FROM low\n"), down, NothingKnown())

    assert raised.value.message == "Dockerfile:1: base 'low' cannot be resolved now: down"
    assert (raised.value.hint, raised.value.retry_after_s) == ("wait", 7)
