"""What tries out a pull request leaves nothing behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from graph.database import immediate
from graph.model import BaseContent
from graph.reference import ImageRef, Platform
from rebuild.engines.engine import BuildRequest, Built, EngineError, LocalImage
from rebuild.images.trial import TrialEngine
from rebuild.runs.definition import Definition, DockerStep, Revision
from rebuild.runs.run import Outcome, write_down
from rebuild.runs.table import Cause, Runs, Status
from rebuild.tasks.task import Tasks
from tests.graph_samples import Sample, digest_of

AMD64 = Platform.parse("linux/amd64")
IMAGE = LocalImage(digest_of("config"), AMD64, (), {})


class Engine:
    """podman, as far as a trial needs it."""

    version, features, worker, reads_syntax_line = "4.3.1", frozenset[Any](), None, False

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[BuildRequest] = []
        self.auth_file: Path | None = None

    async def build(self, request: BuildRequest, log: Any) -> Built:
        self.asked.append(request)
        return Built(IMAGE)

    def with_auth(self, auth_file: Path) -> Engine:
        self.auth_file = auth_file
        return self

    async def push(self, image: LocalImage, to: ImageRef, log: Any) -> None:
        raise AssertionError(f"{to} was pushed")


def request() -> BuildRequest:
    return BuildRequest(Path("/c"), Path("/d"), None, AMD64, "t", flags=("--label=a=b",))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "flags"), [("podman", ("--label=a=b", "--layers=false")), ("docker", ("--label=a=b",))]
)
async def test_a_trial_neither_takes_nor_leaves_layers(name: str, flags: tuple[str, ...]) -> None:
    engine = Engine(name)
    asked = replace(request(), layer_cache=ImageRef.parse("r.io/web:cache_t_b"))

    built = await TrialEngine(engine).with_auth(Path("/a")).build(asked, print)  # type: ignore[arg-type]

    assert built == Built(IMAGE)
    assert engine.asked == [replace(request(), no_cache=True, flags=flags)]
    assert engine.auth_file == Path("/a")


@pytest.mark.anyio
async def test_a_trial_pushes_nothing() -> None:
    with pytest.raises(EngineError, match="only tries out a pull request"):
        await TrialEngine(Engine("podman")).push(IMAGE, ImageRef.parse("web"), print)  # type: ignore[arg-type]


def test_nothing_of_a_trial_is_recorded(tmp_path: Path) -> None:
    sample = Sample.make(tmp_path)
    step = DockerStep(images=("r.io/web:1",))
    definition = Definition("https://example.com/web.git", step, AMD64)
    tried = replace(definition, revision=Revision("a" * 40, pull=7))
    record = sample.built("r.io/web:1", hours=0)
    outcome = Outcome(Status.SUCCEEDED, records=(record,), contents={digest_of("base"): BaseContent(())})
    with immediate(sample.sql):
        task = Tasks(sample.sql).save("web", definition, sample.at)
        run = Runs(sample.sql).add(tried, Cause.PULL_REQUEST, sample.at, task_id=task.task_id)
        claimed = Runs(sample.sql).claim(sample.at, "a process", run_id=run.run_id)
        assert claimed is not None

        write_down(sample.sql, claimed, outcome, datetime.now(UTC))

    assert sample.sql.execute("SELECT status, outputs FROM runs").fetchall() == [("Succeeded", "[]")]
    assert sample.sql.execute("SELECT count(*) FROM builds").fetchone() == (0,)
    sample.sql.close()
