"""One run from claim to outcome: scratch folder, log, build, record. Chooses nothing and plans nothing."""

from __future__ import annotations

import contextlib
import sqlite3
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, assert_never

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from graph.clock import to_text
from graph.database import immediate
from graph.errors import StoreBusy, TrackerError, WrongUse
from graph.expecting import Expectations, ExpectedBase
from graph.model import BaseContent, BuildRecord, Manifests, RecordedBase
from graph.record import dataclass
from graph.reference import DEFAULT_REGISTRY, Digest, ImageRef, Platform
from graph.staleness import Limits
from graph.store import GraphStore
from rebuild.alias_rules import AliasRules
from rebuild.engines.engine import CommandFailed
from rebuild.images import intent
from rebuild.images.image_build import Finished, build_image
from rebuild.images.pause import PauseTeller
from rebuild.images.publication import held_already
from rebuild.images.registry import RegistryRefused
from rebuild.images.tools import Tools
from rebuild.runs.cancellation import Cancellation
from rebuild.runs.commit_tries import next_try
from rebuild.runs.definition import DockerStep, FileStep, InlineStep, Revision
from rebuild.runs.earlier_names import leave_earlier_names
from rebuild.runs.equipment import Discretion, Equip, Equipment, same_for_all
from rebuild.runs.logs import LogUnwritable, RunLog, log_path
from rebuild.runs.preparation import image_build, prepare
from rebuild.runs.run_names import filled_in, variables_of
from rebuild.runs.run_summary import summary
from rebuild.runs.scratch import scratch_folder
from rebuild.runs.table import Run, Runs, Status
from rebuild.steps.step_records import KeptSteps
from rebuild.steps.step_rules import StepRules
from rebuild.tasks.task import Tasks

ERROR_CHARACTERS_MOST = 2000
BUSY_MOST_S = 600.0  # how long somebody else may hold the database before a run is given up


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, and what it built."""

    status: Status
    error: str | None = None
    hint: str | None = None
    records: tuple[BuildRecord, ...] = ()
    contents: Mapping[Digest, BaseContent] = field(default_factory=dict)  # of bases, by their manifests
    used: tuple[RecordedBase, ...] = ()  # images that containers of steps have run

    @property
    def record(self) -> BuildRecord | None:
        """What a run of one Dockerfile built."""
        return self.records[0] if self.records else None


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where runs happen: the database, the folders, the tools."""

    connection: sqlite3.Connection
    logs: Path
    scratch: Path
    tools: Tools
    now: Callable[[], datetime]
    listen: Callable[[bytes], None] = lambda piece: None  # hears the log as it grows
    equip: Equip | None = None  # None: the tools serve every run, and no run has secrets
    uploads: Path | None = None  # contexts that were sent here
    registry: str = DEFAULT_REGISTRY  # where names without a registry belong
    cancellation: Cancellation = field(default_factory=Cancellation)  # of the run that is carried out here
    aliases: AliasRules = field(default_factory=AliasRules)  # of task files
    step_rules: StepRules = field(default_factory=StepRules)  # of task files, too
    limits: Limits = field(default_factory=Limits)  # how long a commit waits for another try


async def carry_out(run: Run, place: Workplace) -> Outcome:
    """Carry out a claimed run and write down how it ended.

    Cancellation escapes, and `StoreBusy` where nothing can be written down; then nothing is.
    """
    try:
        log = RunLog(log_path(place.logs, run.run_id))
    except LogUnwritable as error:
        outcome = Outcome(Status.ERROR, error.message, error.hint)
        await _settle(run, place, outcome)
        return outcome
    with contextlib.closing(log):
        return await _carry_out(run, place, log)


async def _carry_out(run: Run, place: Workplace, log: RunLog) -> Outcome:
    def hear(piece: bytes) -> None:
        log.write(piece)
        place.listen(piece)

    await _when_free(place.connection, lambda: Runs(place.connection).set_running(run))
    discreet = Discretion(hear)
    outcome = _without_secrets(await _outcome(run, place, log, discreet), discreet)
    with contextlib.suppress(LogUnwritable):
        discreet.finish()
    again_at = await _settle(run, place, outcome)
    with contextlib.suppress(LogUnwritable):  # the outcome is in the table
        _say_outcome(log, run, outcome, place.now())
        if again_at is not None:
            log.say(f"The commit is tried again at {to_text(again_at)}, unless a newer one comes")
    return outcome


async def _settle(run: Run, place: Workplace, outcome: Outcome) -> datetime | None:
    """Write down how the run ended; answers when its commit is tried again, None: it is not."""
    at = place.now()
    again_at = next_try(place.connection, run, outcome.status, at, place.limits)

    def write() -> None:
        write_down(place.connection, run, outcome, at)
        if again_at is not None:
            Runs(place.connection).want_commit_again(run, again_at)

    await _when_free(place.connection, write)
    return again_at


async def _outcome(run: Run, place: Workplace, log: RunLog, hear: Discretion) -> Outcome:
    """Build; every fault becomes an outcome."""
    try:
        log.say(f"Run ID: {run.run_id}, attempt {run.attempt}, cause {run.cause}")
        if run.definition.revision is not None:
            log.say(told_of(run.definition.revision))
        with scratch_folder(place.scratch, run.run_id) as folder:
            return await _equipped(run, place, folder, hear)
    except TrackerError as error:
        return Outcome(_blame(error), error.message, error.hint)
    except Exception as error:  # a defect of ours: the run ends, the service does not
        with contextlib.suppress(LogUnwritable):
            hear(traceback.format_exc().encode())
        return Outcome(Status.ERROR, f"{type(error).__name__}: {error}")


async def _when_free(connection: sqlite3.Connection, write: Callable[[], None]) -> None:
    """One transaction. What a run has come to is worth waiting for whoever holds the database."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(StoreBusy),
        stop=stop_after_delay(BUSY_MOST_S),
        wait=wait_fixed(1.0),
        reraise=True,
    ):
        with attempt, immediate(connection):
            write()


async def _equipped(run: Run, place: Workplace, folder: Path, hear: Discretion) -> Outcome:
    """Fetch what the run needs, and do what it was asked to do."""
    equip = place.equip or same_for_all(place.tools)
    async with equip(run, folder) as equipment:
        hear.learn(equipment)
        pauses = PauseTeller(lambda line: hear(f"{line}\n".encode()))
        tools = replace(equipment.tools, registry=equipment.tools.registry.telling(pauses))
        equipment = replace(equipment, tools=tools)
        match run.definition.step:
            case DockerStep() as step:
                return await _build_once(run, step, place, equipment, folder, hear)
            case FileStep() | InlineStep() as step:
                return await _steps(run, step, place, equipment, folder, hear)
            case _:
                assert_never(run.definition.step)


async def _steps(
    run: Run,
    step: FileStep | InlineStep,
    place: Workplace,
    equipment: Equipment,
    folder: Path,
    hear: Discretion,
) -> Outcome:
    # Task files bring templates, YAML and containers with them: a plain build should not wait for those.
    from rebuild.steps.task_file_run import TaskPlace, run_task_file

    name = _task_name(run, place)
    aliases, rules = place.aliases, place.step_rules
    if run.definition.is_foreign:  # its author has no say in what may be reached from here
        aliases, rules = replace(aliases, fetch=None), rules.for_stranger()
    kept = KeptSteps(place.connection, run)
    here = TaskPlace(
        folder,
        place.uploads,
        place.registry,
        name,
        aliases,
        place.cancellation,
        rules,
        kept.keep,
        note=lambda what: _note(what, run, place),
    )
    try:
        done = await run_task_file(run, step, here, equipment, hear)
    finally:
        if kept.waiting:
            await _when_free(place.connection, kept.write)
    return Outcome(done.status, done.error, done.hint, done.records, done.contents, done.used)


def _task_name(run: Run, place: Workplace) -> str:
    task = Tasks(place.connection).of_run(run.run_id)
    return task.name if task else ""


async def _build_once(
    run: Run, step: DockerStep, place: Workplace, equipment: Equipment, folder: Path, hear: Discretion
) -> Outcome:
    """Build if it is not built."""
    finished = await _finished_before(run, equipment.tools, hear) or await _build(
        run, step, place, equipment, folder, hear
    )
    if isinstance(finished, CommandFailed):  # before one line of it is taken, perhaps out of a secret
        finished = replace(finished, log_tail=hear.hidden(finished.log_tail))
    return _judge(finished)


async def _build(
    run: Run,
    step: DockerStep,
    place: Workplace,
    equipment: Equipment,
    folder: Path,
    hear: Callable[[bytes], None],
) -> Finished | CommandFailed:
    workshop = folder / "build"
    workshop.mkdir()
    context = await prepare(
        run.definition,
        folder,
        hear,
        place.uploads,
        secrets=equipment.context_secrets,
        reach=equipment.reach,
        stdin=equipment.stdin,
    )
    variables = variables_of(run, context, registry=place.registry, task_name=_task_name(run, place))
    return await build_image(
        image_build(run.definition, filled_in(step, variables), context),
        equipment.tools,
        scratch=workshop,
        name=f"localhost/tracker/untagged:{run.run_id}",
        log=hear,
        before_push=lambda record: _note(intent.to_json(record), run, place),
        secrets=equipment.secrets,
    )


def _note(what: str, run: Run, place: Workplace) -> None:
    """Write down what is about to be pushed."""
    with immediate(place.connection):
        Runs(place.connection).set_intent(run, what)


async def _finished_before(run: Run, tools: Tools, hear: Callable[[bytes], None]) -> Finished | None:
    """The build that a killed process had pushed but not recorded, if the registry holds just that."""
    if run.intent is None:
        return None
    record = intent.from_json(run.intent)
    held = await held_already(record, tools)
    if held is None:
        return None
    hear(f"the interrupted attempt had pushed {record.images[0]} as {held.digest}: recorded\n".encode())
    return Finished(replace(record, manifests=held, pushed=True), {})


def _without_secrets(outcome: Outcome, discreet: Discretion) -> Outcome:
    """What a tool complained of may hold what it was given. It is shortened after that, never before."""
    error = outcome.error and discreet.hidden(outcome.error)[:ERROR_CHARACTERS_MOST]
    return replace(outcome, error=error, hint=outcome.hint and discreet.hidden(outcome.hint))


def _judge(finished: Finished | CommandFailed) -> Outcome:
    match finished:
        case Finished(record=record, contents=contents):
            return Outcome(Status.SUCCEEDED, records=(record,), contents=contents)
        case CommandFailed(timed_out=True):
            hint = "raise it with --timeout"
            return Outcome(Status.TIMEOUT, "the build took longer than its timeout", hint)
        case CommandFailed(exit_code=code, log_tail=tail):
            last = tail.strip().splitlines()[-1:] or [""]
            return Outcome(Status.FAILED, f"exit status {code}: {last[0]}")


def told_of(revision: Revision) -> str:
    """Of what commit a run is, for its log."""
    if revision.pull is not None:
        fork = ", from a fork: without credentials and secrets" if revision.from_fork else ""
        return f"pull request {revision.pull} at commit {revision.commit}{fork}; nothing is pushed"
    where = f"tag {revision.tag}" if revision.tag else f"branch {revision.branch}"
    return f"{where} at commit {revision.commit}"


def _blame(error: TrackerError) -> Status:
    """Failed is for the image owner to act on, Error for the operator or for nobody."""
    return Status.FAILED if isinstance(error, WrongUse | RegistryRefused) else Status.ERROR


def write_down(connection: sqlite3.Connection, run: Run, outcome: Outcome, at: datetime) -> None:
    """How the run ended, with what it recorded. Belongs inside `immediate()`: all of it or nothing."""
    store = GraphStore(connection)
    if run.definition.is_trial:  # what somebody proposes is not what an image is made of
        outcome = replace(outcome, records=(), contents={})
    for record in outcome.records:
        images = tuple(image for image in record.images if _tells_of(image, run, record, store))
        store.record(replace(record, images=images, run_id=run.run_id, task_id=run.task_id))
    for manifest, content in outcome.contents.items():
        store.remember_content(manifest, content)
    if outcome.status is Status.SUCCEEDED and not run.definition.is_trial:
        _watch_used(connection, run, outcome, at)
        made = [image for record in outcome.records for image in record.images]
        leave_earlier_names(connection, run, made)
    outputs = outputs_of(outcome)
    Runs(connection).finish(run, outcome.status, at, error=outcome.error, hint=outcome.hint, outputs=outputs)


def _watch_used(connection: sqlite3.Connection, run: Run, outcome: Outcome, at: datetime) -> None:
    """Images that only containers have run, and no build after them: they are bases of the task alone."""
    if run.task_id is None:
        return
    built = {base.reference for record in outcome.records for base in record.bases}
    used = [
        ExpectedBase(base.reference, base.role, base.via, base.stage, base.line)
        for base in outcome.used
        if base.reference not in built
    ]
    Expectations(connection).expect_more(run.task_id, used, at)


def outputs_of(outcome: Outcome) -> list[dict[str, Any]]:
    """The images that the run leaves in registries, each with its digest, and that of each platform."""
    return [
        _output(image, record.manifests, record.platforms)
        for record in outcome.records
        if record.manifests is not None
        for image in record.images
    ]


def _output(image: ImageRef, held: Manifests, platforms: Iterable[Platform]) -> dict[str, Any]:
    found = {str(platform): held.for_platform(platform) for platform in platforms}
    return {
        "reference": str(image),
        "registry": image.registry,
        "repository": image.repository,
        "tag": image.tag,
        "digest": str(held.digest),
        "platforms": {platform: str(digest) for platform, digest in found.items() if digest},
    }


def _tells_of(image: ImageRef, run: Run, record: BuildRecord, store: GraphStore) -> bool:
    """Whether the build says what the image now stands on. One that somebody tried out and did not push
    says nothing of what the registry holds under that name from an earlier build."""
    tried_out = record.manifests is None and run.task_id is None
    return not tried_out or store.newest_build(image) is None


def _say_outcome(log: RunLog, run: Run, outcome: Outcome, at: datetime) -> None:
    error = f". Error: {outcome.error}" if outcome.error else ""
    took_s = (at - (run.started_at or run.created_at)).total_seconds()
    log.say(f"{summary(run.run_id, outcome.status, took_s)}{error}")
    if outcome.hint:
        log.say(f"hint: {outcome.hint}")
