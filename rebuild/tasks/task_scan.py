"""Finds the bases of a task before its first run, in its files. Builds nothing and asks no registry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path
from random import Random

from graph.dockerfile import scan
from graph.expecting import ExpectedBase
from graph.record import dataclass
from graph.reference import ImageRef, Platform
from rebuild.alias_rules import AliasRules
from rebuild.aliases import SourceUnavailable
from rebuild.context.fault import ContextError
from rebuild.context.reach import Reach
from rebuild.images.image_build import find_dockerfile, read_dockerfile
from rebuild.images.resolve import taken
from rebuild.rendering import Prepared as PreparedText
from rebuild.runs.definition import Definition, DockerStep, FileStep, InlineStep
from rebuild.runs.preparation import Prepared, image_build, prepare
from rebuild.runs.run_names import as_if_run
from rebuild.runs.run_variables import RunVariables
from rebuild.secrets.context_secrets import ContextSecrets
from rebuild.secrets.mask import masked
from rebuild.secrets.secret import UNKNOWN, Secret
from rebuild.steps.foreseen import foresee
from rebuild.steps.step_rules import HELPER
from rebuild.steps.task_work import Work, Written, finish_work, prepare_work, read_written
from rebuild.tasks.task_bases import DockerfileAt, TaskBase, bases_of_task
from rebuild.template import Surroundings

_RUN = "scan"  # no run has this id


@dataclass(frozen=True, slots=True)
class Scanned:
    """The bases that a task will take, and what could not be looked into, as sentences."""

    bases: tuple[ExpectedBase, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scanning:
    """What a scan goes by. `secret_values` are names of values: what they hold is not needed; `given_values`
    came with a request, and what they hold counts."""

    scratch: Path  # empty, for a context that has to be fetched
    build_platform: Platform
    registry: str
    now: datetime
    log: Callable[[bytes], None] = lambda piece: None
    context_secrets: ContextSecrets = field(default_factory=ContextSecrets)
    reach: Reach = field(default_factory=Reach)
    secret_values: frozenset[str] = frozenset()
    given_values: Mapping[str, Secret] = field(default_factory=dict)
    aliases: AliasRules = field(default_factory=AliasRules)
    helper: ImageRef = HELPER  # what is read for an operator in `cmd`


async def scan_task(task_name: str, definition: Definition, scanning: Scanning) -> Scanned:
    """Read the files of a task. A context that cannot be had now makes the bases unknown.

    Raises `WrongUse` for a Dockerfile, a task file or a name that no run could use either.
    """
    if isinstance(definition.step, DockerStep):
        as_if_run(definition.step, registry=scanning.registry, at=scanning.now)
    try:
        secrets = scanning.context_secrets
        context = await prepare(
            definition, scanning.scratch, scanning.log, secrets=secrets, reach=scanning.reach
        )
    except ContextError as error:
        reason = masked(error.message, secrets.hidden)
        return Scanned(unknown=(f"the context cannot be had now: {reason}",))
    match definition.step:
        case DockerStep() as step:
            return _of_dockerfile(definition, step, context, scanning)
        case FileStep() | InlineStep() as step:
            try:
                return await _of_task_file(task_name, definition, step, context, scanning)
            except SourceUnavailable as error:
                return Scanned(unknown=(error.message,))


def _of_dockerfile(
    definition: Definition, step: DockerStep, context: Prepared, scanning: Scanning
) -> Scanned:
    wanted = image_build(definition, replace(step, images=()), context)  # names may hold templates
    dockerfile = find_dockerfile(wanted)
    path = wanted.told(dockerfile)
    found = scan(
        read_dockerfile(dockerfile, path),
        path=path,
        platform=definition.platform,
        build_platform=scanning.build_platform,
        build_args=step.build_args,
        target=step.target,
    )
    return Scanned(
        tuple(
            ExpectedBase(base.reference, base.role, base.via, "", base.line)
            for base in taken(found, reads_syntax_line=False)
        )
    )


async def read_work(
    task_name: str,
    definition: Definition,
    step: FileStep | InlineStep,
    context: Prepared,
    scanning: Scanning,
) -> Work:
    """What a task file has to do, with `UNKNOWN` for what a vault would give. Raises `WrongUse` for one that
    no run could use, and `SourceUnavailable`."""
    return finish_work(*await _ready(task_name, definition, step, context, scanning), strict=step.strict)


async def _ready(
    task_name: str,
    definition: Definition,
    step: FileStep | InlineStep,
    context: Prepared,
    scanning: Scanning,
) -> tuple[PreparedText, Written, dict[str, Secret]]:
    """The task file and its secrets, to be rendered."""
    kept = dict.fromkeys(scanning.secret_values, UNKNOWN)
    written = read_written(step, context.folder, {**kept, **scanning.given_values})
    prepared = await asyncio.to_thread(
        prepare_work,
        written,
        _variables(task_name, definition, context, scanning),
        Surroundings(scanning.now, Random(0)),
        context=context.folder,
        aliases=scanning.aliases,
    )
    return prepared, written, dict.fromkeys((source.id for source in prepared.wanted), UNKNOWN)


async def _of_task_file(
    task_name: str,
    definition: Definition,
    step: FileStep | InlineStep,
    context: Prepared,
    scanning: Scanning,
) -> Scanned:
    # What lacks a value is no fault yet: whoever runs the task may give it.
    foreseen = foresee(*await _ready(task_name, definition, step, context, scanning), strict=step.strict)
    found = bases_of_task(
        foreseen.work.taskfile,
        lambda place: _dockerfile_at(context.folder, place),
        platform=definition.platform,
        build_platform=scanning.build_platform,
        helper=scanning.helper,
    )
    taken = [
        base
        for base in found.bases
        if base.reachable and base.built_by is None and not foreseen.lacking(base.reference)
    ]
    secret = [base for base in taken if UNKNOWN.reveal() in str(base.reference)]
    of_secrets = dict.fromkeys(base.step for base in secret)
    return Scanned(
        tuple(_expected(base) for base in taken if base not in secret),
        (
            *_lacking(foreseen.names.values()),
            *(foreseen.restored(f"step {step.step}: {step.reason}") for step in found.unscanned),
            *(f"step {step}: an image of it is a secret, known only while it runs" for step in of_secrets),
        ),
    )


def _lacking(names: Collection[str]) -> tuple[str, ...]:
    """Nothing is lacking where no step of the file would be refused for it."""
    if not names:
        return ()
    return (f"what comes of {', '.join(names)}: empty, and a run has to be given it",)


def _variables(task_name: str, definition: Definition, context: Prepared, scanning: Scanning) -> RunVariables:
    here = definition.platform
    return RunVariables(
        _RUN,
        scanning.now,
        scanning.registry,
        os=here.os,
        architecture=here.architecture,
        commit=context.commit or "",
        branch=context.branch or "",
        task_name=task_name,
    )


def _dockerfile_at(folder: Path, place: DockerfileAt) -> bytes | None:
    """The Dockerfile of a step, if it is in the context of the task; a remote one waits for the run."""
    if place.context is not None:
        return None
    top = folder.resolve()
    names = (
        [place.path] if place.path else [f"{place.folder}/{name}" for name in ("Dockerfile", "Containerfile")]
    )
    for name in names:
        path = (top / name.lstrip("/")).resolve()
        if path.is_relative_to(top) and path.is_file():
            return read_dockerfile(path, name)
    return None


def _expected(base: TaskBase) -> ExpectedBase:
    return ExpectedBase(base.reference, base.role, base.via, base.step, base.line)
