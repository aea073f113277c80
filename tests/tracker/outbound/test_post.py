"""Posting to a real receiver that does what receivers do."""

from __future__ import annotations

import socket

import pytest

from rebuild.secrets.secret import Secret
from tests.real_receiver import Receiver
from tracker.outbound.delivery import Delivered, Delivery, NotDelivered
from tracker.outbound.post import Parcel, Post

pytestmark = pytest.mark.anyio

LONG_S = 60.0
SHORT_S = 0.3


async def posted(address: str, timeout_s: float = LONG_S, *secrets: str) -> Delivery:
    parcel = Parcel(Secret(address), b"{}", {"webhook-id": "msg_1"}, tuple(map(Secret, secrets)))
    return await Post().send(parcel, timeout_s=timeout_s)


async def refused(address: str, timeout_s: float = LONG_S, *secrets: str) -> NotDelivered:
    delivery = await posted(address, timeout_s, *secrets)
    assert isinstance(delivery, NotDelivered)
    return delivery


async def test_what_is_taken_is_delivered_with_what_the_receiver_said(receiver: Receiver) -> None:
    assert await posted(receiver.url("/ok")) == Delivered('HTTP 200: {"taken": true}')
    assert [request.body for request in receiver.got] == ["{}"]


async def test_a_fault_of_the_receiver_is_one_of_all_messages(receiver: Receiver) -> None:
    assert await refused(receiver.url("/status/500")) == NotDelivered("HTTP 500: as asked", is_down=True)


@pytest.mark.parametrize("status", [400, 401, 404, 422])
async def test_a_refusal_may_pass(receiver: Receiver, status: int) -> None:
    assert await refused(receiver.url(f"/status/{status}")) == NotDelivered(f"HTTP {status}: as asked")


async def test_who_is_gone_is_not_asked_again(receiver: Receiver) -> None:
    assert (await refused(receiver.url("/status/410"))).is_final


async def test_a_receiver_that_is_busy_says_when_to_come_again(receiver: Receiver) -> None:
    delivery = await refused(receiver.url("/busy/17"))

    assert (delivery.retry_after_s, delivery.is_down) == (17.0, True)


async def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    delivery = await refused(receiver.url("/redirect"))

    assert delivery.why == "HTTP 302, a redirect"
    assert delivery.hint is not None
    assert [request.path for request in receiver.got] == ["/redirect"]


async def test_a_receiver_that_hangs_costs_its_time_limit(receiver: Receiver) -> None:
    assert await refused(receiver.url("/hang"), SHORT_S) == NotDelivered(
        f"no answer within {SHORT_S:g} s", is_down=True
    )


async def test_a_connection_that_breaks_off_is_told(receiver: Receiver) -> None:
    delivery = await refused(receiver.url("/reset"))

    assert delivery == NotDelivered("the connection was closed before the answer was whole", is_down=True)


async def test_of_an_answer_without_end_the_beginning_is_read(receiver: Receiver) -> None:
    delivery = await posted(receiver.url("/huge"))

    assert isinstance(delivery, Delivered)
    assert len(delivery.answer) < 300


async def test_nobody_there_is_told() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/"

        assert await refused(address) == NotDelivered("cannot connect: Connection refused", is_down=True)


async def test_a_receiver_that_speaks_no_tls_is_told_with_a_way_out(receiver: Receiver) -> None:
    delivery = await refused(receiver.url("/ok").replace("http:", "https:"))

    assert delivery.why.startswith("TLS failed: ")
    assert "ca_file" in str(delivery.hint)


async def test_what_the_receiver_repeats_of_a_secret_is_hidden(receiver: Receiver) -> None:
    by_path = await refused(receiver.url("/echo/s3cret-path?key=s3cret-query"))
    by_token = await refused(receiver.url("/echo/token-in-the-body"), LONG_S, "token-in-the-body")

    assert by_path.why == "HTTP 500: what is /echo/***?key=***?"
    assert by_token.why == "HTTP 500: what is /echo/***?"
