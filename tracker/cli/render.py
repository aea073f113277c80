"""`tracker render`: what a task file says once its templates and aliases are filled in. Runs nothing."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom

import click

from graph.errors import WrongUse
from graph.reference import Platform
from rebuild.alias_rules import FetchRules
from rebuild.rendering import Rendered, render_task
from rebuild.runs.run_variables import RunVariables
from rebuild.secrets.secret import HIDDEN, Secret
from rebuild.secrets.secret_source import Opaque
from rebuild.steps.task_work import alias_sources
from rebuild.taskfile import SecretSource
from rebuild.template import Surroundings
from rebuild.values import merged_values, parse_assignments, read_values
from tracker.cli.files_here import STDIN, name_of, text_here
from tracker.cli.habits import json_option
from tracker.cli.main import Place
from tracker.cli.secret_options import secret_values
from tracker.cli.table import print_json
from tracker.settings.reading import load
from tracker.settings.settings import Settings
from tracker.state import find_config

_RUN_NAMES = {
    "id": "id",
    "registry": "registry",
    "registryname": "registry_name",
    "os": "os",
    "osversion": "os_version",
    "architecture": "architecture",
    "commit": "commit",
    "branch": "branch",
    "taskname": "task_name",
    "sharedvolume": "shared_volume",
    "repository": "repository",
    "gittag": "git_tag",
    "pullrequest": "pull_request",
    "triggeredby": "triggered_by",
}


@click.command("render")
@click.argument("file", metavar="FILE")
@click.option(
    "--values", "value_files", multiple=True, metavar="FILE", help="Values in YAML; the last counts."
)
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="A value; always text.")
@click.option(
    "--set-secret",
    "secret_assignments",
    multiple=True,
    metavar="NAME[=SOURCE]",
    help="A secret value: a source, as for run, or the text itself. Without =SOURCE: from the environment.",
)
@click.option(
    "--run",
    "run_assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="A variable of the run, such as ID, Registry, Commit or Date. Default of ID: 1.",
)
@click.option(
    "--context",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The folder of alias sources. Default: that of FILE.",
)
@click.option(
    "--fetch/--no-fetch",
    default=None,
    help="Whether to fetch alias sources that are https URLs. Default: as the settings say.",
)
@click.option("--show-secrets", is_flag=True, help="Put typed secret values in, instead of ***.")
@json_option("Print text and version as JSON.")
@click.pass_obj
def render(
    place: Place,
    file: str,
    value_files: tuple[str, ...],
    assignments: tuple[str, ...],
    secret_assignments: tuple[str, ...],
    run_assignments: tuple[str, ...],
    context: Path | None,
    fetch: bool | None,
    show_secrets: bool,
    as_json: bool,
) -> None:
    """Print the task file FILE with its aliases replaced and its templates filled in.

    FILE may be '-', for standard input. No vault is asked: what comes from one shows as ***.
    """
    now = datetime.now(UTC)
    settings = load(find_config(place.config))
    folder = Path() if file == STDIN else Path(file).parent
    done = render_task(
        text_here(file),
        path=name_of(file),
        run=run_variables(run_assignments, now=now, registry=settings.registry),
        surroundings=Surroundings(now, SystemRandom()),
        values={
            **merged_values(*(read_values(text_here(name), path=name_of(name)) for name in value_files)),
            **parse_assignments(assignments, option="--set"),
            **_secrets(secret_assignments, os.environ, shown=show_secrets),
        },
        resolve=_hidden,
        images=settings.alias_rules.images,
        sources=alias_sources(context or folder, _fetch_rules(settings, fetch)),
    )
    _print(done, as_json=as_json)


def _fetch_rules(settings: Settings, fetch: bool | None) -> FetchRules | None:
    """What was typed counts; how far a fetch may lead is the settings' in any case."""
    section = settings.alias_sources
    wanted = section.fetch if fetch is None else fetch
    return FetchRules(section.private_addresses, section.timeout) if wanted else None


def run_variables(assignments: Iterable[str], *, now: datetime, registry: str = "") -> RunVariables:
    """The variables of a run that is not there: what is given, the time, and this machine."""
    given = parse_assignments(assignments, option="--run")
    here = Platform.of("linux", platform.machine())
    fields = {"id": "1", "os": here.os, "architecture": here.architecture, "registry": registry}
    date = now
    for name, value in given.items():
        if name.lower() == "date":
            date = _date(value)
        elif name.lower() in _RUN_NAMES:
            fields[_RUN_NAMES[name.lower()]] = value
        else:
            known = ", ".join(RunVariables("", now).as_values())
            raise WrongUse(f"--run: a run has no variable {name!r}", hint=f"it has {known}")
    return RunVariables(date=date, **fields)


def _date(text: str) -> datetime:
    for form in ("%Y%m%d-%H%M%Sz", "%Y-%m-%dT%H:%M:%SZ"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise WrongUse(f"--run Date={text!r} is no time", hint="write it as 20240131-235959z")


def _secrets(items: Iterable[str], environment: Mapping[str, str], *, shown: bool) -> dict[str, str | Secret]:
    """Secret values by name: hidden, or as a `Secret`, which is put in as its text. No source is asked."""
    return {
        name: source.value if shown and isinstance(source, Opaque) else HIDDEN
        for name, source in secret_values(items, environment).items()
    }


def _hidden(wanted: tuple[SecretSource, ...]) -> dict[str, Secret]:
    return {source.id: Secret(HIDDEN) for source in wanted}


def _print(done: Rendered, *, as_json: bool) -> None:
    if as_json:
        print_json({"version": done.version, "text": done.text})
    else:
        click.echo(done.text, nl=not done.text.endswith("\n"))
