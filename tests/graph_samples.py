"""Graphs for tests of what reads them: a state folder with a real database, filled through the real store."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from graph.clock import now
from graph.database import immediate
from graph.model import BuildRecord, Manifests, RecordedBase, SaidBase
from graph.reference import Digest, ImageRef, Platform
from graph.store import GraphStore, Source
from graph.words import Role, Via
from rebuild.runs.definition import Definition, DockerStep
from rebuild.runs.table import Cause, Run, Runs, Status
from rebuild.tasks.task import Task, Tasks
from tracker.state import State

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
HOST = "registry.example.com:5000"
LONG = f"{HOST}/team/some-long-image-name:2026.11.23-build4"


def digest_of(seed: str) -> Digest:
    return Digest("sha256", hashlib.sha256(seed.encode()).hexdigest())


def index_of(**seeds: str) -> Manifests:
    """An index; `amd64="x", arm64="y"` are seeds of the platforms' manifests."""
    platforms = {Platform.parse(name): digest_of(seed) for name, seed in seeds.items()}
    return Manifests(digest_of(f"index of {sorted(seeds.items())}"), platforms)


def single(seed: str) -> Manifests:
    return Manifests(digest_of(seed))


@dataclass
class Sample:
    """A state folder under construction; times are given in hours before `at`."""

    state: State
    sql: sqlite3.Connection
    at: datetime = field(default_factory=now)
    holds: dict[ImageRef, Manifests] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path) -> Sample:
        state = State(folder)
        return cls(state, state.write())

    def ago(self, hours: float) -> datetime:
        return self.at - timedelta(hours=hours)

    def observe(self, name: str, manifests: Manifests, *, hours: float) -> None:
        """A registry said, so long ago, that the name points there."""
        reference = ImageRef.parse(name)
        self.holds[reference] = manifests
        with immediate(self.sql):
            GraphStore(self.sql).observe(reference, manifests, self.ago(hours), Source.POLL)

    def hear(self, seed: str, base: str) -> None:
        """The manifest of that seed says that it stands on the base, of which nothing else is known."""
        said = {digest_of(seed): SaidBase(ImageRef.parse(base), digest_of(base))}
        with immediate(self.sql):
            GraphStore(self.sql).remember_manifests(Manifests(digest_of(seed), {}, said))

    def build(
        self,
        name: str,
        *bases: str | RecordedBase,
        hours: float,
        platforms: Sequence[Platform] = (AMD64,),
        task: Task | None = None,
        run: str | None = None,
    ) -> None:
        """Record a build: the first base is the runtime one, the others are copied from."""
        record = self.built(name, *bases, hours=hours, platforms=platforms)
        its_own = replace(record, run_id=run, task_id=task.task_id if task else None)
        with immediate(self.sql):
            GraphStore(self.sql).record(its_own)

    def built(
        self, name: str, *bases: str | RecordedBase, hours: float, platforms: Sequence[Platform] = (AMD64,)
    ) -> BuildRecord:
        """What a build so long ago has to record."""
        reference = ImageRef.parse(name)
        recorded = [
            self.base(base, first=position == 0, line=position + 1, platforms=platforms)
            if isinstance(base, str)
            else base
            for position, base in enumerate(bases)
        ]
        content = single(f"{name} built {hours} hours ago")
        self.holds[reference] = content
        return BuildRecord(
            images=(reference,),
            manifests=content,
            content_id=content.digest,
            platforms=tuple(platforms),
            bases=tuple(recorded),
            resolved_at=self.ago(hours),
            built_at=self.ago(hours),
            duration_s=61.0,
        )

    def base(self, name: str, *, first: bool, line: int, platforms: Sequence[Platform]) -> RecordedBase:
        reference = ImageRef.parse(name)
        role, via = (Role.RUNTIME, Via.FROM) if first else (Role.BUILDTIME, Via.COPY)
        held = self.holds.get(reference) or single(name)
        return RecordedBase(reference, role, via, "0", line, held, tuple(platforms))

    def task(self, name: str, *images: str) -> Task:
        with immediate(self.sql):
            return Tasks(self.sql).save(name, definition_of(*images), self.ago(100))

    def run(
        self,
        task: Task | None,
        status: Status,
        *,
        hours: float,
        took_s: float = 60.0,
        images: Sequence[str] = (),
        error: str | None = None,
        log: bytes | None = None,
    ) -> Run:
        """A run that began so long ago and ended, or stands, as `status` says."""
        runs, started = Runs(self.sql), self.ago(hours)
        definition = task.definition if task else definition_of(*images)
        cause = Cause.BASE_IMAGE if task else Cause.QUICK
        with immediate(self.sql):
            run = runs.add(definition, cause, started, task_id=task.task_id if task else None)
            if status is not Status.QUEUED:
                runs.claim(started, "a process", run_id=run.run_id)
            if status not in (Status.QUEUED, Status.STARTED):
                runs.set_running(run)
            if status.finished:
                runs.finish(run, status, started + timedelta(seconds=took_s), error=error)
        if log is not None:
            (self.state.logs / f"{run.run_id}.log").write_bytes(log)
        return run

    def finish(self, run: Run, status: Status = Status.SUCCEEDED) -> None:
        with immediate(self.sql):
            Runs(self.sql).finish(run, status, self.at)


def definition_of(*images: str) -> Definition:
    names = tuple(str(ImageRef.parse(image)) for image in images)
    return Definition("/srv/app", DockerStep(names), AMD64)


def diamond(folder: Path) -> Sample:
    """debian:12 → base → b and c → d, each with a task, all fresh; on top one with a long name, no task."""
    sample = Sample.make(folder)
    sample.observe("debian:12", index_of(amd64="debian", arm64="debian on arm"), hours=240)
    tasks = {name: sample.task(name, f"{HOST}/{name}:1") for name in ("base", "img-b", "img-c", "img-d")}
    sample.build(f"{HOST}/base:1", "debian:12", hours=72, task=tasks["base"])
    sample.build(f"{HOST}/img-b:1", f"{HOST}/base:1", hours=71, task=tasks["img-b"])
    sample.build(f"{HOST}/img-c:1", f"{HOST}/base:1", hours=70, task=tasks["img-c"])
    sample.build(f"{HOST}/img-d:1", f"{HOST}/img-b:1", f"{HOST}/img-c:1", hours=69, task=tasks["img-d"])
    sample.build(LONG, f"{HOST}/img-d:1", f"alpine:3.20@{digest_of('alpine')}", hours=30)
    return sample


def with_moved_debian(sample: Sample) -> Sample:
    """The same, five hours after debian:12 moved for the platform that all are built for."""
    sample.observe("debian:12", index_of(amd64="debian, mended", arm64="debian on arm"), hours=5)
    return sample


def shop(folder: Path) -> Sample:
    """The graph of docs/commands.md: debian:12 → python → worker and shop, shop also on worker and golang."""
    sample, host = Sample.make(folder), "localhost:5000"
    sample.observe("debian:12", index_of(amd64="debian", arm64="debian on arm"), hours=240)
    sample.observe("golang:1.23", index_of(amd64="golang"), hours=240)
    python, worker, top = (
        sample.task(name, f"{host}/{name}:{tag}")
        for name, tag in (("python", "3.12"), ("worker", "2"), ("shop", "1.4"))
    )
    sample.hear("golang", "buildpack-deps:bookworm-scm")
    sample.build(f"{host}/python:3.12", "debian:12", hours=72, task=python)
    sample.build(f"{host}/worker:2", f"{host}/python:3.12", hours=71, task=worker)
    bases = (f"{host}/python:3.12", "golang:1.23", f"{host}/worker:2")
    sample.build(f"{host}/shop:1.4", *bases, hours=70, task=top)
    for task, hours, took_s in ((python, 72, 71), (worker, 71, 24), (top, 70, 102)):
        log = f"Run of task {task.name}\nSTEP 1/2: FROM …\nSTEP 2/2: RUN make\n".encode()
        sample.run(task, Status.SUCCEEDED, hours=hours, took_s=took_s, log=log)
    sample.observe("debian:12", index_of(amd64="debian, mended", arm64="debian on arm"), hours=5)
    return sample
