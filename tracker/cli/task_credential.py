"""`tracker task credential`: who a task is to registries. Shows no value of a secret."""

from __future__ import annotations

import click

from graph.clock import to_text
from graph.errors import WrongUse
from rebuild.credentials import RegistryCredentials, registry_of
from rebuild.secret_source import Opaque, Source, parse_source
from rebuild.stored_task import no_cipher
from rebuild.task import Tasks
from tracker.cli.changing import changing
from tracker.cli.looking import looking
from tracker.cli.main import Place
from tracker.cli.table import Row, print_json, print_rows
from tracker.cli.task_options import JSON, NAME, line_of_stdin, source_of

_SERVER = click.option(
    "--login-server", required=True, metavar="HOST", help="The registry: host or host:port."
)
_USER = click.option(
    "-u", "--username", metavar="SOURCE", help="A name, or env:V, file:PATH, vault:PATH#KEY. None: a token."
)
_PASSWORD = click.option("-p", "--password", metavar="SOURCE", help="env:V, file:PATH, vault:PATH#KEY.")
_STDIN = click.option("--password-stdin", is_flag=True, help="Take the password from standard input.")


@click.group("credential")
def credential() -> None:
    """The credentials of a task. They go before those of the user that tracker runs as."""


@credential.command("add")
@NAME
@_SERVER
@_USER
@_PASSWORD
@_STDIN
@click.pass_obj
def add(
    place: Place,
    name: str,
    login_server: str,
    username: str | None,
    password: str | None,
    password_stdin: bool,
) -> None:
    """Give the task NAME a credential for one more registry. A value is kept encrypted."""
    registry, source = registry_of(login_server), _password(password, password_stdin)
    if source is None:
        raise WrongUse("a credential needs a password", hint="give --password-stdin, or --password SOURCE")
    with changing(place) as change:
        kept = RegistryCredentials(change.sql, change.cipher)
        task_id = change.task(name).task_id
        kept.add(task_id, registry, username=_user(username), password=source, at=change.at)
    click.echo(f"task {name} has a credential for {registry}", err=True)


@credential.command("update")
@NAME
@_SERVER
@_USER
@_PASSWORD
@_STDIN
@click.pass_obj
def update(
    place: Place,
    name: str,
    login_server: str,
    username: str | None,
    password: str | None,
    password_stdin: bool,
) -> None:
    """Change what is given of a credential, and leave the rest."""
    registry, source = registry_of(login_server), _password(password, password_stdin)
    if source is None and username is None:
        raise WrongUse("nothing is to be changed", hint="give --username, --password or --password-stdin")
    with changing(place) as change:
        kept = RegistryCredentials(change.sql, change.cipher)
        task_id = change.task(name).task_id
        kept.update(task_id, registry, username=_user(username), password=source, at=change.at)
    click.echo(f"the credential of task {name} for {registry} is changed", err=True)


@credential.command("remove")
@NAME
@_SERVER
@click.pass_obj
def remove(place: Place, name: str, login_server: str) -> None:
    """Take a credential from the task NAME."""
    with changing(place) as change:
        RegistryCredentials(change.sql, change.cipher).remove(change.task(name).task_id, login_server)
    click.echo(f"task {name} has no credential for {registry_of(login_server)} any more", err=True)


@credential.command("list")
@NAME
@JSON
@click.pass_obj
def list_credentials(place: Place, name: str, as_json: bool) -> None:
    """List the credentials of the task NAME: where they come from, never what they are."""
    with looking(place) as look:
        stored = RegistryCredentials(look.sql, no_cipher).list(Tasks(look.sql).named(name).task_id)
    if as_json:
        print_json(
            [
                {
                    "registry": one.registry,
                    "username": one.username,
                    "password": one.password,
                    "updated_at": to_text(one.updated_at),
                }
                for one in stored
            ]
        )
    elif stored:
        rows = [Row(one.registry, (one.username or "-", one.password)) for one in stored]
        print_rows(Row("REGISTRY", ("USER NAME", "PASSWORD")), rows)
    else:
        click.echo(f"task {name} has no credentials; 'tracker task credential add' gives it one", err=True)


def _password(text: str | None, from_stdin: bool) -> Source | None:
    if text is not None and from_stdin:
        raise WrongUse("--password and --password-stdin exclude each other", hint="give one of them")
    if from_stdin:
        return Opaque(line_of_stdin("--password-stdin"))
    return None if text is None else source_of(text, "--password")


def _user(text: str | None) -> Source | None:
    """A name is no secret, and a source is one."""
    return None if text is None else parse_source(text)
