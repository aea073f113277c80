"""A run as it was typed: options of `tracker run` to what is to be done. Carries nothing out."""

from __future__ import annotations

from collections.abc import Mapping

from graph.errors import WrongUse
from graph.record import dataclass
from graph.reference import Platform
from rebuild.context.where import Folder, Nothing, Source, StandardInput
from rebuild.runs.definition import Definition, FileStep, InlineStep
from rebuild.secrets.context_secrets import Sources as ContextSources
from rebuild.secrets.secret_source import Source as SecretSource
from rebuild.steps.task_work import command_file
from tracker.cli.files_here import STDIN, name_of, text_here
from tracker.settings.settings import Settings
from tracker.workshop import host_platform

DEFAULT_FILE = "acb.yaml"
NO_CONTEXT = "/dev/null"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed."""

    context: str
    file: str | None
    command: str | None
    values_file: str | None
    values: Mapping[str, str]
    secret_values: Mapping[str, SecretSource]
    platform: str | None
    timeout_s: float | None
    strict: bool
    opening: ContextSources  # of the context


def definition_of(asked: Asked, settings: Settings) -> Definition:
    """What was typed as a definition; a task file that is not in the context comes along with it."""
    source = Source.parse(asked.context)
    return Definition(
        context=str(source.place.path.resolve()) if isinstance(source.place, Folder) else str(source),
        step=step_of(asked, source),
        platform=Platform.parse(asked.platform) if asked.platform else host_platform(),
        timeout_s=asked.timeout_s or settings.rebuild.timeout,
    )


def step_of(asked: Asked, source: Source) -> FileStep | InlineStep:
    if asked.command is not None:
        if asked.file is not None:
            raise WrongUse("--cmd and --file exclude each other", hint="give one of them")
        if not asked.command.strip():
            raise WrongUse("--cmd is empty", hint="write --cmd 'IMAGE ARGUMENTS'")
        return _inline(asked, command_file(asked.command, asked.timeout_s), "--cmd")
    file = asked.file or DEFAULT_FILE
    if file == STDIN and isinstance(source.place, StandardInput):
        raise WrongUse("standard input is the context or the task file, not both", hint="name a file")
    if file == STDIN or isinstance(source.place, Nothing):
        return _inline(asked, text_here(file), name_of(file))
    return FileStep(file, asked.values_file, asked.values, asked.strict)


def _inline(asked: Asked, text: str, path: str) -> InlineStep:
    return InlineStep(
        text,
        text_here(asked.values_file) if asked.values_file else "",
        asked.values,
        asked.strict,
        path=path,
        values_path=name_of(asked.values_file or ""),
    )
