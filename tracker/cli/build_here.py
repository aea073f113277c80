"""An image built in this process, recorded as it was built: `tracker build` where no service does it."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Mapping
from pathlib import Path

import click

from graph.clock import now
from graph.reference import Platform
from rebuild.context.where import Folder
from rebuild.context.where import Source as ContextSource
from rebuild.images.image_build import examine
from rebuild.images.tools import Tools
from rebuild.runs.definition import Definition, DockerStep, full_name, kept_rules
from rebuild.runs.preparation import Prepared, image_build
from rebuild.runs.run import Outcome, outputs_of
from rebuild.runs.run_names import as_if_run
from rebuild.runs.run_summary import summary
from rebuild.runs.table import Run, Status
from rebuild.secrets.context_secrets import Sources as ContextSources
from rebuild.secrets.secret_source import Source
from tracker.carrying import carry_out_here
from tracker.cli.build_typed import BuildTyped
from tracker.cli.main import Place, report
from tracker.cli.secret_options import input_for
from tracker.settings.reading import load
from tracker.settings.settings import Settings
from tracker.state import find_config, find_state
from tracker.terminal import Terminal
from tracker.workshop import Workshop, host_platform, unheard


def build_here(
    place: Place,
    typed: BuildTyped,
    secrets: Mapping[str, Source],
    opening: ContextSources,
    *,
    task_name: str | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Carry it out; answers the exit status. `opening` are the secrets of the context."""
    config = find_config(place.config)
    settings = load(config)
    definition = definition_of(settings, typed)
    state = find_state(place.state, config)
    terminal = Terminal.of_command()
    workshop = Workshop(
        settings,
        state,
        listen=unheard if quiet else terminal.hear,
        on_push=None if quiet else terminal.on_push,
        typed=secrets,
        typed_context=opening,
        stdin=input_for(typed.context),
    )
    check = functools.partial(_examine, definition, settings.registry)
    work = carry_out_here(workshop, definition, task_name, check=check, announce=_announce)
    run, outcome = asyncio.run(work)
    _print(run, outcome, as_json)
    return 0 if outcome.status is Status.SUCCEEDED else 1


def definition_of(settings: Settings, typed: BuildTyped) -> Definition:
    """What was typed, checked and made absolute, with the settings for what was not."""
    place = ContextSource.parse(typed.context).place
    is_local = isinstance(place, Folder)
    dockerfile = typed.dockerfile
    step = DockerStep(
        images=tuple(dict.fromkeys(full_name(name, settings.registry) for name in typed.names)),
        # As `az acr build` and docker have it: of a folder here it is a path of the shell's.
        dockerfile=str(Path(dockerfile).absolute()) if dockerfile and is_local else dockerfile,
        build_args=typed.build_args,
        target=typed.target,
        push=typed.push,
        no_cache=typed.no_cache,
        reproducible=settings.rebuild.reproducible if typed.reproducible is None else typed.reproducible,
    )
    return Definition(
        context=typed.absolute_context,
        step=step,
        platform=Platform.parse(typed.platform) if typed.platform else host_platform(),
        timeout_s=typed.timeout_s or settings.rebuild.timeout,
        follow=kept_rules(typed.follow),
    )


def _examine(definition: Definition, registry: str, tools: Tools) -> None:
    """A mistake in a name, or in a Dockerfile of this machine, changes nothing: no run, no task."""
    source, step = ContextSource.parse(definition.context), definition.step
    if not isinstance(step, DockerStep):
        return
    example = as_if_run(step, registry=registry, at=tools.now())
    if isinstance(source.place, Folder):
        examine(image_build(definition, example, Prepared(source.place.path, is_local=True)), tools)


def _announce(run: Run) -> None:
    click.echo(f"Queued a build with ID: {run.run_id}", err=True)


def _print(run: Run, outcome: Outcome, as_json: bool) -> None:
    if outcome.error is not None:
        report(outcome.error, outcome.hint)
    record = outcome.record
    digest = str(record.manifests.digest) if record and record.manifests else None
    images = [str(image) for image in (record.images if record else run.definition.images)]
    if as_json:
        click.echo(
            json.dumps(
                {
                    "run_id": run.run_id,
                    "status": outcome.status,
                    "error": outcome.error,
                    "images": images,
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
    for output in outputs_of(outcome):
        click.echo(f"{output['reference']}@{output['digest']}")
    click.echo(summary(run.run_id, outcome.status, (now() - run.created_at).total_seconds()), err=True)
