"""What is recorded is what was used, and what was pushed is what the tag holds; else nothing is recorded."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from graph.clock import now
from graph.database import immediate
from graph.dockerfile import Feature
from graph.errors import StoreBusy
from graph.model import BuildRecord, Manifests
from graph.reference import Digest, ImageRef, Platform
from graph.store import GraphStore
from rebuild.engines.engine import BuildRequest, Built, CommandFailed, LocalImage, LogSink, Pruned, Pushed
from rebuild.images import intent
from rebuild.images.content import content_id
from rebuild.images.image_build import ImageBuild, build_image
from rebuild.images.memory import GraphMemory
from rebuild.images.pause import OnPause
from rebuild.images.publication import NotWhatWasPushed
from rebuild.images.registry import NotFound, TagList
from rebuild.images.tools import Tools
from rebuild.runs.definition import Definition, DockerStep
from rebuild.runs.run import Outcome, Workplace, carry_out
from rebuild.runs.table import Cause, Run, Runs, Status
from tests.graph_samples import Sample, digest_of

AMD64 = Platform.parse("linux/amd64")
LOW, HIGH = digest_of("low layer"), digest_of("high layer")
BASE, APP, OTHER = (ImageRef.parse(f"r.io/{name}:1") for name in ("base", "app", "other"))
CONFIG = {"Env": ["A=1"]}


@dataclass
class FakeRegistry:
    """Tags and configs in memory; a digest is that of the layers and the words beside them."""

    tags: dict[ImageRef, Digest] = field(default_factory=dict)
    configs: dict[Digest, dict[str, Any]] = field(default_factory=dict)
    looked_at: list[Digest] = field(default_factory=list)

    def put(self, reference: ImageRef, *layers: Digest, word: str = "") -> Digest:
        config = {
            "os": "linux",
            "architecture": "amd64",
            "config": {**CONFIG, **({"User": word} if word else {})},
            "rootfs": {"diff_ids": [str(layer) for layer in layers]},
        }
        digest = Digest("sha256", hashlib.sha256(json.dumps(config).encode()).hexdigest())
        self.configs[digest] = config
        self.tags[reference] = digest
        return digest

    async def digest(self, reference: ImageRef, *, known: Digest | None = None) -> Digest:
        if reference not in self.tags:
            raise NotFound(f"{reference}: no such image")
        return self.tags[reference]

    async def manifests(self, reference: ImageRef, digest: Digest) -> Manifests:
        return Manifests(digest)

    async def image_config(self, reference: ImageRef, manifest: Digest) -> Mapping[str, Any]:
        self.looked_at.append(manifest)
        return self.configs[manifest]

    def telling(self, on_pause: OnPause) -> FakeRegistry:
        return self

    async def list_tags(self, reference: ImageRef, *, known: TagList | None = None) -> TagList:
        return TagList(tuple(one.tag for one in self.tags if one.name == reference.name and one.tag))

    async def annotations(self, reference: ImageRef, digest: Digest) -> Mapping[str, str]:
        return {}


@dataclass
class FakeEngine:
    """Builds whatever layers it is told to, and pushes to the registry in memory."""

    registry: FakeRegistry
    layers: tuple[Digest, ...] = (LOW, HIGH)
    word_of_another: str = ""  # somebody else pushes in the same moment
    tells_digests: bool = True
    pushed: list[ImageRef] = field(default_factory=list)
    built: list[str] = field(default_factory=list)
    left_out: list[tuple[str, ...]] = field(default_factory=list)
    name: str = "fake"
    worker: str | None = None
    version: str = "1"
    features: frozenset[Feature] = frozenset()
    reads_syntax_line: bool = False

    async def build(self, request: BuildRequest, log: LogSink) -> Built | CommandFailed:
        self.built.append(request.dockerfile.read_text())
        self.left_out.append(request.leaves_out)
        return Built(LocalImage(digest_of("an image id"), AMD64, self.layers, CONFIG))

    async def inspect(self, name: str) -> LocalImage | None:
        return None

    async def push(self, image: LocalImage, to: ImageRef, log: LogSink) -> Pushed | CommandFailed:
        self.pushed.append(to)
        digest = self.registry.put(to, *image.diff_ids)
        if self.word_of_another:
            self.registry.put(to, *image.diff_ids, word=self.word_of_another)
        return Pushed(digest if self.tells_digests else None)

    async def remove(self, *names: str) -> None:
        """Nothing is kept."""

    async def prune(self, *, older_than_s: float) -> Pruned:
        return Pruned(0)

    def cannot_run(self, platform: Platform) -> str | None:
        return None


@dataclass
class Bench:
    """A place to carry out runs of one definition."""

    sample: Sample
    place: Workplace
    registry: FakeRegistry
    engine: FakeEngine
    definition: Definition

    def claimed(self, definition: Definition | None = None, **changes: Any) -> Run:
        runs = Runs(self.sample.sql)
        with immediate(self.sample.sql):
            run = runs.add(definition or self.definition, Cause.QUICK, self.sample.at)
            run = runs.claim(self.sample.at, "a process", run_id=run.run_id) or pytest.fail("not claimed")
        return replace(run, **changes)

    async def done(self, **changes: Any) -> Outcome:
        return await carry_out(self.claimed(**changes), self.place)

    def status(self) -> str:
        (row,) = self.sample.sql.execute("SELECT status FROM runs ORDER BY number DESC LIMIT 1").fetchall()
        return str(row[0])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    sample = Sample.make(tmp_path / "state")
    registry = FakeRegistry()
    registry.put(BASE, LOW)
    engine = FakeEngine(registry)
    tools = Tools(registry, engine, GraphMemory(GraphStore(sample.sql)), AMD64, now)
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {BASE}\n")
    place = Workplace(sample.sql, sample.state.logs, sample.state.scratch, tools, now)
    yield Bench(sample, place, registry, engine, Definition(str(context), DockerStep((str(APP),)), AMD64))
    sample.sql.close()


@pytest.mark.anyio
async def test_the_engine_is_given_the_base_by_digest_and_that_is_recorded(bench: Bench) -> None:
    outcome = await bench.done()

    assert outcome.status is Status.SUCCEEDED
    assert bench.engine.built == [f"FROM {BASE.with_digest(bench.registry.tags[BASE])}\n"]
    assert outcome.record and outcome.record.bases[0].manifests.digest == bench.registry.tags[BASE]
    assert outcome.record.manifests == Manifests(bench.registry.tags[APP])


@pytest.mark.anyio
async def test_a_folder_is_built_from_without_what_packing_it_leaves_out(bench: Bench) -> None:
    await bench.done()

    assert "**/.git" in bench.engine.left_out[0]


@pytest.mark.anyio
async def test_a_result_that_stands_on_another_base_is_not_pushed(bench: Bench) -> None:
    bench.engine.layers = (HIGH, LOW)

    outcome = await bench.done()

    assert outcome.status is Status.ERROR
    assert "does not begin with the layers" in str(outcome.error)
    assert bench.engine.pushed == []


@pytest.mark.anyio
async def test_a_push_that_somebody_else_overwrites_is_not_recorded(bench: Bench) -> None:
    bench.engine.word_of_another = "another"

    with pytest.raises(NotWhatWasPushed, match="now holds something else"):
        await build_image(
            ImageBuild(Path(bench.definition.context), None, (APP,), AMD64),
            bench.place.tools,
            scratch=bench.place.scratch,
            name="x",
            log=lambda piece: None,
            before_push=lambda record: None,
        )


@pytest.mark.anyio
@pytest.mark.parametrize("tells", [True, False])
async def test_a_pushed_image_is_looked_at_only_where_the_engine_tells_no_digest(
    bench: Bench, tells: bool
) -> None:
    bench.engine.tells_digests = tells

    outcome = await bench.done()

    held = bench.registry.tags[APP]
    assert outcome.record and outcome.record.manifests == Manifests(held)
    assert (held in bench.registry.looked_at) is not tells


@pytest.mark.anyio
async def test_content_that_every_name_holds_already_is_not_pushed(bench: Bench) -> None:
    await bench.done()

    outcome = await bench.done()

    assert bench.engine.pushed == [APP]
    assert outcome.record and not outcome.record.pushed
    assert outcome.record.manifests == Manifests(bench.registry.tags[APP])


@pytest.mark.anyio
async def test_a_name_that_is_missing_is_pushed_though_the_other_holds_the_content(bench: Bench) -> None:
    await bench.done()

    await bench.done(definition=replace(bench.definition, step=DockerStep((str(APP), str(OTHER)))))

    assert bench.engine.pushed == [APP, APP, OTHER]


@pytest.mark.anyio
async def test_the_intent_is_written_down_before_the_push(bench: Bench) -> None:
    seen: list[BuildRecord] = []
    push = bench.engine.push

    async def looking(image: LocalImage, to: ImageRef, log: LogSink) -> Pushed | CommandFailed:
        (text,) = bench.sample.sql.execute("SELECT intent FROM runs").fetchone()
        seen.append(intent.from_json(text))
        return await push(image, to, log)

    bench.engine.push = looking  # type: ignore[method-assign]

    await bench.done()

    assert [record.content_id for record in seen] == [content_id(AMD64, CONFIG, (LOW, HIGH))]


@pytest.mark.anyio
async def test_a_push_that_a_killed_process_had_finished_is_recorded_without_building(bench: Bench) -> None:
    first = await bench.done()
    assert first.record

    outcome = await bench.done(intent=intent.to_json(first.record))

    assert len(bench.engine.built) == 1
    assert outcome.record and outcome.record.manifests == Manifests(bench.registry.tags[APP])


@pytest.mark.anyio
async def test_a_log_that_cannot_be_opened_ends_the_run_with_the_place_and_a_way_out(bench: Bench) -> None:
    run = bench.claimed()
    (bench.place.logs / f"{run.run_id}.log").mkdir()

    outcome = await carry_out(run, bench.place)

    assert (outcome.status, bench.status()) == (Status.ERROR, "Error")
    assert f"{run.run_id}.log: Is a directory" in str(outcome.error)
    assert outcome.hint


@pytest.mark.anyio
async def test_a_defect_ends_the_run_and_leaves_its_traceback_in_the_log(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(bench.engine, "build", broken)
    run = bench.claimed()

    outcome = await carry_out(run, bench.place)

    assert (outcome.status, outcome.error) == (Status.ERROR, "ZeroDivisionError: a defect")
    assert b"Traceback" in (bench.place.logs / f"{run.run_id}.log").read_bytes()


@pytest.mark.anyio
async def test_an_outcome_waits_for_whoever_holds_the_database(bench: Bench) -> None:
    other = bench.sample.state.write()
    bench.sample.sql.execute("PRAGMA busy_timeout = 1")
    push, tries = bench.engine.push, 0

    async def holding(image: LocalImage, to: ImageRef, log: LogSink) -> Pushed | CommandFailed:
        other.execute("BEGIN IMMEDIATE")
        return await push(image, to, log)

    def let_go(connection: sqlite3.Connection) -> Any:
        nonlocal tries
        tries += 1
        if tries == 2:
            other.execute("ROLLBACK")
        return immediate(connection)

    bench.engine.push = holding  # type: ignore[method-assign]
    run = bench.claimed()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "rebuild.runs.run.immediate", lambda c: let_go(c) if other.in_transaction else immediate(c)
        )
        outcome = await carry_out(run, bench.place)
    other.close()

    assert tries == 2
    assert (outcome.status, bench.status()) == (Status.SUCCEEDED, "Succeeded")


def test_a_database_that_is_held_says_so_and_what_to_do(bench: Bench) -> None:
    other = bench.sample.state.write()
    bench.sample.sql.execute("PRAGMA busy_timeout = 1")

    with immediate(other), pytest.raises(StoreBusy, match="another process holds") as raised:
        immediate(bench.sample.sql).__enter__()

    other.close()
    assert raised.value.hint
