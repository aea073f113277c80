"""`tracker doctor`: tries everything that tracker needs on this machine and says what it found."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import shutil
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import click

from graph.clock import now
from graph.errors import TrackerError
from graph.reference import ImageRef, Platform
from rebuild.engines.docker import DockerEngine
from rebuild.engines.podman import PodmanEngine
from rebuild.engines.probe import EngineProbe
from rebuild.images.registry import RegistryError
from rebuild.sources.refusals import Refusals
from rebuild.sources.repositories import Repositories, Standing
from rebuild.tasks.task import Tasks
from tracker.cli.finding import Finding, Mark
from tracker.cli.habits import json_option
from tracker.cli.main import Place
from tracker.cli.watch_findings import budget_findings, event_findings
from tracker.cli.worker_findings import worker_findings
from tracker.registry import POLLING
from tracker.settings.intervals import intervals_of
from tracker.settings.named_files import unreadable_files
from tracker.settings.reading import check
from tracker.settings.settings import Settings
from tracker.settings.written import Written, read_written
from tracker.state import State, find_config, find_state
from tracker.workshop import engine_of, host_platform, registry_client

SPACE_LEAST = 2 * 1024**3  # bytes; a build needs room for its layers
OTHER_PLATFORMS = tuple(map(Platform.parse, ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386")))


@click.command()
@click.option(
    "--afresh", is_flag=True, help="Try the engine out again instead of trusting what was remembered."
)
@json_option("Print one JSON array.")
@click.pass_obj
def doctor(place: Place, afresh: bool, as_json: bool) -> int:
    """Try out what tracker needs on this machine: settings, state, engine, platforms, registries, service.

    The exit status is 1 if something will fail until somebody acts.
    """
    config = find_config(place.config)
    written = read_written(config)
    settings = check(written, config)
    state = find_state(place.state, config)
    database = _database(state)
    findings = [*_settings(settings, written, config), _folder(state), database]
    findings += asyncio.run(_engine(settings, state, afresh))
    findings += asyncio.run(worker_findings(settings, state, afresh=afresh))
    if database.mark is Mark.OK:
        findings += asyncio.run(_registries(settings, state))
        findings += [*_repositories(state), *_watching(settings, state)]
    findings.append(_service(settings))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _print(findings)
    return 1 if any(finding.mark is Mark.FAULT for finding in findings) else 0


def _settings(settings: Settings, written: Written, config: Path | None) -> list[Finding]:
    told = [str(config or "no file"), *written.variables]
    if told == ["no file"]:
        told.append("every setting is at its default")
    missing = [file for file in unreadable_files(settings) if file.is_missing_for_all]
    faults = [
        Finding("settings", Mark.FAULT, str(file), "make this file, or name another") for file in missing
    ]
    return faults or [Finding("settings", Mark.OK, ", ".join(told))]


def _folder(state: State) -> Finding:
    folder = state.folder
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        free = shutil.disk_usage(folder).free
        (folder / ".doctor").write_bytes(b"")
        (folder / ".doctor").unlink()
    except OSError as error:
        return Finding(
            "state", Mark.FAULT, f"{folder}: {error.strerror}", "name a folder of your own with --state"
        )
    text = f"{folder}, {free / 1024**3:.1f} GiB free"
    if free < SPACE_LEAST:
        return Finding("state", Mark.FAULT, text, "make room: builds need some GiB for their layers")
    return Finding("state", Mark.OK, text)


def _database(state: State) -> Finding:
    if not state.database.exists():
        return Finding("database", Mark.NOTE, "none yet; the first build makes it")
    try:
        with contextlib.closing(state.read()) as connection:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            images = connection.execute("SELECT count(*) FROM images").fetchone()[0]
    except (sqlite3.Error, TrackerError) as error:
        return Finding(
            "database", Mark.FAULT, f"{state.database}: {error}", "restore a copy, or move it away"
        )
    if answer != "ok":
        return Finding("database", Mark.FAULT, f"{state.database} is damaged: {answer}", "restore a copy")
    return Finding("database", Mark.OK, f"{state.database}, {images} images")


async def _engine(settings: Settings, state: State, afresh: bool) -> list[Finding]:
    try:
        engine = await engine_of(settings, state, afresh=afresh)
    except TrackerError as error:
        return [Finding("engine", Mark.FAULT, error.message, error.hint)]
    except OSError as error:  # where the state folder is none, which is told already
        return [Finding("engine", Mark.FAULT, f"cannot be tried: {error.filename}: {error.strerror}")]
    assert isinstance(engine, PodmanEngine | DockerEngine)
    return [*_probed(engine.probe), *(_platform(engine, wanted) for wanted in _others())]


def _others() -> Iterable[Platform]:
    return (platform for platform in OTHER_PLATFORMS if platform != host_platform())


def _probed(probe: EngineProbe) -> list[Finding]:
    how = {
        "builder": f"{probe.builder} {probe.builder_version}",
        "isolation": probe.isolation,
        "runtime": probe.runtime,
        "cgroup manager": probe.cgroup_manager,
        "ulimits": " ".join(probe.ulimits),
        "storage": probe.storage,
    }
    told = ", ".join(f"{name} {value}" for name, value in how.items() if value)
    builds = Finding("engine", Mark.OK, f"{probe.engine} {probe.version} ({probe.program}): {told}")
    if not probe.can_build:
        builds = Finding(
            "engine", Mark.FAULT, f"{probe.engine} {probe.version} cannot build here", "see the notes"
        )
    runs = Finding("containers", Mark.OK, "start")
    if not probe.can_run_containers:
        runs = Finding("containers", Mark.NOTE, "do not start; builds do not need them")
    return [builds, runs, *(Finding("engine note", Mark.NOTE, note) for note in probe.notes)]


def _platform(engine: PodmanEngine | DockerEngine, wanted: Platform) -> Finding:
    why_not = engine.cannot_run(wanted)
    if why_not is None:
        return Finding(str(wanted), Mark.OK, "its programs run by emulation")
    return Finding(str(wanted), Mark.NOTE, why_not)


async def _registries(settings: Settings, state: State) -> list[Finding]:
    """Ask each registry that is watched about one reference."""
    examples = _examples(state)
    async with registry_client(settings) as client:
        patient = client.with_patience(POLLING)
        findings = []
        for registry, reference in examples.items():
            try:
                await patient.digest(reference)
                findings.append(Finding(registry, Mark.OK, f"answers about {reference}"))
            except RegistryError as error:
                told = error.message.removeprefix(f"{registry}: ")
                findings.append(Finding(registry, Mark.FAULT, told, error.hint))
    return findings


def _watching(settings: Settings, state: State) -> list[Finding]:
    with contextlib.closing(state.read()) as connection:
        return [
            *event_findings(connection, intervals_of(settings), now()),
            *budget_findings(connection, now()),
        ]


def _examples(state: State) -> dict[str, ImageRef]:
    with contextlib.closing(state.read()) as connection:
        names = connection.execute(
            "SELECT i.name FROM observations o JOIN images i ON i.id = o.image_id WHERE o.due_at IS NOT NULL"
        )
        references = [ImageRef.parse(row[0]) for row in names]
    return {reference.registry: reference for reference in references}


def _repositories(state: State) -> list[Finding]:
    """What the last look at each git repository came to, and what forges refuse; asks none of them."""
    with contextlib.closing(state.read()) as connection:
        standing = Repositories(connection).standing()
        refused = [
            Finding(f"task {task.name}", Mark.NOTE, f"{what} are refused: {message}", hint)
            for task in Tasks(connection).all()
            for what, message, hint in Refusals(connection).of_task(task.task_id)
        ]
    return [*map(_repository, standing), *refused]


def _repository(one: Standing) -> Finding:
    if one.fault is not None:
        text = (
            f"told nothing at the last {one.failures} tries: {one.fault}" if one.failures > 1 else one.fault
        )
        return Finding(one.url, Mark.FAULT, text, one.hint)
    if one.asked_at is None:
        return Finding(one.url, Mark.NOTE, "has not been asked for its refs yet")
    missed = f"; its webhooks missed {one.missed} changes" if one.missed else ""
    return Finding(one.url, Mark.OK, f"tells its refs{missed}")


def _service(settings: Settings) -> Finding:
    address = f"http://{settings.serve.listen}/readyz"
    without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with without_proxy.open(address, timeout=3) as answer:
            return Finding("service", Mark.OK, f"{address} answers {answer.status}")
    except urllib.error.HTTPError as error:
        return Finding("service", Mark.FAULT, f"{address} answers {error.code}", "look at its log")
    except http.client.HTTPException:
        told = f"something answers at {address} that is no tracker"
        return Finding("service", Mark.FAULT, told, "give the service another address: serve.listen")
    except OSError:
        return Finding(
            "service", Mark.NOTE, f"none at {address}: nothing is watched", "start it with 'tracker serve'"
        )


def _print(findings: list[Finding]) -> None:
    colours = {Mark.OK: "green", Mark.NOTE: "yellow", Mark.FAULT: "red"}
    for finding in findings:
        mark = click.style(f"{finding.mark:<6}", fg=colours[finding.mark])
        click.echo(click.wrap_text(f"{finding.subject}: {finding.text}", 78, mark, " " * 7))
        if finding.hint:
            click.echo(click.wrap_text(f"hint: {finding.hint}", 78, " " * 7, " " * 7))
