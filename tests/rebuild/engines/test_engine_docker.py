"""docker builds, looks and pushes, against a daemon of the tests' own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graph.reference import ImageRef, Platform
from rebuild.engines.docker import DockerEngine
from rebuild.engines.docker_probe import probe_docker
from rebuild.engines.engine import BuildRequest, Built, CommandFailed, EngineError, LocalImage, Pushed
from rebuild.engines.features import Builder
from rebuild.engines.probe_program import SAYS
from rebuild.engines.surroundings import Surroundings
from tests.real_engine import context, docker_daemon
from tests.real_registry import RealRegistry

AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")
BUSYBOX = "FROM scratch\nCOPY busybox /bin/busybox\nCOPY busybox /bin/sh\n"


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    folder = tmp_path_factory.mktemp("docker")
    with docker_daemon(folder / "daemon") as daemon:
        yield Surroundings(folder / "state", docker_host=daemon.host)


@pytest.fixture(scope="module")
def buildkit(around: Surroundings) -> DockerEngine:
    return DockerEngine(asyncio.run(probe_docker(around)), around)


@pytest.fixture(scope="module", params=[Builder.BUILDKIT, Builder.LEGACY])
def engine(request: pytest.FixtureRequest, buildkit: DockerEngine, around: Surroundings) -> DockerEngine:
    return DockerEngine(replace(buildkit.probe, builder=request.param), around)


def asked_of(folder: Path, **changes: Any) -> BuildRequest:
    plain = BuildRequest(
        context=folder,
        dockerfile=folder / "Dockerfile",
        ignore_file=None,
        platform=AMD64,
        tag="tracker-test:1",
        timeout_s=120,
    )
    return replace(plain, **changes)


async def built(engine: DockerEngine, asked: BuildRequest, log: list[bytes] | None = None) -> LocalImage:
    lines: list[bytes] = [] if log is None else log
    outcome = await engine.build(asked, lines.append)
    assert isinstance(outcome, Built), b"".join(lines).decode(errors="replace")
    return outcome.image


@pytest.mark.anyio
async def test_a_build_prints_its_steps_and_gives_the_image(engine: DockerEngine, tmp_path: Path) -> None:
    text = 'FROM scratch\nCOPY probe-amd64 /probe\nRUN ["/probe"]\nENV A=b\nCMD ["/probe"]\n'
    log: list[bytes] = []

    image = await built(engine, asked_of(context(tmp_path / "c", text), no_cache=True), log)

    assert SAYS in b"".join(log).decode()
    assert image.platform == AMD64
    assert image.diff_ids
    assert image.config["Cmd"] == ["/probe"]
    assert "A=b" in image.config["Env"]
    assert "Hostname" not in image.config
    assert await engine.inspect(str(image.image_id)) == image


@pytest.mark.anyio
async def test_a_step_that_fails_is_a_value_with_the_end_of_the_log(
    engine: DockerEngine, tmp_path: Path
) -> None:
    folder = context(tmp_path / "c", f"{BUSYBOX}RUN /bin/busybox echo the reason is this; exit 7\n")

    outcome = await engine.build(asked_of(folder), lambda chunk: None)

    assert isinstance(outcome, CommandFailed)
    assert "the reason is this" in outcome.log_tail


@pytest.mark.anyio
async def test_what_podman_writes_as_annotations_are_labels_here(
    engine: DockerEngine, tmp_path: Path
) -> None:
    name = "org.opencontainers.image.base.name"
    folder = context(tmp_path / "c", "FROM scratch\nCOPY probe-amd64 /probe\n")

    image = await built(engine, asked_of(folder, annotations={name: "example.com/a:1"}))

    assert image.config["Labels"] == {name: "example.com/a:1"}


@pytest.mark.anyio
async def test_build_arguments_arrive(engine: DockerEngine, tmp_path: Path) -> None:
    folder = context(tmp_path / "c", f"{BUSYBOX}ARG MY_WORD\nRUN /bin/busybox echo got-$MY_WORD\n")
    log: list[bytes] = []

    await built(engine, asked_of(folder, build_args={"MY_WORD": "swordfish"}, no_cache=True), log)

    assert b"got-swordfish" in b"".join(log)


@pytest.mark.anyio
async def test_a_push_leaves_the_daemons_names_as_they_were(
    engine: DockerEngine, tmp_path: Path, registry: RealRegistry
) -> None:
    target = ImageRef.parse(f"{registry.host}/pushed:1")
    theirs = await built(
        engine,
        asked_of(context(tmp_path / "a", f"{BUSYBOX}ENV WHOSE=theirs\n"), tag=str(target)),
    )
    ours = await built(engine, asked_of(context(tmp_path / "b", f"{BUSYBOX}ENV WHOSE=ours\n")))

    told = await engine.push(ours, target, lambda chunk: None)

    assert told == Pushed(registry.digest("pushed:1"))
    assert await engine.inspect(str(target)) == theirs
    assert f"PUT /v2/{target.repository}/manifests/1 HTTP/1.1" in registry.requests()


@pytest.mark.anyio
async def test_a_registry_that_is_away_fails_the_push_with_its_reason(
    engine: DockerEngine, tmp_path: Path
) -> None:
    image = await built(engine, asked_of(context(tmp_path / "c", "FROM scratch\nCOPY probe-amd64 /probe\n")))

    failed = await engine.push(image, ImageRef.parse("localhost:1/away:1"), lambda chunk: None)

    assert isinstance(failed, CommandFailed)
    assert "connection refused" in failed.log_tail


@pytest.mark.anyio
async def test_an_unknown_name_is_none_and_may_be_removed(engine: DockerEngine) -> None:
    await engine.remove("never-made:1")

    assert await engine.inspect("never-made:1") is None


@pytest.mark.anyio
async def test_fixed_timestamps_are_refused_before_anything_starts(
    engine: DockerEngine, tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match="cannot give an image fixed timestamps") as refused:
        await engine.build(asked_of(tmp_path, timestamp=0), lambda chunk: None)

    assert "podman" in (refused.value.hint or "")


@pytest.mark.anyio
async def test_the_daemons_images_are_never_pruned(engine: DockerEngine) -> None:
    pruned = await engine.prune(older_than_s=0)

    assert pruned.images == 0
    assert pruned.why_not is not None


@pytest.mark.anyio
async def test_buildkit_reads_an_ignore_file_that_is_not_in_the_context(
    buildkit: DockerEngine, tmp_path: Path
) -> None:
    folder = context(
        tmp_path / "c",
        f"{BUSYBOX}COPY . /all\nRUN /bin/busybox ls /all\n",
        secret="x",
        hidden="x",
        public="y",
    )
    ignore = tmp_path / "ignore"
    ignore.write_text("secret\n")
    log: list[bytes] = []

    await built(buildkit, asked_of(folder, ignore_file=ignore, leaves_out=("**/hidden",), no_cache=True), log)

    printed = b"".join(log).split()
    assert b"public" in printed
    assert not {b"secret", b"hidden"} & set(printed)


@pytest.mark.anyio
async def test_the_legacy_builder_refuses_an_ignore_file_that_it_would_not_read(
    buildkit: DockerEngine, around: Surroundings, tmp_path: Path
) -> None:
    legacy = DockerEngine(replace(buildkit.probe, builder=Builder.LEGACY), around)

    with pytest.raises(EngineError, match=r"reads .*/\.dockerignore only"):
        await legacy.build(asked_of(tmp_path, ignore_file=tmp_path / "other"), lambda chunk: None)


@pytest.mark.anyio
async def test_a_foreign_platform_runs_its_steps_under_emulation(
    buildkit: DockerEngine, tmp_path: Path
) -> None:
    assert buildkit.cannot_run(ARM64) is None, buildkit.cannot_run(ARM64)
    folder = context(tmp_path / "c", 'FROM scratch\nCOPY probe-arm64 /probe\nRUN ["/probe"]\n')
    log: list[bytes] = []

    image = await built(buildkit, asked_of(folder, platform=ARM64, no_cache=True), log)

    assert image.platform == ARM64
    assert SAYS in b"".join(log).decode()


def test_buildkit_is_found_although_the_daemon_has_no_bridge(buildkit: DockerEngine) -> None:
    assert (buildkit.probe.builder, buildkit.probe.build_network) == (Builder.BUILDKIT, "host")
    assert buildkit.reads_syntax_line
    assert any("network" in note for note in buildkit.probe.notes)


@pytest.mark.anyio
async def test_a_daemon_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    away = Surroundings(tmp_path / "state", docker_host=f"unix://{tmp_path / 'none'}")

    with pytest.raises(EngineError, match="the docker daemon does not answer"):
        await probe_docker(away)


@pytest.mark.anyio
async def test_layers_stay_here_where_the_builder_keeps_none_in_a_registry(
    buildkit: DockerEngine, around: Surroundings, tmp_path: Path, registry: RealRegistry
) -> None:
    legacy = DockerEngine(replace(buildkit.probe, builder=Builder.LEGACY), around)
    cache = ImageRef.parse(f"{registry.host}/app:cache_t_b")
    log: list[bytes] = []

    await built(legacy, asked_of(context(tmp_path / "c", BUSYBOX), layer_cache=cache), log)

    assert b"layers stay on this machine: docker's legacy builder keeps none in a registry" in b"".join(log)
