"""Registries that know no HEAD, or tell too little by it: what they are asked instead, and how often."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from graph.reference import Digest, ImageRef
from rebuild.images.registry import NotFound, RateLimited, RegistryError, RegistryRefused, RegistryUnavailable
from tests.hostile_registry import HostileRegistry, Reply, Seen, hostile_registry
from tests.real_registry import RealRegistry
from tests.tracker.registry.content import OCI_INDEX, Pusher, image
from tests.tracker.registry.fake_clock import FakeClock
from tests.tracker.registry.servers import Connect
from tracker.registry import Limits, Patience
from tracker.registry.heads import AGAIN_S, REMEMBERED_MOST, Heads

pytestmark = pytest.mark.anyio

ONCE = Patience(attempts=1, total_s=0)
OLD, NEW = b'{"schemaVersion": 2, "manifests": []}', b'{"schemaVersion": 2, "manifests": [], "x": 1}'


def digest_of(body: bytes) -> Digest:
    return Digest("sha256", hashlib.sha256(body).hexdigest())


@dataclass
class Holder:
    """A registry with one tag `1` in every repository. `head` is what a HEAD gets, None a good answer."""

    running: HostileRegistry
    body: bytes = OLD
    head: Reply | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self, seen: Seen) -> Reply:
        if not seen.path.endswith("/manifests/1"):
            return Reply(404)
        if seen.method == "HEAD" and self.head is not None:
            return self.head
        told = {"docker-content-digest": str(digest_of(self.body)), "content-type": OCI_INDEX}
        return Reply(200, told | self.headers, self.body)

    def asked(self) -> list[str]:
        """The methods since the last time."""
        methods = [seen.method for seen in self.running.seen]
        self.running.seen.clear()
        return methods

    def ref(self, name: str = "app:1") -> ImageRef:
        return ImageRef.parse(f"{self.running.host}/{name}")


@pytest.fixture
def holder() -> Iterator[Holder]:
    with hostile_registry() as running:
        made = Holder(running)
        running.script = made
        yield made


NO_HEAD = [Reply(405), Reply(501), Reply(404), Reply(200), Reply(200, {"content-type": OCI_INDEX})]


@pytest.mark.parametrize("head", NO_HEAD, ids=["405", "501", "404", "nothing", "no digest"])
async def test_what_head_does_not_tell_is_asked_by_get_and_from_then_on_at_once(
    connect: Connect, holder: Holder, head: Reply
) -> None:
    holder.head = head

    async with connect(patience=ONCE) as client:
        first = await client.digest(holder.ref())
        asked_first = holder.asked()
        holder.body = NEW
        then = await client.digest(holder.ref(), known=first)

    assert (first, then) == (digest_of(OLD), digest_of(NEW))
    assert (asked_first, holder.asked()) == (["HEAD", "GET"], ["GET"])


async def test_what_one_tag_showed_of_the_method_spares_a_request_for_those_of_other_repositories(
    connect: Connect, holder: Holder
) -> None:
    holder.head = Reply(405)

    async with connect(patience=ONCE) as client:
        for name in ("app:1", "other:1", "third:1"):
            await client.digest(holder.ref(name))

    assert holder.asked() == ["HEAD", "GET", "GET", "GET"]


async def test_a_get_in_the_place_of_head_may_be_answered_with_unchanged(
    connect: Connect, holder: Holder
) -> None:
    holder.head = Reply(405)
    known = digest_of(OLD)

    async with connect(patience=ONCE) as client:
        await client.digest(holder.ref())
        holder.running.script = [Reply(304)]
        found = await client.digest(holder.ref(), known=known)

    assert found == known
    assert holder.running.seen[-1].headers["if-none-match"] == f'"{known}"'


async def test_head_is_tried_again_after_a_while_and_kept_where_it_works(
    connect: Connect, holder: Holder
) -> None:
    clock = FakeClock()
    holder.head = Reply(405)

    async with connect(patience=ONCE, clock=clock.clock()) as client:
        await client.digest(holder.ref())
        holder.head = None
        clock.passed_s += AGAIN_S - 1
        await client.digest(holder.ref())
        before = holder.asked()
        clock.passed_s += 2
        for _ in range(2):
            await client.digest(holder.ref())

    assert before == ["HEAD", "GET", "GET"]
    assert holder.asked() == ["HEAD", "HEAD"]


async def test_a_missing_tag_costs_one_request_where_head_is_known_to_work(
    connect: Connect, holder: Holder
) -> None:
    async with connect(patience=ONCE) as client:
        await client.digest(holder.ref())
        with pytest.raises(NotFound):
            await client.digest(holder.ref("app:gone"))

    assert holder.asked() == ["HEAD", "HEAD"]


async def test_a_missing_tag_does_not_spoil_head_for_those_that_are_there(
    connect: Connect, registry: RealRegistry
) -> None:
    pushed = Pusher(registry.url).image("app", "1", image("app"))
    before = len(registry.requests())

    async with connect(patience=ONCE) as client:
        with pytest.raises(NotFound):
            await client.digest(ImageRef.parse(f"{registry.host}/app:gone"))
        await client.digest(ImageRef.parse(f"{registry.host}/app:1"), known=pushed)

    methods = Counter(line.split()[0] for line in registry.requests()[before:])
    assert methods == {"HEAD": 2, "GET": 1}


async def test_a_proxy_that_begins_to_hide_what_head_asks_for_is_found_out(
    connect: Connect, holder: Holder
) -> None:
    clock = FakeClock()

    async with connect(patience=ONCE, clock=clock.clock()) as client:
        await client.digest(holder.ref())
        holder.head = Reply(404)
        with pytest.raises(NotFound):
            await client.digest(holder.ref())
        clock.passed_s += AGAIN_S + 1

        assert await client.digest(holder.ref()) == digest_of(OLD)


async def test_a_refusal_of_the_get_is_the_one_that_counts(connect: Connect, holder: Holder) -> None:
    holder.running.script = lambda seen: Reply(405 if seen.method == "HEAD" else 403)

    async with connect(patience=ONCE) as client:
        with pytest.raises(RegistryRefused, match="HTTP 403"):
            await client.digest(holder.ref())


async def test_a_body_that_its_header_does_not_fit_is_unavailable(connect: Connect, holder: Holder) -> None:
    holder.head = Reply(405)
    holder.headers = {"docker-content-digest": str(digest_of(NEW))}

    async with connect(patience=ONCE) as client:
        with pytest.raises(RegistryUnavailable, match="its header says"):
            await client.digest(holder.ref())


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"<html>maintenance</html>", "no manifest"),
        (b'{"errors": []}', "no manifest"),
        (b"{" + b" " * 5000, "over 4096 bytes"),
        (b'{"schemaVersion": 2, "manifests": [], "layers": []}', "no manifest"),
    ],
)
async def test_an_answer_that_is_no_manifest_never_counts_as_a_digest(
    connect: Connect, holder: Holder, body: bytes, rule: str
) -> None:
    holder.running.script = [Reply(200, {"content-type": "text/html"}, body)]

    async with connect(patience=ONCE, limits=Limits(manifest=4096)) as client:
        with pytest.raises(RegistryError, match=rule):
            await client.digest(holder.ref())


@pytest.mark.parametrize("status", [200, 404, 405, 501])
async def test_what_a_registry_in_trouble_answers_says_nothing_of_head(
    connect: Connect, holder: Holder, status: int
) -> None:
    holder.running.script = lambda seen: Reply(status if seen.method == "HEAD" else 200, {}, b"<html>")

    async with connect(patience=ONCE) as client:
        with pytest.raises(RegistryUnavailable):
            await client.digest(holder.ref())
        holder.running.script = holder
        holder.asked()
        await client.digest(holder.ref())

    assert holder.asked() == ["HEAD"]


async def test_a_poll_leaves_the_last_pulls_to_builds_though_head_tells_nothing(
    connect: Connect, holder: Holder
) -> None:
    holder.head = Reply(405)
    holder.headers = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "3;w=21600"}

    async with connect(patience=Patience(attempts=1, total_s=0, yields=True)) as client:
        await client.digest(holder.ref())
        with pytest.raises(RateLimited, match="kept for builds"):
            await client.digest(holder.ref())
        of_build = await client.with_patience(ONCE).digest(holder.ref())

    assert of_build == digest_of(OLD)


async def test_a_digest_of_another_algorithm_is_computed_by_that(connect: Connect, holder: Holder) -> None:
    holder.head = Reply(405)
    pinned = Digest("sha512", hashlib.sha512(OLD).hexdigest())
    holder.headers = {"docker-content-digest": str(pinned)}

    async with connect(patience=ONCE) as client:
        assert await client.digest(holder.ref()) == pinned


def test_what_is_remembered_of_repositories_is_bounded_and_the_newest_stay() -> None:
    heads = Heads(FakeClock().clock())

    for number in range(REMEMBERED_MOST + 1):
        heads.answered(f"r{number}")

    assert 404 in heads.doubtful("r0")
    assert 404 not in heads.doubtful(f"r{REMEMBERED_MOST}")
