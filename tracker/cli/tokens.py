"""`tracker token`: make, list and revoke tokens for the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import click

from graph.errors import WrongUse
from rebuild.secrets.api_token import ApiTokens, Scope
from tracker.cli.changing import changed
from tracker.cli.habits import json_option
from tracker.cli.looking import looking
from tracker.cli.main import Place
from tracker.cli.table import Row, print_json, print_rows
from tracker.remote.asked_json import Route, asked_json, quoted
from tracker.remote.service import ServerAsked, server_options
from tracker.settings.written import duration_s
from tracker.tokens import TokenAsked, make_token, revoke_token, token_json


@click.group()
def token() -> None:
    """Tokens with which other programs use the API of the service."""


@token.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([str(scope) for scope in Scope]),
    help="What it allows; repeat for more. Default: read and run.",
)
@click.option("--expires", metavar="TIME", help="When it ends, from now: 90d, 12h. Default: never.")
@server_options
@click.pass_obj
def create(
    place: Place, name: str, scopes: tuple[str, ...], expires: str | None, server: ServerAsked
) -> None:
    """Make a token called NAME and print it, this once: only its hash is kept."""
    allowed = [Scope(scope) for scope in scopes] or [Scope.READ, Scope.RUN]
    asked = TokenAsked(name=name, scopes=allowed, expires_s=_life_s(expires) if expires else None)
    route = Route("POST", "/tokens", asked_json(asked))
    made = changed(place, server, route, lambda change: make_token(change, asked))
    click.echo(made["text"])
    scopes_text = _scopes(made["token"])
    click.echo(f"token {name} ({scopes_text}): keep it now, it is not shown again", err=True)


@token.command("list")
@json_option("Print them as JSON.")
@server_options
@click.pass_obj
def list_tokens(place: Place, as_json: bool, server: ServerAsked) -> None:
    """List the tokens, without their texts."""
    service = server.for_looking(place)
    if service is not None:
        tokens = service.get("/tokens")
    else:
        with looking(place) as look:
            tokens = [token_json(one) for one in ApiTokens(look.sql).list()]
    if as_json:
        print_json(tokens)
    elif tokens:
        print_rows(Row("NAME", ("SCOPES", "CREATED", "LAST USED", "EXPIRES")), [_row(one) for one in tokens])
    else:
        click.echo("there are no tokens; 'tracker token create NAME' makes one", err=True)


@token.command("revoke")
@click.argument("name")
@server_options
@click.pass_obj
def revoke(place: Place, name: str, server: ServerAsked) -> None:
    """Make the token called NAME worthless at once."""
    route = Route("DELETE", f"/tokens/{quoted(name)}")
    changed(place, server, route, lambda change: revoke_token(change, name))
    click.echo(f"token {name} is revoked", err=True)


def _life_s(text: str) -> float:
    try:
        seconds = float(str(duration_s(text)))
        timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        raise WrongUse(f"--expires {text[:40]!r} is no time", hint="write 90d, 12h or 30m") from None
    return seconds


def _scopes(one: Mapping[str, Any]) -> str:
    return ",".join(one["scopes"])


def _row(one: Mapping[str, Any]) -> Row:
    used = _minute(one["last_used_at"])
    return Row(one["name"], (_scopes(one), one["created_at"][:10], used, _minute(one["expires_at"])))


def _minute(text: str | None) -> str:
    return text[:16].replace("T", " ") if text else "never"
