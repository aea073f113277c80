"""A task file and a folder to an outcome: everything that one run of it does, and the clearing up after it.

Knows neither the database nor the queue: what it learnt comes back as a value.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import assert_never

from graph.errors import TrackerError
from graph.model import BaseContent, BuildRecord, RecordedBase
from graph.record import dataclass
from graph.reference import DEFAULT_REGISTRY, Digest, Platform
from rebuild.engines.container import Containers
from rebuild.engines.emulation import this_machine
from rebuild.engines.engine import Engine, EngineError, LocalImage
from rebuild.images.carried import carry, place_of
from rebuild.images.tools import Tools
from rebuild.runs.record import Status
from rebuild.secrets.secret import Secret
from rebuild.steps import narration
from rebuild.steps.engine_names import EngineNames
from rebuild.steps.images import BuiltImage, Part, RunImages, with_bases
from rebuild.steps.index import record_of_index
from rebuild.steps.intents import Intents
from rebuild.steps.narration import Narrator, StepSink
from rebuild.steps.one_step import StepResult, carry_out
from rebuild.steps.progress import Trouble
from rebuild.steps.run_site import FetchContext, Site
from rebuild.steps.runner import Course, Pace, run_steps
from rebuild.steps.step_place import PlanSetting, RunPlace
from rebuild.steps.step_plan import plan_networks, plan_steps, refuse_exposed
from rebuild.steps.step_records import StepRecord
from rebuild.steps.step_rules import StepRules
from rebuild.steps.workspace import furnish
from rebuild.taskfile import Cmd, Kind, StepStatus, TaskFile
from rebuild.uninterrupted import uninterrupted

_LAST_WORDS_S = 2.0  # for output of detached containers that is still on its way


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """What to carry out. `folder` is the run's own; its `workspace` is the context, made if it is missing."""

    taskfile: TaskFile
    run_id: str
    folder: Path
    secrets: tuple[Secret, ...] = field(default=(), repr=False)
    platform: Platform = field(default_factory=this_machine)
    commit: str | None = None  # of the context, for the log
    follow: tuple[str, ...] = ()  # rules by which bases of builds are the newest tag
    task: str = ""  # the name of its task; of a quick run none
    registry: str = DEFAULT_REGISTRY  # `.Run.Registry`


@dataclass(frozen=True, slots=True)
class TaskMeans:
    """What to carry it out with."""

    tools: Tools
    containers: Containers
    fetch: FetchContext
    sink: StepSink
    rules: StepRules = field(default_factory=StepRules)
    pace: Pace = field(default_factory=Pace)
    ended: Callable[[StepRecord], None] = lambda step: None  # hears of each step when it is over
    pushes: bool = True  # off: what is to be pushed is only said
    intents: Intents = field(default_factory=Intents)  # hear what is about to be pushed


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """How a run of a task file ended, and what there is to record of it, whatever the status."""

    status: Status
    error: str | None = None
    hint: str | None = None
    steps: tuple[StepResult, ...] = ()
    records: tuple[BuildRecord, ...] = ()
    contents: Mapping[Digest, BaseContent] = field(default_factory=dict)  # of bases, by their manifests
    used: tuple[RecordedBase, ...] = ()  # images that containers have run


async def run_task(
    request: TaskRequest, means: TaskMeans, *, canceled: asyncio.Event | None = None
) -> TaskOutcome:
    """Carry out every step; raise `WrongUse` before the first for what the file may not ask for.

    Setting `canceled` ends the run as Canceled, after its last steps. Cancelling the call ends it at once.
    Either way nothing of the run is left when this returns: no process, container or network.
    """
    site = _site(request, means)
    _refuse_foreign(site)
    refuse_exposed(plan_steps(request.taskfile, site.setting, secrets=request.secrets))
    await asyncio.to_thread(furnish, site.place, request.taskfile)
    try:
        await _prepare(site)
        pace = means.pace
        course = await run_steps(
            request.taskfile.steps,
            partial(carry_out, site=site),
            pace,
            now=means.tools.now,
            canceled=canceled,
            ended=partial(_hear, request, means, site.narrator),
        )
    finally:
        await uninterrupted(_clear_up(site))
    return _outcome(request, site, course, pace)


def _hear(request: TaskRequest, means: TaskMeans, narrator: Narrator, result: StepResult) -> None:
    """Steps that have come to their own end have told of it themselves."""
    match result.status:
        case StepStatus.CANCELED:
            narrator.say(result.id, narration.stopped(result.id))
        case StepStatus.SKIPPED:
            narrator.say(result.id, narration.skipped(result.id))
        case StepStatus.SUCCEEDED | StepStatus.FAILED:
            pass
        case _:
            assert_never(result.status)
    means.ended(step_record(request.taskfile, result))


def step_record(taskfile: TaskFile, result: StepResult) -> StepRecord:
    """What is kept of a step: nothing that a program has printed."""
    place = next(place for place, step in enumerate(taskfile.steps) if step.id == result.id)
    return StepRecord(
        place,
        result.id,
        result.kind,
        result.status,
        result.started_at,
        result.ended_at,
        result.exit_code,
        result.tries,
    )


def _site(request: TaskRequest, means: TaskMeans) -> Site:
    place = RunPlace(request.run_id, str(request.folder.resolve()))
    names, narrator = EngineNames(), Narrator(means.sink, means.tools.now)
    other = request.platform if request.platform != this_machine() else None
    return Site(
        taskfile=request.taskfile,
        setting=PlanSetting(
            place, means.containers.calls, means.rules, other, request.task, request.registry
        ),
        platform=request.platform,
        tools=means.tools,
        containers=means.containers,
        narrator=narrator,
        secrets=request.secrets,
        fetch=means.fetch,
        intents=means.intents,
        pushes=means.pushes,
        images=RunImages(
            means.tools,
            means.containers,
            request.platform,
            helper=means.rules.helper,
            carry=partial(_carried, names, narrator, request.folder),
        ),
        names=names,
        follow=request.follow,
    )


async def _carried(
    names: EngineNames, narrator: Narrator, scratch: Path, part: Part, target: Engine
) -> LocalImage:
    names.add(target, part.name)
    way = f"from {place_of(part.engine)} to {place_of(target)}"
    narrator.say(narration.RUN, f"Bringing image {part.name} {way}")
    return await carry(part.name, part.image, part.engine, target, scratch=scratch)


def _refuse_foreign(site: Site) -> None:
    """Containers of another platform than the machine's, which builds without RUN may be for. They share
    folders of this machine, so no worker takes them."""
    why = site.tools.engine.cannot_run(site.platform)
    running = next((step for step in site.taskfile.steps if isinstance(step.action, Cmd)), None)
    if why and running:
        workers = (
            "; workers only build: what cmd steps run stays on this machine" if site.tools.workers else ""
        )
        raise EngineError(
            f"step {running.id!r} needs a machine for {site.platform}: {why}{workers}",
            hint="run the task there, or without steps that run containers",
        )


async def _prepare(site: Site) -> None:
    """Networks are for containers alone."""
    if any(step.kind is Kind.CMD for step in site.taskfile.steps):
        site.containers.check()
        for network in plan_networks(site.taskfile, site.setting):
            site.narrator.say(narration.RUN, f"Creating network: {network.name}")
            await site.containers.make_network(network.create)


async def _clear_up(site: Site) -> None:
    """What cannot be removed is told, and left for `remove_left`: it does not undo what the run has done."""
    site.is_closing = True
    for removal in (_remove_containers(site), *site.names.removals()):
        try:
            await removal
        except TrackerError as error:
            site.narrator.say(narration.RUN, f"warning: not cleared up: {error.message}")


async def _remove_containers(site: Site) -> None:
    """Those that tell of detached containers end by it, and give their last words."""
    try:
        if any(step.kind is Kind.CMD for step in site.taskfile.steps):
            await site.containers.remove_all(Path(site.place.folder))
        if site.followers:
            await asyncio.wait(site.followers, timeout=_LAST_WORDS_S)
    finally:
        followers = list(site.followers)
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)


def _outcome(request: TaskRequest, site: Site, course: Course, pace: Pace) -> TaskOutcome:
    status, error, hint = _verdict(course, pace)
    records = tuple(_records(site, is_success=status is Status.SUCCEEDED))
    for record in records:
        site.narrator.say(narration.RUN, "The following dependencies were found:")
        told = f"{narration.dependencies(record, request.commit)}\n"
        site.narrator.sink(narration.RUN, narration.Told(told.encode()))
    return TaskOutcome(
        status,
        error,
        hint,
        course.results,
        records,
        _contents(site.built.values()),
        tuple({name: base for bases in site.used.values() for name, base in bases.items()}.values()),
    )


def _verdict(course: Course, pace: Pace) -> tuple[Status, str | None, str | None]:
    failed = next((result for result in course.results if result.status is StepStatus.FAILED), None)
    match course.trouble:
        case None:
            return Status.SUCCEEDED, None, None
        case Trouble.CANCELED:
            return Status.CANCELED, "the run was canceled", None
        case Trouble.TIMED_OUT:
            return Status.TIMEOUT, f"the run took longer than {pace.timeout_s:g} seconds", None
        case Trouble.FAILED:
            assert failed is not None
            status = Status.ERROR if failed.is_our_fault else Status.FAILED
            return status, f"failed to run step ID: {failed.id}: {failed.error}", failed.hint


def _records(site: Site, *, is_success: bool) -> Iterator[BuildRecord]:
    """What was pushed is recorded however the run ended; what was only built, where all went well."""
    for step_id, built in site.built.items():
        pushed = [one.record for one in site.published if one.step == step_id]
        yield from _together(pushed)
        if not pushed and is_success and built.record.images:
            record = record_of_index(built) if built.is_index else built.record
            yield with_bases(record, site.used_before(step_id))


def _together(pushed: Iterable[BuildRecord]) -> Iterator[BuildRecord]:
    """One record for all names that hold the same digest; of a name that was pushed twice, the last."""
    newest = {record.images[0]: record for record in pushed}
    by_digest: dict[Digest | None, list[BuildRecord]] = {}
    for record in newest.values():
        by_digest.setdefault(record.manifests.digest if record.manifests else None, []).append(record)
    for same in by_digest.values():
        names = tuple(record.images[0] for record in same)
        yield replace(same[-1], images=names, pushed=any(record.pushed for record in same))


def _contents(built: Iterable[BuiltImage]) -> dict[Digest, BaseContent]:
    parts = (part for one in built for part in one.parts.values())
    return {manifest: content for part in parts for manifest, content in part.contents.items()}


async def remove_left(
    engine: Engine, containers: Containers, scratch: Path, in_use: frozenset[str]
) -> tuple[str, ...]:
    """After a crash: end what runs that no process carries out any more have left; answers the ids of those
    that had containers.

    `scratch` is the folder of the folders of runs, each named by the id and a dash; `in_use` are ids. Call it
    before those folders are swept, for containers still write to them.
    """
    is_left = _is_left(scratch, in_use)
    left = await containers.remove_left(is_left)
    prefixes = _image_prefixes({*left, *_folders(scratch, is_left)})
    names = await containers.image_names("localhost/tracker-*") if prefixes else ()
    await engine.remove(*(name for name in names if name.startswith(prefixes)))
    return tuple(sorted({_run_of(folder) for folder in left}))


def _is_left(scratch: Path, in_use: frozenset[str]) -> Callable[[Path], bool]:
    parent = scratch.resolve()
    return lambda folder: folder.parent == parent and _run_of(folder) not in in_use


def _folders(scratch: Path, is_left: Callable[[Path], bool]) -> Iterator[Path]:
    return filter(is_left, scratch.resolve().glob("*-*"))


def _image_prefixes(folders: Iterable[Path]) -> tuple[str, ...]:
    return tuple(RunPlace(_run_of(folder), str(folder)).image_prefix for folder in folders)


def _run_of(folder: Path) -> str:
    return folder.name.partition("-")[0]
