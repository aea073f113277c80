"""`tracker token`: make, list and revoke tokens for the API."""

from __future__ import annotations

from datetime import timedelta

import click

from graph.clock import now, to_text
from graph.database import immediate
from graph.errors import WrongUse
from rebuild.api_token import ApiToken, ApiTokens, Scope
from tracker.cli.habits import json_option
from tracker.cli.looking import find_place
from tracker.cli.main import Place
from tracker.cli.table import Row, print_json, print_rows
from tracker.written_settings import duration_s


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
@click.pass_obj
def create(place: Place, name: str, scopes: tuple[str, ...], expires: str | None) -> None:
    """Make a token called NAME and print it, this once: only its hash is kept."""
    state, _ = find_place(place)
    allowed = [Scope(scope) for scope in scopes] or [Scope.READ, Scope.RUN]
    at = now()
    connection = state.write()
    try:
        with immediate(connection):
            made, text = ApiTokens(connection).create(
                name, allowed, at, expires_at=at + _life(expires) if expires else None
            )
    finally:
        connection.close()
    click.echo(text.reveal())
    click.echo(f"token {made.name} ({_scopes(made)}): keep it now, it is not shown again", err=True)


@token.command("list")
@json_option("Print them as JSON.")
@click.pass_obj
def list_tokens(place: Place, as_json: bool) -> None:
    """List the tokens, without their texts."""
    state, _ = find_place(place)
    connection = state.read()
    try:
        tokens = ApiTokens(connection).list()
    finally:
        connection.close()
    if as_json:
        print_json([_plain(one) for one in tokens])
    elif tokens:
        print_rows(Row("NAME", ("SCOPES", "CREATED", "LAST USED", "EXPIRES")), [_row(one) for one in tokens])
    else:
        click.echo("there are no tokens; 'tracker token create NAME' makes one", err=True)


@token.command("revoke")
@click.argument("name")
@click.pass_obj
def revoke(place: Place, name: str) -> None:
    """Make the token called NAME worthless at once."""
    state, _ = find_place(place)
    connection = state.write()
    try:
        with immediate(connection):
            ApiTokens(connection).revoke(name)
    finally:
        connection.close()
    click.echo(f"token {name} is revoked", err=True)


def _life(text: str) -> timedelta:
    try:
        return timedelta(seconds=float(str(duration_s(text))))
    except (ValueError, OverflowError):
        raise WrongUse(f"--expires {text[:40]!r} is no time", hint="write 90d, 12h or 30m") from None


def _scopes(one: ApiToken) -> str:
    return ",".join(sorted(one.scopes))


def _row(one: ApiToken) -> Row:
    used, end = one.last_used_at, one.expires_at
    return Row(
        one.name,
        (
            _scopes(one),
            f"{one.created_at:%Y-%m-%d}",
            f"{used:%Y-%m-%d %H:%M}" if used else "never",
            f"{end:%Y-%m-%d %H:%M}" if end else "never",
        ),
    )


def _plain(one: ApiToken) -> dict[str, object]:
    return {
        "name": one.name,
        "scopes": sorted(one.scopes),
        "created_at": to_text(one.created_at),
        "last_used_at": one.last_used_at and to_text(one.last_used_at),
        "expires_at": one.expires_at and to_text(one.expires_at),
    }
