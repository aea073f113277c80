"""The options that say what a task is, and what was typed with them as values. Reads what they name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

from graph.errors import WrongUse
from rebuild.context.where import Nothing, Source
from rebuild.secrets.context_secrets import (
    GIT_TOKEN_OPTION,
    ContextSecrets,
    kept_with_task,
    ssh_key_source,
    typed_with,
)
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_source import Opaque, parse_source
from rebuild.secrets.secret_source import Source as SecretSource
from rebuild.secrets.task_secrets import SecretUse, check_secret_name
from rebuild.steps.task_work import command_file
from rebuild.tasks.stored_task import Secrets
from rebuild.tasks.task_edit import NO_CONTEXT, Asked
from rebuild.values import parse_assignments
from tracker.cli.completing import task_names
from tracker.cli.files_here import STDIN, name_of, text_here
from tracker.cli.habits import json_option
from tracker.cli.option_types import SECONDS, platform_option, switch
from tracker.cli.secret_options import warn_of_a_shown_login

_Command = TypeVar("_Command", bound=Callable[..., Any])

NAME = click.option(
    "-n", "--name", required=True, metavar="NAME", shell_complete=task_names, help="The task."
)
JSON = json_option("Print JSON.")


_OVERRIDES = (
    click.option("-c", "--context", metavar="SOURCE", help="A folder, git URL, tarball, oci://…, /dev/null."),
    click.option(
        "-f", "--file", metavar="PATH",
        help="In the context. Its name tells: .yaml, .yml and .json are task files, all else Dockerfiles.",
    ),
    click.option("--arg", "args", multiple=True, metavar="K[=V]", help="A build argument of the Dockerfile."),
    click.option("--set", "assignments", multiple=True, metavar="K=V", help="A value of the task file."),
    click.option("--target", metavar="STAGE", help="The stage of the Dockerfile to build."),
    click.option(
        "--secret-arg", "secret_args", multiple=True, metavar="NAME[=SOURCE]",
        help="A secret of the build: env:V, file:PATH, vault:PATH#KEY. Without SOURCE: from the environment.",
    ),
    click.option(
        "--set-secret", "secret_values", multiple=True, metavar="NAME[=SOURCE]",
        help="The same as a value of the task file.",
    ),
)  # fmt: skip

_DEFINITION = (
    *_OVERRIDES,
    click.option("--cmd", "command", metavar="COMMAND", help="IMAGE ARGUMENTS, in the place of a file."),
    click.option(
        "-t", "--image", "images", multiple=True, metavar="REF", help="May hold {{.Run.ID}}; repeat for more."
    ),
    click.option("--values", "values_file", metavar="PATH", help="Values of the task file, in the context."),
    switch("--no-push", "Leave the image in the engine's storage."),
    switch("--no-cache", "Take no layer from an earlier build."),
    platform_option,
    click.option(
        "--timeout", "timeout_s", type=SECONDS, metavar="TIME", help="Limit of a run: 3600, 30m, 2h."
    ),
    click.option(
        "--git-access-token", "git_token", metavar="SOURCE",
        help="Fetches the context: env:V, file:PATH, vault:PATH#KEY, or '-' for standard input.",
    ),
    click.option(
        "--git-ssh-key", "ssh_key", metavar="SOURCE",
        help="A private key that fetches the context over ssh: env:V, file:PATH, vault:PATH#KEY.",
    ),
    click.option(
        "--status", type=click.Choice(["Enabled", "Disabled"], case_sensitive=False),
        metavar="Enabled|Disabled", help="Disabled: it runs only when asked. Default: Enabled.",
    ),
)  # fmt: skip

_TRIGGERS = (
    switch("--base-image-trigger-enabled", "It runs when a base moves. Default: true."),
    click.option(
        "--base-image-trigger-type", type=click.Choice(["All", "Runtime"], case_sensitive=False),
        metavar="All|Runtime",
        help="All bases count, or only that of the final stage. Default: All.",
    ),
    click.option(
        "--follow", "follow", multiple=True, metavar="REPOSITORY:PATTERN",
        help="A base is the newest tag of these: 'python:3.12.*', 'node:^20', 'ubuntu:jammy-*'. '' clears.",
    ),
    switch("--base-image-trigger-syntax", "The image of a '# syntax=' line counts as a base. Default: true."),
    click.option("--base-image-trigger-name", metavar="NAME", help="A name for the bases' trigger."),
    click.option(
        "--update-trigger-endpoint", metavar="URL", help="Told of each base that makes it run; empty: none."
    ),
    click.option(
        "--update-trigger-payload-type", type=click.Choice(["Default", "Token"], case_sensitive=False),
        metavar="Default|Token", help="It gets the update and the token, or the token alone.",
    ),
    switch("--commit-trigger-enabled", "It runs when the branch of a git context moves. Default: true."),
    switch("--pull-request-trigger-enabled", "It tries pull requests out, and pushes nothing then."),
    click.option("--source-trigger-name", metavar="NAME", help="A name for the commits' trigger."),
    click.option(
        "--trigger-branch", "branches", multiple=True, metavar="GLOB",
        help="Branches that count instead of the context's own: 'release/*'. '' clears; !GLOB leaves out.",
    ),
    click.option(
        "--trigger-tag", "tags", multiple=True, metavar="GLOB", help="Tags that count: 'v*'. Default: none."
    ),
    click.option(
        "--trigger-path", "paths", multiple=True, metavar="GLOB",
        help="It runs only for changes of these: app/, '**/*.go', '!docs/'.",
    ),
    click.option(
        "--trigger-target", "targets", multiple=True, metavar="GLOB",
        help="Pull requests count that go into these branches. Default: the branches above.",
    ),
    switch("--trigger-forks", "Pull requests from forks count, too: without any credential or secret."),
)  # fmt: skip


def with_options(*groups: Iterable[Callable[[_Command], _Command]]) -> Callable[[_Command], _Command]:
    """The command with all options of these groups, first ones first in its help."""

    def add(command: _Command) -> _Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return add


OVERRIDES, DEFINITION = with_options(_OVERRIDES), with_options(_DEFINITION, _TRIGGERS)


def asked_of(typed: Mapping[str, Any], environment: Mapping[str, str], *, context: str = "") -> Asked:
    """What was typed, of a definition. `context` is that of the task, where it has one."""
    contextless = isinstance(Source.parse(typed["context"] or context or NO_CONTEXT).place, Nothing)
    file, values_file = typed["file"], typed.get("values_file")
    inline, inline_path, command = None, None, typed.get("command")
    if command is not None:
        inline, inline_path = command_file(command, typed.get("timeout_s")), "--cmd"
    elif file is not None and (file == STDIN or contextless):
        inline, inline_path, file = text_here(file), name_of(file), None
    beside = values_file if inline is not None else None
    no_push = typed.get("no_push")
    return Asked(
        context=typed["context"],
        file=file,
        inline=inline,
        inline_path=inline_path,
        images=_or_none(typed.get("images")),
        build_args=_arguments(typed["args"], environment) if typed["args"] else None,
        target=typed["target"],
        push=None if no_push is None else not no_push,
        no_cache=typed.get("no_cache"),
        values=parse_assignments(typed["assignments"], option="--set") if typed["assignments"] else None,
        values_file=None if beside else values_file,
        values_text=text_here(beside) if beside else None,
        platform=typed.get("platform"),
        timeout_s=typed.get("timeout_s"),
        follow=_or_none(typed.get("follow")),
    )


def secrets_of(typed: Mapping[str, Any], environment: Mapping[str, str]) -> Secrets:
    """The secrets that were typed, by use; a use of which nothing was typed is not there."""
    found: dict[SecretUse, dict[str, SecretSource]] = {}
    for use, option, key in (
        (SecretUse.BUILD, "--secret-arg", "secret_args"),
        (SecretUse.VALUE, "--set-secret", "secret_values"),
    ):
        if typed[key]:
            found[use] = dict(_secret(text, option, use, environment) for text in typed[key])
    token, key = typed["git_token"], typed["ssh_key"]
    by_option: dict[SecretUse, SecretSource] = {}
    if token:
        by_option[SecretUse.GIT] = source_of(token, GIT_TOKEN_OPTION)
    if key:
        by_option[SecretUse.SSH] = ssh_key_source(key)
    opening = _of_context(typed["context"], by_option)
    cleared: Secrets = {use: {} for use, text in ((SecretUse.GIT, token), (SecretUse.SSH, key)) if text == ""}
    return {**found, **cleared, **opening}


def _of_context(context: str | None, by_option: Mapping[SecretUse, SecretSource]) -> Secrets:
    """What opens the context; that of its URL becomes the task's, as if it had been given by itself."""
    if context is None:
        return {use: {"": source} for use, source in by_option.items()}
    place = Source.parse(context)
    if ContextSecrets.of(place).token:
        warn_of_a_shown_login("--context")
    return kept_with_task(str(place), typed_with(place, by_option))


def source_of(text: str, option: str) -> SecretSource:
    """A source as it was typed; `-` is the first line of standard input. A plain value earns a warning."""
    if text == STDIN:
        return Opaque(line_of_stdin(option))
    source = parse_source(text)
    if isinstance(source, Opaque):
        click.echo(
            f"warning: {option}: other users of this machine see a value on a command line;"
            " give env:NAME, file:PATH or vault:PATH#KEY",
            err=True,
        )
    return source


def line_of_stdin(option: str) -> Secret:
    line = sys.stdin.readline(1 << 16).rstrip("\r\n")
    if not line:
        raise WrongUse(f"{option}: standard input is empty", hint="pipe the value into the command")
    return Secret(line)


def _or_none(texts: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Repeated options that were not given at all say nothing; one that is empty clears."""
    return tuple(filter(None, texts)) if texts else None


def _arguments(texts: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    complete = [text if "=" in text else f"{text}={environment.get(text, '')}" for text in texts if text]
    return parse_assignments(complete, option="--arg")


def _secret(
    text: str, option: str, use: SecretUse, environment: Mapping[str, str]
) -> tuple[str, SecretSource]:
    name, given, value = text.partition("=")
    check_secret_name(use, name)
    if given:
        return name, source_of(value, f"{option} {name}")
    if name not in environment:
        raise WrongUse(
            f"{option} {name}: there is no variable of that name",
            hint=f"export it first, or write {option} {name}=SOURCE",
        )
    return name, Opaque(Secret(environment[name]))
