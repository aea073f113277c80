"""What may be told of an address, and what may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuild.secrets.mask import masked
from rebuild.secrets.secret import Secret
from tracker.outbound.address import hidden_parts, shown


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://example.com/hooks/t0ken", "https://example.com/…"),
        ("http://127.0.0.1:8080/hook?key=t0ken", "http://127.0.0.1:8080/…"),
        ("slack://t0ken-a/t0ken-b/t0ken-c", "slack://…"),
        ("mailto://user:password@example.com", "mailto://…"),
        ("https://[broken", "https://…"),
    ],
)
def test_only_the_host_of_a_web_address_is_shown(address: str, told: str) -> None:
    assert shown(Secret(address)) == told


@given(token=st.from_regex(r"[A-Za-z0-9_-]{6,30}", fullmatch=True))
@pytest.mark.parametrize(
    "form", ["slack://{}/b/c", "mailto://user:{}@example.com", "https://h/p/{}", "json://h/?key={}&b=c"]
)
def test_a_token_anywhere_in_an_address_is_hidden(form: str, token: str) -> None:
    parts = hidden_parts(Secret(form.format(token)))

    assert masked(f"no: {token}", parts) == "no: ***"
