"""`tracker login`: prove to a registry who we are, and remember it where docker and podman look."""

from __future__ import annotations

import asyncio
import os
import sys
import urllib.request
from pathlib import Path

import click

from graph.errors import WrongUse
from rebuild.secrets.credentials import registry_of
from rebuild.secrets.secret import Secret
from tracker.cli.main import Place
from tracker.registry.credentials import Login
from tracker.registry.settings import RegistrySettings
from tracker.state import find_config, home_of

PASSWORD_BYTES_MOST = 64 * 1024


@click.command()
@click.argument("registry")
@click.option("-u", "--username", metavar="NAME", help="Default: it is asked for.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.pass_obj
def login(place: Place, registry: str, username: str | None, password_stdin: bool) -> None:
    """Log in to REGISTRY, and keep the login where docker does: in its helper, or in its config.json.

    The login is tried first; a wrong one is not kept. There is no option for the password: command lines
    are public on a machine.
    """
    from tracker.registry.login import keep_login, try_login

    host = registry_of(registry)
    given = _login(host, username, password_stdin)
    proxies = urllib.request.getproxies_environment()
    asked = asyncio.run(try_login(host, given, _settings(place, host), proxies=proxies))
    if not asked:
        click.echo(f"warning: {host} asks nobody who they are: the password was not tried", err=True)
    path = Path(os.environ.get("DOCKER_CONFIG") or home_of() / ".docker") / "config.json"
    kept = asyncio.run(keep_login(path, host, given, environment=os.environ))
    click.echo(f"logged in to {host} as {given.username}; kept in {kept}", err=True)


def _settings(place: Place, host: str) -> RegistrySettings:
    from tracker.settings.reading import load
    from tracker.workshop import registry_settings

    section = load(find_config(place.config)).registries.get(host)  # type: ignore[call-overload]
    return registry_settings(section) if section else RegistrySettings()


def _login(host: str, username: str | None, password_stdin: bool) -> Login:
    if password_stdin:
        if not username:
            raise WrongUse(
                "--password-stdin needs a user name", hint=f"tracker login {host} -u NAME --password-stdin"
            )
        given = sys.stdin.buffer.read(PASSWORD_BYTES_MOST).decode(errors="replace")
        return _checked(host, username, given.rstrip("\r\n"))
    if not sys.stdin.isatty():
        raise WrongUse(
            "there is no terminal on which to ask for the password", hint="pipe it in, with --password-stdin"
        )
    name = username or click.prompt(f"User name for {host}", err=True)
    return _checked(host, name, click.prompt("Password", hide_input=True, err=True))


def _checked(host: str, username: str, password: str) -> Login:
    if not password:
        raise WrongUse("the password is empty", hint=f"is there a token for {host}?")
    if ":" in username:
        raise WrongUse(f"user name {username[:80]!r} holds ':', which ends a user name", hint="leave it out")
    return Login(username, Secret(password))
