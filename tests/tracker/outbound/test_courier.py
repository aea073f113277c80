"""The courier works the outbox off: every receiver by itself, until each message is taken or given up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from graph.clock import now
from graph.database import immediate
from rebuild.runs.outbox import Kind, Message, Outbox
from rebuild.secrets.secret import Secret
from tests.graph_samples import Sample
from tests.real_receiver import KEY, Receiver
from tracker.metrics import Metrics
from tracker.outbound.announce import Announcer
from tracker.outbound.channel import Channel
from tracker.outbound.courier import Courier
from tracker.outbound.delivery import Delivered, Delivery, Persistence
from tracker.outbound.dispatch import Dispatch
from tracker.outbound.document import of_test
from tracker.outbound.notice import Wants
from tracker.outbound.signature import SigningKey

pytestmark = pytest.mark.anyio

SOON_S = 60.0  # the most that anything here may take on a busy machine
AT_ONCE = Persistence(first_s=0.01, most_s=0.05, tries_most=5, rest_most_s=0.05)


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = Sample.make(tmp_path / "state")
    yield made
    made.sql.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(SOON_S):
        while not condition():  # noqa: ASYNC110  # another process makes it true
            await asyncio.sleep(0.01)


def webhook(receiver: Receiver, path: str, *, name: str = "ops", timeout_s: float = SOON_S) -> Channel:
    key = SigningKey.parse(Secret(KEY))
    return Channel(name, Kind.WEBHOOK, (Secret(receiver.url(path)),), Wants(), (key,), timeout_s=timeout_s)


@dataclass
class Rig:
    sample: Sample
    metrics: Metrics
    channels: dict[str, Channel]

    def put(self, *names: str) -> None:
        with immediate(self.sample.sql):
            for name in names:
                lane = self.channels[name].lanes[0]
                Outbox(self.sample.sql).put(lane, of_test(name, now()), now())

    @property
    def waiting(self) -> list[Message]:
        return Outbox(self.sample.sql).all(1000)

    async def until_sent(self) -> None:
        await until(lambda: not self.waiting)

    def count(self, result: str) -> float | None:
        labels = {"by": "webhook", "result": result}
        return self.metrics.registry.get_sample_value("tracker_messages_total", labels)


@contextlib.asynccontextmanager
async def courier(
    sample: Sample, *channels: Channel, persistence: Persistence = AT_ONCE, lanes_most: int = 8
) -> AsyncIterator[Rig]:
    named = {channel.name: channel for channel in channels}
    rig = Rig(sample, Metrics(), named)
    part = Courier(
        sample.sql,
        Announcer(named),
        Dispatch(named, now).send,
        rig.metrics,
        now,
        persistence=persistence,
        tick_s=0.02,
        lanes_most=lanes_most,
    )
    working = asyncio.create_task(part.work())
    try:
        yield rig
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def test_a_message_arrives_signed_and_leaves_the_queue(sample: Sample, receiver: Receiver) -> None:
    async with courier(sample, webhook(receiver, "/ok")) as rig:
        rig.put("ops")
        await rig.until_sent()

    (request,) = receiver.got
    assert request.is_signed_with(KEY)
    assert not request.is_signed_with("whsec_" + "A" * 32)
    assert request.json == {**of_test("ops", now()), "timestamp": request.json["timestamp"]}  # type: ignore[index]
    assert rig.count("delivered") == 1


async def test_a_message_is_tried_until_it_is_taken_under_one_id(sample: Sample, receiver: Receiver) -> None:
    async with courier(sample, webhook(receiver, "/flaky/2")) as rig:
        rig.put("ops")
        await rig.until_sent()

    assert len(receiver.got) == 3
    assert len({request.delivery for request in receiver.got}) == 1
    assert (rig.count("failed"), rig.count("delivered"), rig.count("given-up")) == (2, 1, 0)


async def test_a_message_that_nobody_takes_is_given_up(sample: Sample, receiver: Receiver) -> None:
    async with courier(sample, webhook(receiver, "/status/500")) as rig:
        rig.put("ops")
        await rig.until_sent()

    assert len(receiver.got) == AT_ONCE.tries_most
    assert (rig.count("failed"), rig.count("given-up")) == (AT_ONCE.tries_most - 1, 1)


async def test_who_is_gone_is_not_asked_twice(sample: Sample, receiver: Receiver) -> None:
    async with courier(sample, webhook(receiver, "/status/410")) as rig:
        rig.put("ops")
        await rig.until_sent()

    assert len(receiver.got) == 1


async def test_a_message_for_somebody_who_left_the_settings_is_dropped(
    sample: Sample, receiver: Receiver
) -> None:
    async with courier(sample, webhook(receiver, "/ok")) as rig:
        lane = replace(rig.channels["ops"].lanes[0], receiver="left")
        with immediate(sample.sql):
            Outbox(sample.sql).put(lane, of_test("left", now()), now())
        await rig.until_sent()

    assert receiver.got == []
    assert rig.count("given-up") == 1


async def test_a_receiver_that_hangs_holds_up_no_other(sample: Sample, receiver: Receiver) -> None:
    stuck = [webhook(receiver, "/hang", name=f"stuck-{number}") for number in range(3)]
    async with courier(sample, *stuck, webhook(receiver, "/ok"), lanes_most=4) as rig:
        rig.put("stuck-0", "stuck-1", "stuck-2", "stuck-0", "stuck-1")
        rig.put(*["ops"] * 20)
        await until(lambda: len(receiver.at("/ok")) == 20)

        assert len(receiver.at("/hang")) == 3


async def test_one_receiver_gets_one_message_after_another(sample: Sample, receiver: Receiver) -> None:
    async with courier(sample, webhook(receiver, "/slow")) as rig:
        rig.put("ops", "ops", "ops")
        await rig.until_sent()

    deliveries = [request.delivery for request in receiver.got]
    assert len(deliveries) == len(set(deliveries)) == 3


async def test_a_receiver_that_asks_for_time_gets_it_for_all_messages(
    sample: Sample, receiver: Receiver
) -> None:
    async with courier(sample, webhook(receiver, "/busy/3000"), persistence=Persistence(first_s=0.01)) as rig:
        rig.put("ops", "ops")
        await until(lambda: rig.count("failed") == 1)
        await asyncio.sleep(0.2)

        assert len(receiver.got) == 1
        later = sorted(message.due_at for message in rig.waiting)[-1]
        assert later - now() > timedelta(seconds=2900)


async def test_what_is_being_sent_at_the_end_is_sent_again_under_its_id(
    sample: Sample, receiver: Receiver
) -> None:
    async with courier(sample, webhook(receiver, "/hang")) as rig:
        rig.put("ops")
        await until(lambda: receiver.got)
    async with courier(sample, webhook(receiver, "/ok")) as rig:
        await rig.until_sent()

    first, second = receiver.got
    assert first.delivery == second.delivery


async def test_a_defect_of_a_sender_does_not_end_the_courier(sample: Sample, receiver: Receiver) -> None:
    async def send(message: Message) -> Delivery:
        if message.lane.receiver == "broken":
            raise RuntimeError("a defect")
        return Delivered("taken")

    metrics = Metrics()
    part = Courier(sample.sql, Announcer({}), send, metrics, now, tick_s=0.02)
    channels = {name: webhook(receiver, "/ok", name=name) for name in ("broken", "ops")}
    rig = Rig(sample, metrics, channels)
    working = asyncio.create_task(part.work())
    rig.put("broken", "ops")
    await until(lambda: len(rig.waiting) == 1)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)

    (message,) = rig.waiting
    assert (message.lane.receiver, message.tries) == ("broken", 1)
    assert message.fault == "a fault of tracker itself: RuntimeError"
