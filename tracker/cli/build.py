"""`tracker build`: one image, recorded as it was built; by a service, or in this process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from rebuild.tasks.task import check_name
from tracker.cli.build_typed import BuildTyped, build_arg, image_name
from tracker.cli.habits import PLACES, RUNS, json_option, takes
from tracker.cli.main import Place
from tracker.cli.option_types import SECONDS, platform_option
from tracker.cli.secret_options import GIT_TOKEN, SSH_KEY, context_secrets, typed_secrets
from tracker.remote.service import ServerAsked, Wait, refuse_to_detach, server_options, wait_options


@click.command()
@click.argument("context")
@click.option(
    "-t", "--image", "names", multiple=True, metavar="REF", help="A name for the image; repeat for more."
)
@click.option(
    "-f", "--file", "dockerfile", metavar="PATH", help="Of this machine for a folder, else of the context."
)
@click.option(
    "--build-arg", "build_args", multiple=True, metavar="K[=V]", help="Without =V: as in the environment."
)
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="id=NAME,src=FILE",
    help="For RUN --mount=type=secret,id=NAME; also env=VARIABLE, or from=SOURCE as vault:PATH#KEY.",
)
@click.option(
    "--secret-build-arg",
    "secret_args",
    multiple=True,
    metavar="NAME[=SOURCE]",
    help="The same, out of the environment or a source. It is never an ARG: see docs/credentials.md.",
)
@GIT_TOKEN
@SSH_KEY
@click.option("--target", metavar="STAGE", help="The stage to build. Default: the last.")
@platform_option
@click.option("--no-push", is_flag=True, help="Leave the image in the engine's storage.")
@click.option("--no-cache", is_flag=True, help="Take no layer from an earlier build.")
@click.option(
    "--reproducible/--no-reproducible",
    default=None,
    help="Fixed times in every file and date, so that equal content gives an equal image.",
)
@click.option("--timeout", "timeout_s", type=SECONDS, metavar="TIME", help="Limit of the run: 3600, 30m, 2h.")
@click.option(
    "--follow",
    "follow",
    multiple=True,
    metavar="REPOSITORY:PATTERN",
    help="A base is the newest tag of these: 'python:3.12.*', 'node:^20'. Saved with --task.",
)
@click.option("--task", "task_name", metavar="NAME", help="Save this build, so that the service repeats it.")
@wait_options
@server_options
@json_option("Print the outcome as JSON; the log goes to standard error.")
@click.pass_obj
def build(
    place: Place,
    /,
    server: ServerAsked,
    wait: Wait,
    as_json: bool,
    task_name: str | None,
    secrets: tuple[str, ...],
    secret_args: tuple[str, ...],
    names: tuple[str, ...],
    build_args: tuple[str, ...],
    no_push: bool,
    git_token: str | None,
    ssh_key: str | None,
    **plain: Any,
) -> int:
    """Build CONTEXT, pin every base to the digest it has now, push, and record what it was built from.

    Without -t the image is built and not pushed. With --task the definition is saved, and the service
    rebuilds the image whenever one of its bases moves. Where a service runs on this state folder, or
    --server names one, it does the work; else this process does. The exit status is that of the run.
    """
    typed = BuildTyped(
        names=tuple(dict.fromkeys(map(image_name, names))),
        build_args=dict(build_arg(text, os.environ) for text in build_args),
        push=not no_push,
        **plain,
    )
    if task_name is not None:
        check_name(task_name)
    if not typed.names:
        click.echo("warning: no -t NAME: the image is built and not pushed", err=True)
    sources = typed_secrets(secrets, secret_args, os.environ, Path.cwd())
    opening = context_secrets(typed.context, git_token, ssh_key)
    service = server.for_work(place)
    if service is not None:
        from tracker.remote.build import build_there

        return build_there(service, typed, sources, opening, task_name=task_name, wait=wait, as_json=as_json)
    refuse_to_detach(wait)
    from tracker.cli.build_here import build_here

    quiet = wait is Wait.OUTCOME
    return build_here(place, typed, sources, opening, task_name=task_name, quiet=quiet, as_json=as_json)


takes(build, *PLACES, *RUNS)
