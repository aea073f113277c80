"""A secret shows itself to nobody but the one who asks it by name."""

from __future__ import annotations

import json
import pickle
import traceback

import httpx
import pytest

from rebuild.secrets.secret import Secret
from tracker.registry import IdentityToken, Login
from tracker.registry.credentials import basic_header
from tracker.registry.token_server import token_request

HIDDEN = Secret("hunter2")


@pytest.mark.parametrize("shown", [str(HIDDEN), repr(HIDDEN), f"{HIDDEN:>20}", f"{[HIDDEN]}"])
def test_no_way_of_printing_shows_it(shown: str) -> None:
    assert "***" in shown and "hunter2" not in shown


def test_it_is_neither_pickled_nor_written_as_json() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(HIDDEN)
    with pytest.raises(TypeError):
        json.dumps(HIDDEN)


def test_equal_secrets_are_equal() -> None:
    assert Secret("é") == Secret("é") != Secret("e")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_only_reveal_gives_the_text() -> None:
    assert HIDDEN.reveal() == "hunter2"


def test_a_request_for_a_token_does_not_show_what_it_carries() -> None:
    realm = httpx.URL("https://auth.example.com/token")
    login, identity = Login("user", HIDDEN), IdentityToken(HIDDEN)

    shown = [
        repr(token_request(realm, "s", ("app",), credential, limit=1)) for credential in (login, identity)
    ]

    assert all("hunter2" not in text and basic_header(login) not in text for text in shown)


def test_a_traceback_through_a_login_does_not_show_it() -> None:
    try:
        raise ValueError(Login("user", HIDDEN))
    except ValueError as error:
        assert "hunter2" not in "".join(traceback.format_exception(error))
