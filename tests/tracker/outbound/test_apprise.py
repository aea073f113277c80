"""Apprise, in a process of its own, to a real receiver by its json:// service."""

from __future__ import annotations

import pytest

from rebuild.secrets.secret import Secret
from tests.real_receiver import Receiver
from tracker.outbound.apprise_process import send_by_apprise
from tracker.outbound.delivery import Delivered, Delivery, NotDelivered
from tracker.outbound.words import Mood, Words

pytestmark = pytest.mark.anyio

WORDS = Words("tracker: web failed", "web failed after 3s.\nError: <b>no</b> \u2192 \u2717", Mood.BAD)


async def sent(receiver: Receiver, path: str, timeout_s: float = 60.0) -> Delivery:
    address = Secret(f"json://127.0.0.1:{receiver.port}{path}")
    return await send_by_apprise(address, WORDS, timeout_s=timeout_s)


async def test_a_message_arrives_as_it_was_worded(receiver: Receiver) -> None:
    assert isinstance(await sent(receiver, "/ok"), Delivered)

    (request,) = receiver.got
    told = request.json
    assert isinstance(told, dict)
    assert (told["title"], told["message"], told["type"]) == (WORDS.subject, WORDS.body, "failure")


async def test_a_service_that_does_not_take_it_is_told(receiver: Receiver) -> None:
    delivery = await sent(receiver, "/status/503")

    assert isinstance(delivery, NotDelivered)
    assert "503" in delivery.why


async def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    assert isinstance(await sent(receiver, "/redirect"), NotDelivered)
    assert [request.path for request in receiver.got] == ["/redirect"]


async def test_a_service_that_hangs_ends_with_its_time(receiver: Receiver) -> None:
    assert isinstance(await sent(receiver, "/hang", 0.5), NotDelivered)


async def test_an_answer_without_end_harms_nobody(receiver: Receiver) -> None:
    assert isinstance(await sent(receiver, "/huge", 3.0), NotDelivered)


async def test_an_address_that_apprise_does_not_know_is_final_and_not_shown() -> None:
    delivery = await send_by_apprise(Secret("nope://t0ken-of-somebody"), WORDS, timeout_s=60.0)

    assert isinstance(delivery, NotDelivered)
    assert delivery.is_final
    assert delivery.why == "apprise does not understand this address, nope://…"
