"""The secrets of a build or run as they are typed, those of its context among them. Reads no file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import click

from graph.errors import WrongUse
from rebuild.context.where import Source as ContextSource
from rebuild.context.where import StandardInput
from rebuild.secrets.context_secrets import GIT_TOKEN_OPTION, ContextSecrets, ssh_key_source, typed_with
from rebuild.secrets.context_secrets import Sources as ContextSources
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_source import FromEnvironment, FromFile, Opaque, Source, parse_source
from rebuild.secrets.task_secrets import SecretUse, check_secret_name

_FORM = "write --secret id=NAME,src=FILE, or env=VARIABLE or from=SOURCE in the place of src"
GIT_TOKEN = click.option(
    "--git-access-token", "git_token", metavar="SOURCE",
    help="Fetches CONTEXT: env:NAME, file:PATH or vault:PATH#KEY, of a token or USER:PASSWORD.",
)  # fmt: skip
SSH_KEY = click.option(
    "--git-ssh-key", "ssh_key", metavar="SOURCE",
    help="Fetches CONTEXT over ssh: env:NAME, file:PATH or vault:PATH#KEY, of a private key.",
)  # fmt: skip
_KEYS = {"id", "type", "src", "source", "env", "from"}


def secret_values(assignments: Iterable[str], environment: Mapping[str, str]) -> dict[str, Source]:
    """`NAME=SOURCE`, or `NAME` with the value in the environment."""
    found: dict[str, Source] = {}
    for text in assignments:
        name, given, value = text.partition("=")
        check_secret_name(SecretUse.VALUE, name)
        if not given and name not in environment:
            raise WrongUse(
                f"--set-secret {name!r} has no value, and the environment has none of that name",
                hint=f"export it first, or write --set-secret {name}=SOURCE",
            )
        found[name] = parse_source(value) if given else Opaque(Secret(environment[name]))
    return found


def typed_secrets(
    secrets: Iterable[str], build_args: Iterable[str], environment: Mapping[str, str], folder: Path
) -> dict[str, Source]:
    """Sources by id; relative files are in `folder`. Raises `WrongUse`, which never shows a value."""
    found: dict[str, Source] = {}
    for name, source in [
        *(_secret(text, folder) for text in secrets),
        *(_build_arg(text, environment) for text in build_args),
    ]:
        check_secret_name(SecretUse.BUILD, name)
        if name in found:
            raise WrongUse(f"the secret {name} is given twice", hint="give each id once")
        found[name] = source
    return found


def context_secrets(context: str, git_token: str | None = None, ssh_key: str | None = None) -> ContextSources:
    """What opens the context: of its URL, or of the options. A value on the command line earns a warning."""
    source, by_option = ContextSource.parse(context), dict[SecretUse, Source]()
    if git_token:
        by_option[SecretUse.GIT] = parse_source(git_token)
    if ssh_key:
        by_option[SecretUse.SSH] = ssh_key_source(ssh_key)
    token = by_option.get(SecretUse.GIT)
    if ContextSecrets.of(source).token or isinstance(token, Opaque):
        warn_of_a_shown_login(GIT_TOKEN_OPTION if token else "the context")
    return typed_with(source, by_option)


def input_for(context: str) -> BinaryIO | None:
    """The standard input, unbuffered, where it is the context."""
    is_input = isinstance(ContextSource.parse(context).place, StandardInput)
    return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) if is_input else None


def warn_of_a_shown_login(place: str) -> None:
    click.echo(
        f"warning: {place}: other users of this machine see a login on a command line;"
        " give --git-access-token env:NAME, file:PATH or vault:PATH#KEY",
        err=True,
    )


def _secret(text: str, folder: Path) -> tuple[str, Source]:
    """As docker and podman have it: `id=…,src=…`, `id=…,env=…`; and `id=…,from=SOURCE`, with any commas."""
    head, found, source = text.partition(",from=")
    parts = dict(part.partition("=")[::2] for part in head.split(","))
    if found:
        parts["from"] = source
    if not parts.keys() <= _KEYS:
        raise WrongUse("--secret has a part that is none of id, type, src, env and from", hint=_FORM)
    if parts.get("type") == "env" and "src" in parts:
        parts["env"] = parts.pop("src")
    places = [key for key in ("src", "source", "env", "from") if parts.get(key)]
    name = parts.get("id", "")
    if not name or len(places) > 1:
        raise WrongUse("--secret names no id, or several sources", hint=_FORM)
    match places:
        case ["src" | "source" as key]:
            return name, FromFile((folder / parts[key]).resolve())
        case ["from"]:
            return name, parse_source(parts["from"])
        case _:
            return name, FromEnvironment(parts.get("env") or name)


def _build_arg(text: str, environment: Mapping[str, str]) -> tuple[str, Source]:
    name, given, value = text.partition("=")
    if given:
        return name, parse_source(value)
    if name not in environment:
        raise WrongUse(
            f"--secret-build-arg {name[:80]}: there is no variable of that name",
            hint="export it first, or write --secret-build-arg NAME=SOURCE",
        )
    return name, Opaque(Secret(environment[name]))
