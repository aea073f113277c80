"""`tracker key`: the key that encrypts stored passwords and secrets: check it, renew it. Shows no value."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from graph.database import immediate
from graph.errors import TrackerError, WrongUse
from rebuild.secrets.cipher import CREDENTIAL, KEY_FILE, Cipher, credential_keys
from rebuild.secrets.key_file import new_key, read_keys, replace_key_file
from rebuild.secrets.sealed import check_sealed, reseal, sealed_values
from rebuild.secrets.secret import Secret
from tracker.cli.habits import json_option
from tracker.cli.looking import find_place
from tracker.cli.main import Place
from tracker.cli.table import print_json
from tracker.state import State

_CLOSED_SHOWN = 20
_KEYS = click.option(
    "--keys",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="The keys in this file, in the place of the service's; repeat for more. The first one encrypts.",
)


@click.group()
def key() -> None:
    """The key that encrypts the passwords and secrets kept with tasks."""


@key.command("check")
@_KEYS
@json_option("Print it as JSON.")
@click.pass_obj
def check(place: Place, files: tuple[Path, ...], as_json: bool) -> None:
    """Try the keys on every stored value. Fails where one does not open."""
    state, _ = find_place(place)
    connection = state.read()
    try:
        if not sealed_values(connection):
            found = check_sealed(connection, Cipher([new_key()]))
        else:
            found = check_sealed(connection, Cipher(_keys(state, files)))
    finally:
        connection.close()
    if as_json:
        print_json({"current": found.current, "older": found.older, "closed": list(found.closed)})
    else:
        click.echo(f"{found.current} values open with the first key, {found.older} only with an older one")
    if found.closed:
        raise _closed(found.closed, state)


def _closed(places: tuple[str, ...], state: State) -> TrackerError:
    more = f" and {len(places) - _CLOSED_SHOWN} others" if len(places) > _CLOSED_SHOWN else ""
    back = f"as one more line of {state.folder / KEY_FILE} or of the credential {CREDENTIAL}"
    return TrackerError(
        f"no key opens {len(places)} values: {', '.join(places[:_CLOSED_SHOWN])}{more}",
        hint=f"put the key that they were encrypted with back, {back}, or set them anew; all other values "
        "serve as before",
    )


@key.command("rotate")
@click.pass_obj
def rotate(place: Place) -> None:
    """Make a new key, encrypt every value with it, and take the old keys out of the key file.

    A running service takes the new key by itself. Killed in between, do it again.
    """
    state, _ = find_place(place)
    path = state.folder / KEY_FILE
    if credential_keys(os.environ) is not None:
        raise WrongUse(
            f"the key is the credential {CREDENTIAL}, which tracker cannot change",
            hint="docs/credentials.md says how to rotate it, with 'tracker key reseal'",
        )
    old = read_keys(path)
    if not old:
        raise WrongUse(
            f"there is no key file {path}",
            hint=f"the first stored value makes it; where the service has the credential {CREDENTIAL}, "
            "docs/credentials.md says how to rotate that",
        )
    new = new_key()
    # From here on whoever encrypts does it with the new key, and the old ones still open.
    replace_key_file(path, [new, *old])
    with _writing(state) as sql:
        count = reseal(sql, Cipher([new, *old]))
    with _writing(state) as sql:  # nobody writes meanwhile
        if left := check_sealed(sql, Cipher([new])).closed:
            raise TrackerError(f"the {left[0]} was written with an old key meanwhile", hint="do it again")
        replace_key_file(path, [new])
    click.echo(f"{count} values are encrypted with a new key; the old one opens nothing any more", err=True)
    click.echo("backups of the database from before still need the old key", err=True)


@key.command("reseal")
@_KEYS
@click.pass_obj
def reseal_command(place: Place, files: tuple[Path, ...]) -> None:
    """Encrypt every value with the first key, so that the others may go. Changes all values, or none."""
    state, _ = find_place(place)
    with _writing(state) as sql:
        count = reseal(sql, Cipher(_keys(state, files))) if sealed_values(sql) else 0
    click.echo(f"{count} values are encrypted with the first key; no other is needed", err=True)


def _keys(state: State, files: tuple[Path, ...]) -> list[Secret]:
    if files:
        return [key for file in files for key in read_keys(file)]
    own = read_keys(state.folder / KEY_FILE)
    found = [*(credential_keys(os.environ) or ()), *own]
    if not found:
        raise WrongUse(
            f"there is no key here: neither {state.folder / KEY_FILE} nor the credential {CREDENTIAL}",
            hint="name a file that holds it with --keys",
        )
    return found


@contextmanager
def _writing(state: State) -> Iterator[sqlite3.Connection]:
    """One transaction."""
    connection = state.write()
    try:
        with immediate(connection):
            yield connection
    finally:
        connection.close()
