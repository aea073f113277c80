"""`tracker build`: one image, in this process, recorded as it was built."""

from __future__ import annotations

import asyncio
import functools
import json
import os
from pathlib import Path
from typing import Any

import click

from graph.errors import WrongUse
from graph.reference import Platform
from rebuild.context.where import Folder, Source
from rebuild.definition import Definition, DockerStep, full_name
from rebuild.image_build import Tools, examine
from rebuild.preparation import Prepared, image_build
from rebuild.run import Outcome
from rebuild.runs import Run, Status
from rebuild.task import check_name
from tracker.carrying import carry_out_here, to_terminal
from tracker.cli.main import Place, report
from tracker.cli.secret_options import typed_secrets
from tracker.settings import Settings, load
from tracker.state import find_config, find_state
from tracker.workshop import Workshop, host_platform


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
@click.option("--target", metavar="STAGE", help="The stage to build. Default: the last.")
@click.option("--platform", metavar="OS/ARCH", help="Default: that of this machine.")
@click.option("--no-push", is_flag=True, help="Leave the image in the engine's storage.")
@click.option("--no-cache", is_flag=True, help="Take no layer from an earlier build.")
@click.option(
    "--reproducible/--no-reproducible",
    default=None,
    help="Fixed times in every file and date, so that equal content gives an equal image.",
)
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=1), metavar="SECONDS", help="Limit of the run."
)
@click.option("--task", "task_name", metavar="NAME", help="Save this build, so that the service repeats it.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the outcome as JSON; the log goes to standard error."
)
@click.pass_obj
def build(
    place: Place, /, as_json: bool, secrets: tuple[str, ...], secret_args: tuple[str, ...], **asked: Any
) -> int:
    """Build CONTEXT, pin every base to the digest it has now, push, and record what it was built from.

    Without -t the image is built and not pushed. With --task the definition is saved, and the service
    rebuilds the image whenever one of its bases moves.
    """
    config = find_config(place.config)
    settings = load(config)
    definition = definition_of(settings, **{k: v for k, v in asked.items() if k != "task_name"})
    if asked["task_name"] is not None:
        check_name(asked["task_name"])
    if not definition.images:
        click.echo("warning: no -t NAME: the image is built and not pushed", err=True)
    typed = typed_secrets(secrets, secret_args, os.environ, Path.cwd())
    state = find_state(place.state, config)
    workshop = Workshop(settings, state, listen=to_terminal, typed=typed)
    check = functools.partial(_examine, definition)
    run, outcome = asyncio.run(carry_out_here(workshop, definition, asked["task_name"], check=check))
    _print(run, outcome, as_json)
    return 0 if outcome.status is Status.SUCCEEDED else 1


def definition_of(
    settings: Settings,
    *,
    context: str,
    names: tuple[str, ...],
    dockerfile: str | None,
    build_args: tuple[str, ...],
    target: str | None,
    platform: str | None,
    no_push: bool,
    no_cache: bool,
    reproducible: bool | None,
    timeout_s: float | None,
) -> Definition:
    """What was typed, checked and made absolute, with the settings for what was not."""
    source = Source.parse(context)
    is_local = isinstance(source.place, Folder)
    step = DockerStep(
        images=tuple(dict.fromkeys(_image(name, settings.registry) for name in names)),
        # As `az acr build` and docker have it: of a folder here it is a path of the shell's.
        dockerfile=str(Path(dockerfile).absolute()) if dockerfile and is_local else dockerfile,
        build_args=dict(_build_arg(text) for text in build_args),
        target=target,
        push=not no_push,
        no_cache=no_cache,
        reproducible=settings.rebuild.reproducible if reproducible is None else reproducible,
    )
    return Definition(
        context=str(source.place.path.resolve()) if isinstance(source.place, Folder) else str(source),
        step=step,
        platform=Platform.parse(platform) if platform else host_platform(),
        timeout_s=timeout_s or settings.rebuild.timeout,
    )


def _image(name: str, default_registry: str) -> str:
    if "@" in name:
        raise WrongUse(f"image name {name!r} has a digest, which only the build can tell", hint="name a tag")
    return full_name(name, default_registry)


def _build_arg(text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not name:
        raise WrongUse(f"--build-arg {text!r} has no name", hint="write --build-arg NAME=VALUE")
    return name, value if given else os.environ.get(name, "")


def _examine(definition: Definition, tools: Tools) -> None:
    """A mistake in a Dockerfile of this machine changes nothing: no run, no task."""
    source, step = Source.parse(definition.context), definition.step
    if isinstance(source.place, Folder) and isinstance(step, DockerStep):
        examine(image_build(definition, step, Prepared(source.place.path, is_local=True)), tools)


def _print(run: Run, outcome: Outcome, as_json: bool) -> None:
    if outcome.error is not None:
        report(outcome.error, outcome.hint)
    record = outcome.record
    digest = str(record.manifests.digest) if record and record.manifests else None
    if as_json:
        click.echo(
            json.dumps(
                {
                    "run_id": run.run_id,
                    "status": outcome.status,
                    "error": outcome.error,
                    "images": [str(image) for image in run.definition.images],
                    "digest": digest,
                    "pushed": record.pushed if record else False,
                    "bases": [
                        {"reference": str(base.reference), "digest": str(base.manifests.digest)}
                        for base in (record.bases if record else ())
                    ],
                },
                indent=2,
            )
        )
        return
    for image in run.definition.images:
        if digest is not None:
            click.echo(f"{image}@{digest}")
    click.echo(f"Run ID: {run.run_id} {outcome.status.lower()}", err=True)
