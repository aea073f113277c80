"""The endpoint of a base-image trigger gets the update, the token that a run has left, or both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.clock import now
from graph.database import immediate
from rebuild.runs.outbox import Message, Outbox, update_lane
from rebuild.secrets.cipher import find_cipher
from rebuild.secrets.secret import Secret
from rebuild.secrets.update_token import remember_token
from rebuild.tasks.triggers import BaseImageTrigger, Payload, Triggers
from tests.graph_samples import Sample
from tests.real_receiver import Receiver
from tracker.outbound.delivery import Delivered, Delivery, NotDelivered
from tracker.outbound.dispatch import Dispatch
from tracker.outbound.update_trigger import UpdateTriggers

pytestmark = pytest.mark.anyio

TOKEN = "a-token-of-the-deployer"


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = Sample.make(tmp_path / "state")
    yield made
    made.sql.close()


def queued(sample: Sample, endpoint: str | None, payload: Payload, token: str | None = TOKEN) -> Message:
    task = sample.task("web", "localhost:5000/web:1")
    with immediate(sample.sql):
        Triggers(sample.sql).set_base_image(
            task.task_id, BaseImageTrigger(endpoint=endpoint, payload=payload)
        )
        if token is not None:
            remember_token(
                sample.sql, lambda: find_cipher(sample.state.folder, {}), task.task_id, Secret(token), now()
            )
        Outbox(sample.sql).put(
            update_lane("127.0.0.1"), {"task": "web", "images": []}, now(), task_id=task.task_id
        )
    (message,) = Outbox(sample.sql).all(2)
    return message


async def sent(sample: Sample, message: Message) -> Delivery:
    updates = UpdateTriggers(sample.sql, lambda: find_cipher(sample.state.folder, {}))
    return await Dispatch({}, now, updates).send(message)


async def test_by_default_it_is_the_update_with_the_token(sample: Sample, receiver: Receiver) -> None:
    message = queued(sample, receiver.url("/ok"), Payload.DEFAULT)

    assert isinstance(await sent(sample, message), Delivered)

    (request,) = receiver.got
    assert request.headers["content-type"] == "application/json"
    assert request.json == {
        "id": message.delivery, "task": "web", "images": [], "updateTriggerToken": TOKEN,
    }  # fmt: skip
    assert (request.delivery, "webhook-signature" in request.headers) == (message.delivery, False)


async def test_the_token_may_be_all_of_it(sample: Sample, receiver: Receiver) -> None:
    await sent(sample, queued(sample, receiver.url("/ok"), Payload.TOKEN))

    (request,) = receiver.got
    assert (request.body, request.headers["content-type"]) == (TOKEN, "text/plain; charset=utf-8")


@pytest.mark.parametrize("token", [None, ""])
async def test_without_a_token_the_update_has_none(
    sample: Sample, receiver: Receiver, token: str | None
) -> None:
    await sent(sample, queued(sample, receiver.url("/ok"), Payload.DEFAULT, token))

    (request,) = receiver.got
    assert isinstance(request.json, dict)
    assert request.json["updateTriggerToken"] is None


async def test_an_endpoint_that_was_taken_away_is_not_told(sample: Sample, receiver: Receiver) -> None:
    delivery = await sent(sample, queued(sample, None, Payload.DEFAULT))

    assert isinstance(delivery, NotDelivered)
    assert delivery.is_final


async def test_the_token_lies_nowhere_in_the_clear(sample: Sample, receiver: Receiver) -> None:
    message = queued(sample, receiver.url(f"/echo/{TOKEN}"), Payload.TOKEN)

    delivery = await sent(sample, message)

    assert isinstance(delivery, NotDelivered)
    assert TOKEN not in delivery.why
    assert TOKEN not in "\n".join(sample.sql.iterdump()).replace(f"/echo/{TOKEN}", "")
