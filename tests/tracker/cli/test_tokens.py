"""`tracker token`: a token is shown once, listed without its text, and revoked."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from graph.clock import now
from rebuild.secrets.api_token import ApiTokens, Scope
from tests.tracker.cli.conftest import Tracker


def test_a_token_is_printed_once_and_works(tracker: Tracker, tmp_path: Path) -> None:
    made = tracker("token", "create", "ci", "--scope", "write", "--expires", "90d")

    text = made.out.strip()
    assert made.status == 0
    assert made.err == "token ci (write): keep it now, it is not shown again\n"
    assert text not in tracker("token", "list", "--json").out
    with sqlite3.connect(tmp_path / "state/graph.db") as connection:
        found = ApiTokens(connection).check(text, now())
    connection.close()
    assert found is not None
    assert found.scopes == {Scope.WRITE}
    assert found.expires_at is not None
    assert timedelta(days=89) < found.expires_at - now() < timedelta(days=91)


def test_the_list_shows_everything_but_texts(tracker: Tracker) -> None:
    tracker("token", "create", "ci")

    (heads, line) = tracker("token", "list").lines

    assert heads.split() == ["NAME", "SCOPES", "CREATED", "LAST", "USED", "EXPIRES"]
    assert line.split()[:2] == ["ci", "read,run"]
    assert [one["name"] for one in tracker("token", "list", "--json").json] == ["ci"]


def test_a_revoked_token_is_gone(tracker: Tracker) -> None:
    tracker("token", "create", "ci")

    assert tracker("token", "revoke", "ci").status == 0
    assert "there are no tokens" in tracker("token", "list").err
    assert tracker("token", "revoke", "ci").status == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["create", "a b"], "is not valid"),
        (["create", "ci", "--scope", "all"], "not one of"),
        (["create", "ci", "--expires", "soon"], "is no time"),
        (["create", "ci", "--expires", "0s"], "expired already"),
        (["create", "ci", "--expires", f"{10**9}d"], "is no time"),
    ],
)
def test_wrong_use_is_told_and_makes_nothing(tracker: Tracker, words: list[str], said: str) -> None:
    answer = tracker("token", *words)

    assert (answer.status, answer.out) == (2, "")
    assert said in answer.err
