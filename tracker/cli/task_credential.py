"""`tracker task credential`: who a task is to registries. Shows no value of a secret."""

from __future__ import annotations

import functools
from collections.abc import Callable

import click

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.secrets.credentials import registry_of
from rebuild.secrets.secret_source import Opaque, Source, parse_source
from tracker.cli.changing import changed
from tracker.cli.main import Place
from tracker.cli.seen import seen
from tracker.cli.table import Row, print_json, print_rows
from tracker.cli.task_options import JSON, NAME, line_of_stdin, source_of
from tracker.remote.asked_json import Route, asked_json, quoted
from tracker.remote.service import ServerAsked, server_options
from tracker.tasks.parts import (
    CredentialAsked,
    add_credential,
    check_new,
    remove_credential,
    update_credential,
)
from tracker.views.tasks import TaskCredentials, credentials_view

_SERVER = click.option(
    "--login-server", required=True, metavar="HOST", help="The registry: host or host:port."
)
_LOGIN = (
    NAME,
    _SERVER,
    click.option(
        "-u",
        "--username",
        metavar="SOURCE",
        help="A name, or env:V, file:PATH, vault:PATH#KEY. None: a token.",
    ),
    click.option("-p", "--password", metavar="SOURCE", help="env:V, file:PATH, vault:PATH#KEY."),
    click.option("--password-stdin", is_flag=True, help="Take the password from standard input."),
    server_options,
)


@dataclass(frozen=True, slots=True)
class _Login:
    """What was typed, checked: for which registry of which task, and by which service."""

    name: str
    registry: str
    asked: CredentialAsked
    server: ServerAsked

    @property
    def path(self) -> str:
        return f"/tasks/{quoted(self.name)}/credentials"

    def say_where_read(self, place: Place) -> None:
        """Only where that is another machine, or may be one."""
        if self.server.for_change(place) is not None:
            from tracker.remote.saving import say_where_read

            say_where_read({"user name": self.asked.username, "password": self.asked.password})


def _login(command: Callable[[Place, _Login], None]) -> Callable[..., None]:
    """The options of a login, handed to the command as one value."""

    @functools.wraps(command)
    def typed(
        place: Place,
        name: str,
        login_server: str,
        username: str | None,
        password: str | None,
        password_stdin: bool,
        server: ServerAsked,
    ) -> None:
        # A name is no secret, and a source is one.
        user = None if username is None else parse_source(username)
        asked = CredentialAsked(username=user, password=_password(password, password_stdin))
        command(place, _Login(name, registry_of(login_server), asked, server))

    for option in reversed(_LOGIN):
        typed = option(typed)
    return typed


@click.group("credential")
def credential() -> None:
    """The credentials of a task. They go before those of the user that tracker runs as."""


@credential.command("add")
@click.pass_obj
@_login
def add(place: Place, login: _Login) -> None:
    """Give the task NAME a credential for one more registry. A value is kept encrypted."""
    check_new(login.asked)
    login.say_where_read(place)
    route = Route("POST", login.path, {"registry": login.registry, **asked_json(login.asked)})
    changed(
        place,
        login.server,
        route,
        lambda change: add_credential(change, login.name, login.registry, login.asked),
    )
    click.echo(f"task {login.name} has a credential for {login.registry}", err=True)


@credential.command("update")
@click.pass_obj
@_login
def update(place: Place, login: _Login) -> None:
    """Change what is given of a credential, and leave the rest."""
    login.say_where_read(place)
    route = Route("PATCH", f"{login.path}/{quoted(login.registry)}", asked_json(login.asked))
    changed(
        place,
        login.server,
        route,
        lambda change: update_credential(change, login.name, login.registry, login.asked),
    )
    click.echo(f"the credential of task {login.name} for {login.registry} is changed", err=True)


@credential.command("remove")
@NAME
@_SERVER
@server_options
@click.pass_obj
def remove(place: Place, name: str, login_server: str, server: ServerAsked) -> None:
    """Take a credential from the task NAME."""
    registry = registry_of(login_server)
    route = Route("DELETE", f"/tasks/{quoted(name)}/credentials/{quoted(registry)}")
    changed(place, server, route, lambda change: remove_credential(change, name, registry))
    click.echo(f"task {name} has no credential for {registry} any more", err=True)


@credential.command("list")
@NAME
@JSON
@server_options
@click.pass_obj
def list_credentials(place: Place, name: str, as_json: bool, server: ServerAsked) -> None:
    """List the credentials of the task NAME: where they come from, never what they are."""
    stored = seen(place, server, "credentials", TaskCredentials, credentials_view, task=name).credentials
    if as_json:
        print_json(stored)
    elif stored:
        rows = [Row(one["registry"], (one["username"] or "-", one["password"])) for one in stored]
        print_rows(Row("REGISTRY", ("USER NAME", "PASSWORD")), rows)
    else:
        click.echo(f"task {name} has no credentials; 'tracker task credential add' gives it one", err=True)


def _password(text: str | None, from_stdin: bool) -> Source | None:
    if text is not None and from_stdin:
        raise WrongUse("--password and --password-stdin exclude each other", hint="give one of them")
    if from_stdin:
        return Opaque(line_of_stdin("--password-stdin"))
    return None if text is None else source_of(text, "--password")
