"""Webhooks are signed as Standard Webhooks has it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuild.secrets.secret import Secret
from tracker.outbound.signature import SigningKey, signed_headers

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_signature_is_that_of_the_published_example() -> None:
    """The example of the specification's own libraries."""
    key = SigningKey.parse(Secret(SECRET))

    signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(body=st.binary(max_size=200), delivery=st.from_regex(r"msg_[0-9a-f]{32}", fullmatch=True))
def test_who_has_the_secret_finds_the_signature_right(body: bytes, delivery: str) -> None:
    headers = signed_headers([SigningKey.parse(Secret(SECRET))], delivery, body, NOON)

    content = f"{delivery}.{int(NOON.timestamp())}.".encode() + body
    expected = hmac.digest(base64.b64decode(SECRET.removeprefix("whsec_")), content, hashlib.sha256)
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
    assert headers["webhook-timestamp"] == str(int(NOON.timestamp()))


@pytest.mark.parametrize(
    ("secret", "after_s", "is_ours"),
    [(SECRET, 1, True), ("whsec_" + "A" * 32, 1, False), (SECRET, 400, False)],
)
def test_the_way_that_the_page_shows_tells_ours_from_others(secret: str, after_s: int, is_ours: bool) -> None:
    page = (Path(__file__).parents[3] / "docs/notifications.md").read_text()
    shown: dict[str, Any] = {"base64": base64, "hmac": hmac}
    exec(page.split("```python\n")[1].split("```")[0], shown)

    headers = signed_headers([SigningKey.parse(Secret(SECRET))], "msg_1", b'{"a": 1}', NOON)

    now = NOON.timestamp() + after_s
    assert shown["is_from_tracker"](headers, b'{"a": 1}', secret, now) is is_ours


def test_each_of_several_keys_signs() -> None:
    keys = [SigningKey(b"a" * 24), SigningKey(b"b" * 24)]

    signatures = signed_headers(keys, "msg_1", b"{}", NOON)["webhook-signature"].split(" ")

    assert signatures == [key.sign("msg_1", int(NOON.timestamp()), b"{}") for key in keys]


@pytest.mark.parametrize(
    "text", ["", "plain", "whsec_", "whsec_short", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "A" * 400]
)
def test_what_is_no_signing_secret_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="a signing secret is whsec_") as caught:
        SigningKey.parse(Secret(text))

    assert not text or text == "whsec_" or text not in str(caught.value)
