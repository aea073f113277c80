"""From a task file, wherever it is, to the checked steps of one run: read, render, check. Runs nothing."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import partial
from pathlib import Path

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.alias_rules import AliasRules, FetchRules
from rebuild.aliases import AliasSources, fetch_source
from rebuild.context.where import Source
from rebuild.rendering import Prepared, prepare_task
from rebuild.runs.definition import FileStep, InlineStep
from rebuild.runs.run_variables import RunVariables
from rebuild.secrets.context_secrets import ContextSecrets
from rebuild.secrets.secret import Secret
from rebuild.taskfile import Build, TaskFile, read_taskfile
from rebuild.template import ForNothing, Surroundings
from rebuild.values import Value, merged_values, read_values
from rebuild.written_text import BYTES_MOST, written_text

Values = Mapping[str, "Value | Secret"]
_LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # as YAML 1.1 has it


@dataclass(frozen=True, slots=True)
class Written:
    """A task file as it was written, with all that its templates may use but secrets of a vault."""

    path: str  # for messages
    text: str = field(repr=False)
    values: Values = field(repr=False)


@dataclass(frozen=True, slots=True)
class Work:
    """What one run has to do, and what no log of it may show."""

    taskfile: TaskFile
    secrets: tuple[Secret, ...] = field(repr=False)


def read_written(
    step: FileStep | InlineStep, context: Path | None, secret_values: Mapping[str, Secret]
) -> Written:
    """The text and the values of a step; files are those of the context, and no others."""
    match step:
        case FileStep():
            path, text = step.file, _read(context, step.file)
            files = (
                read_values(_read(context, step.values_file), path=step.values_file)
                if step.values_file
                else {}
            )
        case InlineStep():
            path, text = step.path, step.text
            files = read_values(step.values_text, path=step.values_path) if step.values_text else {}
    return Written(path, text, {**merged_values(files, dict(step.values)), **secret_values})


def prepare_work(
    written: Written,
    run: RunVariables,
    surroundings: Surroundings,
    *,
    context: Path | None,
    aliases: AliasRules | None = None,
) -> Prepared:
    """All that needs no vault; `Prepared.wanted` names the secrets to fetch.

    It may wait for alias sources that are URLs: an event loop calls it in a thread.
    """
    rules = aliases or AliasRules()
    return prepare_task(
        written.text,
        path=written.path,
        run=run,
        surroundings=surroundings,
        values=written.values,
        images=rules.images,
        sources=alias_sources(context, rules.fetch),
    )


def alias_sources(folder: Path | None, rules: FetchRules | None) -> AliasSources:
    """Files of the folder, and URLs as far as the rules allow any."""
    return AliasSources(folder, partial(fetch_source, rules=rules) if rules else None)


def finish_work(
    prepared: Prepared,
    written: Written,
    secrets: Mapping[str, Secret],
    *,
    strict: bool = False,
    for_nothing: ForNothing | None = None,
) -> Work:
    """The steps, with the secrets in them; see `Prepared.rendered`."""
    rendered = prepared.rendered(secrets, for_nothing=for_nothing)
    given = tuple(value for value in written.values.values() if isinstance(value, Secret))
    hidden = (*rendered.secrets, *(secret for secret in given if secret not in rendered.secrets))
    taskfile = read_taskfile(
        rendered.text,
        path=written.path,
        strict=strict,
        expand_image=rendered.expand_image,
        original_line=rendered.original_line,
        secrets=hidden,
    )
    return Work(taskfile, (*hidden, *_in_contexts(taskfile)))


def _in_contexts(taskfile: TaskFile) -> Iterator[Secret]:
    """Logins and queries in the URLs that build steps take their contexts from."""
    for step in taskfile.steps:
        if isinstance(step.action, Build) and step.action.line.is_remote:
            with contextlib.suppress(WrongUse):  # told when the step begins: outputs may complete it
                yield from ContextSecrets.of(Source.parse(step.action.line.context)).hidden


def command_file(command: str, timeout_s: float | None = None) -> str:
    """The task file of one command: a block of text, in which only templates and aliases mean more."""
    timeout = [] if timeout_s is None else [f"    timeout: {int(timeout_s)}"]
    head = ["version: v1.1.0", "steps:", "  - disableWorkingDirectoryOverride: true", *timeout]
    # Last, so that a template in it that is not closed is told as that.
    return "\n".join([*head, "    cmd: |2-", "      " + _LINE_END.sub(r"\g<0>      ", command), ""])


def _read(context: Path | None, name: str) -> str:
    """A file of the context, by its path in it."""
    if context is None:
        raise WrongUse(f"{name!r} is to be read from the context, and there is none")
    path = (context / name).resolve()
    if not path.is_relative_to(context.resolve()):
        raise WrongUse(f"{name!r} leads out of the context", hint="name a file inside it")
    if not path.is_file():
        raise WrongUse(f"the context has no file {name!r}", hint="name the task file with --file")
    with path.open("rb") as file:
        return written_text(file.read(BYTES_MOST + 1), path=name)
