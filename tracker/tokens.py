"""What is asked of the tokens for the API, as values, and carried out. Checks no caller."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from graph.clock import to_text
from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.secrets.api_token import ApiToken, ApiTokens, Scope
from tracker.change import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAsked:
    """A new token; it ends so long after it was made, or never."""

    name: str
    scopes: Sequence[Scope]
    expires_s: float | None = None


def make_token(change: Change, asked: TokenAsked) -> dict[str, Any]:
    """The token, and its text this once. Raises `WrongUse`."""
    end = None
    try:
        if asked.expires_s is not None:
            end = change.at + timedelta(seconds=asked.expires_s)
    except (OverflowError, ValueError):
        raise WrongUse("a token cannot last that long", hint="leave the end out: it lasts for ever") from None
    made, text = ApiTokens(change.sql).create(asked.name, asked.scopes, change.at, expires_at=end)
    return {"token": token_json(made), "text": text.reveal()}


def revoke_token(change: Change, name: str) -> None:
    """Raises `rebuild.secrets.api_token.UnknownToken`."""
    ApiTokens(change.sql).revoke(name)


def token_json(one: ApiToken) -> dict[str, Any]:
    """All that may be shown of a token."""
    return {
        "name": one.name,
        "scopes": sorted(one.scopes),
        "created_at": to_text(one.created_at),
        "last_used_at": one.last_used_at and to_text(one.last_used_at),
        "expires_at": one.expires_at and to_text(one.expires_at),
    }
