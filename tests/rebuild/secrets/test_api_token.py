"""Tokens for the API: shown once, kept as hashes, gone when they are revoked or over."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.errors import WrongUse
from rebuild.secrets.api_token import ApiTokens, Scope, UnknownToken, is_use_noted
from tests.rebuild.secrets.conftest import NOW, content_of

LATER = NOW + timedelta(days=1)


def test_a_token_is_known_by_its_text(sql: sqlite3.Connection) -> None:
    tokens = ApiTokens(sql)
    tokens.create("other", [Scope.READ], NOW)
    made, text = tokens.create("ci", [Scope.RUN, Scope.READ], NOW)

    assert tokens.check(text.reveal(), LATER) == made
    assert made.scopes == {Scope.READ, Scope.RUN}


def test_a_token_begins_so_that_scanners_know_it_and_is_long(sql: sqlite3.Connection) -> None:
    _, text = ApiTokens(sql).create("ci", [Scope.READ], NOW)

    assert text.reveal().startswith("trk_")
    assert len(text.reveal()) == 47


def test_only_the_hash_is_kept(sql: sqlite3.Connection) -> None:
    _, text = ApiTokens(sql).create("ci", [Scope.READ], NOW)

    assert text.reveal().removeprefix("trk_") not in content_of(sql)
    assert "ci" in content_of(sql)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_no_other_text_is_a_token(sql: sqlite3.Connection, text: str) -> None:
    if not ApiTokens(sql).list():
        ApiTokens(sql).create("ci", [Scope.READ], NOW)

    assert ApiTokens(sql).check(text, NOW) is None
    assert ApiTokens(sql).check(f"trk_{text}", NOW) is None


def test_a_token_ends_at_its_time(sql: sqlite3.Connection) -> None:
    made, text = ApiTokens(sql).create("ci", [Scope.READ], NOW, expires_at=LATER)

    assert ApiTokens(sql).check(text.reveal(), LATER - timedelta(seconds=1)) == made
    assert ApiTokens(sql).check(text.reveal(), LATER) is None


def test_a_revoked_token_is_nothing(sql: sqlite3.Connection) -> None:
    tokens = ApiTokens(sql)
    _, text = tokens.create("ci", [Scope.READ], NOW)

    tokens.revoke("ci")

    assert tokens.check(text.reveal(), NOW) is None
    with pytest.raises(UnknownToken, match="no token 'ci'"):
        tokens.revoke("ci")


def test_the_last_use_is_noted_once_a_minute(sql: sqlite3.Connection) -> None:
    tokens = ApiTokens(sql)
    made, _ = tokens.create("ci", [Scope.READ], NOW)
    assert not is_use_noted(made, NOW)

    tokens.note_use(made, NOW)

    (noted,) = tokens.list()
    assert noted.last_used_at == NOW
    assert is_use_noted(noted, NOW + timedelta(seconds=59))
    assert not is_use_noted(noted, NOW + timedelta(seconds=60))


@pytest.mark.parametrize("name", ["", "-a", "a b", "x" * 65, "a\n"])
def test_a_name_that_is_none_is_refused(sql: sqlite3.Connection, name: str) -> None:
    with pytest.raises(WrongUse, match="is not valid"):
        ApiTokens(sql).create(name, [Scope.READ], NOW)


def test_a_second_token_of_a_name_a_past_end_and_no_scope_are_refused(sql: sqlite3.Connection) -> None:
    tokens = ApiTokens(sql)
    tokens.create("ci", [Scope.READ], NOW)

    with pytest.raises(WrongUse, match="already"):
        tokens.create("ci", [Scope.READ], NOW)
    with pytest.raises(WrongUse, match="expired"):
        tokens.create("b", [Scope.READ], NOW, expires_at=NOW)
    with pytest.raises(WrongUse, match="without a scope"):
        tokens.create("b", [], NOW)
