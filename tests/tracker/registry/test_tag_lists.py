"""The client asking for the tags of a repository: of a real registry, and of servers that lie."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from graph.reference import ImageRef
from rebuild.images.registry import NotFound, RegistryRefused, RegistryUnavailable, TagList
from tests.hostile_registry import HostileRegistry, Reply, Seen, hostile_registry
from tests.real_registry import RealRegistry
from tests.tracker.registry.content import Pusher, image
from tests.tracker.registry.servers import Connect
from tracker.registry import Limits, Patience
from tracker.registry.settings import ListLimits

pytestmark = pytest.mark.anyio

ONCE = Patience(attempts=1, total_s=0)
LISTED = "/v2/app/tags/list"


@pytest.fixture
def hostile() -> Iterator[HostileRegistry]:
    with hostile_registry() as running:
        yield running


def app(host: str) -> ImageRef:
    return ImageRef.parse(f"{host}/app")


def page(*tags: object, link: str | None = None, etag: str | None = None) -> Reply:
    headers = {"link": f'<{link}>; rel="next"'} if link else {}
    headers |= {"etag": etag} if etag else {}
    return Reply(200, headers, json.dumps({"name": "app", "tags": tags}).encode())


async def refusal(connect: Connect, hostile: HostileRegistry, lists: ListLimits | None = None) -> str:
    limits = Limits(lists=lists) if lists else Limits()
    async with connect(patience=ONCE, limits=limits) as client:
        with pytest.raises(RegistryRefused) as refused:
            await client.list_tags(app(hostile.host))
    return refused.value.message


async def test_hundreds_of_tags_of_a_real_registry_are_all_found(
    connect: Connect, registry: RealRegistry
) -> None:
    pusher = Pusher(registry.url)
    pusher.image("app", "0", pushed := image("app"))
    for number in range(1, 300):
        pusher.manifest("app", str(number), pushed.manifest)

    async with connect() as client:
        found = await client.list_tags(app(registry.host))

    assert set(found.tags) == {str(number) for number in range(300)}


async def test_a_repository_that_is_not_there_is_not_found(connect: Connect, registry: RealRegistry) -> None:
    async with connect(patience=ONCE) as client:
        with pytest.raises(NotFound):
            await client.list_tags(app(registry.host))


async def test_pages_are_turned_until_there_is_none(connect: Connect, hostile: HostileRegistry) -> None:
    hostile.script = [page("1", "2", link=f"{LISTED}?last=2&n=2"), page("3", link="?last=3"), page("4")]

    async with connect() as client:
        found = await client.list_tags(app(hostile.host))

    assert found == TagList(("1", "2", "3", "4"))
    assert [seen.path for seen in hostile.seen] == [
        f"{LISTED}?n=1000",
        f"{LISTED}?last=2&n=2",
        f"{LISTED}?last=3",
    ]


async def test_an_empty_repository_has_no_tags(connect: Connect, hostile: HostileRegistry) -> None:
    hostile.script = [Reply(200, {}, b'{"name": "app", "tags": null}')]

    async with connect() as client:
        assert await client.list_tags(app(hostile.host)) == TagList(())


async def test_a_list_that_is_known_is_not_sent_again(connect: Connect, hostile: HostileRegistry) -> None:
    known = TagList(("1",), '"abc"')
    hostile.script = lambda seen: Reply(304 if seen.headers.get("if-none-match") == '"abc"' else 500)

    async with connect(patience=ONCE) as client:
        assert await client.list_tags(app(hostile.host), known=known) is known


async def test_the_entity_tag_of_a_list_of_one_page_is_kept(
    connect: Connect, hostile: HostileRegistry
) -> None:
    hostile.script = [page("1", etag='"abc"')]

    async with connect() as client:
        assert (await client.list_tags(app(hostile.host))).etag == '"abc"'


async def test_the_entity_tag_of_a_first_page_does_not_stand_for_the_others(
    connect: Connect, hostile: HostileRegistry
) -> None:
    hostile.script = [page("1", etag='"abc"', link="?last=1"), page("2", etag='"def"')]

    async with connect() as client:
        assert (await client.list_tags(app(hostile.host))).etag is None


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([page("1", link="?n=1000")], id="the same page"),
        pytest.param([page("1", link="?last=1"), page("2", link="?last=1")], id="a circle of two"),
        pytest.param(lambda seen: page("1", link=f"?last={len(seen.path)}x{id(seen)}"), id="nothing new"),
    ],
)
async def test_pages_in_a_circle_are_refused(
    connect: Connect, hostile: HostileRegistry, script: list[Reply] | Callable[[Seen], Reply]
) -> None:
    hostile.script = script

    assert "go round in a circle" in await refusal(connect, hostile)
    assert len(hostile.seen) <= 3


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:1/v2/app/tags/list?last=1",
        "https://evil.example/v2/app/tags/list?last=1",
        "//evil.example/v2/app/tags/list?last=1",
        "/v2/other/tags/list?last=1",
        "/v2/app/manifests/1",
        "http://user:pass@evil.example/",
    ],
)
async def test_a_link_to_another_place_is_refused(
    connect: Connect, hostile: HostileRegistry, link: str
) -> None:
    hostile.script = [page("1", link=link)]

    assert "leads elsewhere" in await refusal(connect, hostile)
    assert len(hostile.seen) == 1


async def test_a_link_that_is_no_url_is_refused(connect: Connect, hostile: HostileRegistry) -> None:
    hostile.script = [page("1", link="http://x:port/")]

    assert "no URL" in await refusal(connect, hostile)


async def test_a_link_to_something_else_than_the_next_page_is_left_alone(
    connect: Connect, hostile: HostileRegistry
) -> None:
    hostile.script = [Reply(200, {"link": '<?last=1>; rel="previous"'}, b'{"tags": ["1"]}')]

    async with connect() as client:
        assert (await client.list_tags(app(hostile.host))).tags == ("1",)


async def test_a_list_with_too_many_pages_is_refused(connect: Connect, hostile: HostileRegistry) -> None:
    hostile.script = lambda seen: page(f"t{len(hostile.seen)}", link=f"?last={len(hostile.seen)}")

    assert "more than 3 pages" in await refusal(connect, hostile, ListLimits(pages=3))
    assert len(hostile.seen) == 3


async def test_a_list_with_too_many_tags_is_refused(connect: Connect, hostile: HostileRegistry) -> None:
    hostile.script = [page(*map(str, range(11)))]

    assert "more than 10 tags" in await refusal(connect, hostile, ListLimits(tags=10))


async def test_a_page_with_too_many_bytes_is_refused(connect: Connect, hostile: HostileRegistry) -> None:
    hostile.script = [page(*map(str, range(1000)))]

    assert "limit" in await refusal(connect, hostile, ListLimits(page_bytes=1000))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"[" * 9999, b'{"tags": "1"}', b'{"tags": {"1": 2}}', b'{"tags": [1]}', b'{"tags": ["a b"]}',
     b'{"tags": ["../x"]}', b'{"tags": ["a@b"]}', b'{"tags": ["\\u001b[2J"]}', b'{"tags": [""]}'],
)  # fmt: skip
async def test_what_is_no_list_of_tags_is_refused(
    connect: Connect, hostile: HostileRegistry, body: bytes
) -> None:
    hostile.script = [Reply(200, {}, body)]

    assert (await refusal(connect, hostile)).isprintable()


async def test_a_list_that_takes_too_long_is_given_up(connect: Connect, hostile: HostileRegistry) -> None:
    hostile.script = [page("1", link="?last=1"), Reply(hang=True)]

    async with connect(patience=ONCE, limits=Limits(lists=ListLimits(total_s=0.2))) as client:
        with pytest.raises(RegistryUnavailable, match=r"no whole list within 0\.2 s"):
            await client.list_tags(app(hostile.host))


async def test_a_page_that_fails_is_asked_for_again(connect: Connect, hostile: HostileRegistry) -> None:
    hostile.script = [page("1", link="?last=1"), Reply(500), page("2")]

    async with connect(patience=Patience(attempts=2, total_s=10, first_s=0.001)) as client:
        assert (await client.list_tags(app(hostile.host))).tags == ("1", "2")
