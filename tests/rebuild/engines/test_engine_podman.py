"""podman builds, looks, pushes and clears up, in a storage of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graph.reference import ImageRef, Platform
from rebuild.engines.engine import BuildRequest, Built, CommandFailed, EngineError, LocalImage, Pushed
from rebuild.engines.podman import PodmanEngine
from rebuild.engines.podman_probe import probe_podman
from rebuild.engines.podman_storage import stored_image
from rebuild.engines.probe import Isolation
from rebuild.engines.probe_program import SAYS
from rebuild.engines.push_progress import PushSeen
from rebuild.engines.surroundings import Surroundings
from tests.real_engine import context, podman_storage
from tests.real_registry import RealRegistry
from tests.tracker.registry.servers import PASSWORD, USER, registry_with_basic

AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")
BASE_NAME = "org.opencontainers.image.base.name"
BUSYBOX = "FROM scratch\nCOPY busybox /bin/busybox\nCOPY busybox /bin/sh\n"
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    with podman_storage(tmp_path_factory.mktemp("podman")) as surroundings:
        yield surroundings


@pytest.fixture(scope="module")
def engine(around: Surroundings) -> PodmanEngine:
    return PodmanEngine(asyncio.run(probe_podman(around)), around)


def request(folder: Path, **changes: Any) -> BuildRequest:
    plain = BuildRequest(
        context=folder,
        dockerfile=folder / "Dockerfile",
        ignore_file=None,
        platform=AMD64,
        tag=f"localhost/{folder.parent.name.lower().replace('_', '-')[:60].strip('-')}:test",
        timeout_s=120,
    )
    return replace(plain, **changes)


async def built(engine: PodmanEngine, asked: BuildRequest, log: list[bytes] | None = None) -> LocalImage:
    lines: list[bytes] = [] if log is None else log
    outcome = await engine.build(asked, lines.append)
    assert isinstance(outcome, Built), b"".join(lines).decode(errors="replace")
    return outcome.image


async def pushed(engine: PodmanEngine, image: LocalImage, registry: RealRegistry, name: str) -> None:
    lines: list[bytes] = []
    told = await engine.push(image, ImageRef.parse(f"{registry.host}/{name}"), lines.append)
    assert isinstance(told, Pushed), b"".join(lines)
    assert told.digest == registry.digest(name)


def config_of(registry: RealRegistry, name: str) -> Any:
    asked = [
        "skopeo",
        "inspect",
        "--config",
        "--raw",
        "--tls-verify=false",
        f"docker://{registry.host}/{name}",
    ]
    return json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)


def raw_manifest(registry: RealRegistry, name: str) -> str:
    asked = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry.host}/{name}"]
    return subprocess.run(asked, capture_output=True, check=True, text=True).stdout


def command_lines() -> dict[str, bytes]:
    found = {}
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found[entry.parent.name] = entry.read_bytes()
    return found


def left_running(mark: str) -> list[str]:
    return [pid for pid, line in command_lines().items() if f"sleep\0{mark}\0".encode() in line]


@pytest.mark.anyio
async def test_a_build_prints_its_steps_and_gives_the_image(engine: PodmanEngine, tmp_path: Path) -> None:
    folder = context(
        tmp_path / "c", 'FROM scratch\nCOPY probe-amd64 /probe\nRUN ["/probe"]\nENV A=b\nCMD ["/probe"]\n'
    )
    log: list[bytes] = []

    image = await built(engine, request(folder), log)

    assert SAYS in b"".join(log).decode()
    assert (image.platform, len(image.diff_ids)) == (AMD64, 2)
    assert image.config["Cmd"] == ["/probe"]
    assert "A=b" in image.config["Env"]
    assert await engine.inspect(str(image.image_id)) == image


@pytest.mark.anyio
async def test_a_step_that_fails_is_a_value_with_the_end_of_the_log(
    engine: PodmanEngine, tmp_path: Path
) -> None:
    folder = context(tmp_path / "c", f"{BUSYBOX}RUN /bin/busybox echo the reason is this; exit 7\n")

    outcome = await engine.build(request(folder), lambda chunk: None)

    assert isinstance(outcome, CommandFailed)
    assert outcome.exit_code != 0
    assert "the reason is this" in outcome.log_tail


@pytest.mark.anyio
async def test_an_unknown_image_is_none(engine: PodmanEngine) -> None:
    assert await engine.inspect("localhost/never-made:1") is None


@pytest.mark.anyio
async def test_build_arguments_arrive_but_are_not_on_the_command_line(
    engine: PodmanEngine, tmp_path: Path
) -> None:
    step = "RUN /bin/busybox echo $MY_WORD+$LD_PRELOAD; /bin/busybox sleep 2"
    text = f"{BUSYBOX}ARG MY_WORD\nARG LD_PRELOAD\n{step}\n"
    folder = context(tmp_path / "c", text)
    given = {"MY_WORD": "swordfish", "LD_PRELOAD": "/no/such.so"}
    log: list[bytes] = []

    building = asyncio.create_task(engine.build(request(folder, build_args=given, no_cache=True), log.append))
    seen = b""
    while not building.done():
        seen += b"".join(command_lines().values())
        await asyncio.sleep(0.1)

    assert isinstance(await building, Built)
    assert b"swordfish+/no/such.so" in b"".join(log)
    assert b"MY_WORD" in seen
    assert b"MY_WORD=swordfish" not in seen


@pytest.mark.anyio
async def test_what_only_dockers_format_has_a_place_for_stays_in_the_image(
    engine: PodmanEngine, tmp_path: Path, registry: RealRegistry
) -> None:
    said = 'HEALTHCHECK CMD ["/probe"]\nSHELL ["/probe"]\nONBUILD USER 7\n'
    folder = context(tmp_path / "c", f"FROM scratch\nCOPY probe-amd64 /probe\n{said}")

    image = await built(engine, request(folder, annotations={BASE_NAME: "r.io/base:1"}))
    await pushed(engine, image, registry, "checked:1")

    kept = {name: image.config[name] for name in ("Healthcheck", "Shell", "OnBuild", "Labels")}
    assert kept["Healthcheck"] == {"Test": ["CMD", "/probe"]}
    assert (kept["Shell"], kept["OnBuild"]) == (["/probe"], ["USER 7"])
    assert kept["Labels"][BASE_NAME] == "r.io/base:1"
    assert config_of(registry, "checked:1")["config"].items() >= kept.items()


@pytest.mark.anyio
async def test_a_label_in_the_place_of_an_annotation_is_not_taken_out_of_the_cache(
    engine: PodmanEngine, tmp_path: Path
) -> None:
    folder = context(tmp_path / "c", "FROM scratch\nCOPY probe-amd64 /probe\nHEALTHCHECK NONE\n")
    await built(engine, request(folder, annotations={BASE_NAME: "r.io/base:1"}))

    image = await built(engine, request(folder, annotations={BASE_NAME: "r.io/base:2"}))

    assert image.config["Labels"][BASE_NAME] == "r.io/base:2"


@pytest.mark.anyio
async def test_our_base_annotations_win_over_buildahs(
    engine: PodmanEngine, tmp_path: Path, registry: RealRegistry
) -> None:
    folder = context(tmp_path / "c", "FROM scratch\nCOPY probe-amd64 /probe\n")

    for name in ("example.com/first:1", "example.com/second:1"):
        image = await built(engine, request(folder, annotations={BASE_NAME: name}))
        await pushed(engine, image, registry, "annotated:1")

        assert f'"{BASE_NAME}":"{name}"' in raw_manifest(registry, "annotated:1")


@pytest.mark.anyio
async def test_a_base_pinned_by_digest_comes_from_a_plain_http_registry(
    engine: PodmanEngine, tmp_path: Path, registry: RealRegistry
) -> None:
    base = await built(engine, request(context(tmp_path / "b", BUSYBOX)))
    await pushed(engine, base, registry, "base:1")
    await engine.remove(str(base.image_id))
    pin = str(registry.digest("base:1"))
    folder = context(tmp_path / "c", f"FROM {registry.host}/base@{pin}\nRUN /bin/busybox echo x > /x\n")

    image = await built(engine, request(folder, tag="localhost/on-base:1"))

    assert image.diff_ids[: len(base.diff_ids)] == base.diff_ids


@pytest.mark.anyio
async def test_a_base_that_is_here_already_is_not_asked_for_again(
    engine: PodmanEngine, tmp_path: Path, registry: RealRegistry
) -> None:
    base = await built(engine, request(context(tmp_path / "base", BUSYBOX)))
    await pushed(engine, base, registry, "base:1")
    pin = str(registry.digest("base:1"))
    folder = context(tmp_path / "c", f"FROM {registry.host}/base@{pin}\nRUN /bin/busybox echo x > /x\n")
    await built(engine, request(folder))
    before = len(registry.requests())

    await built(engine, request(folder, no_cache=True))

    assert registry.requests()[before:] == []


@pytest.mark.anyio
async def test_a_step_knows_the_platforms_as_buildkit_names_them(
    engine: PodmanEngine, tmp_path: Path
) -> None:
    names = ("TARGETPLATFORM", "TARGETOS", "TARGETARCH", "BUILDPLATFORM")
    arguments = "".join(f"ARG {name}\n" for name in names)
    shown = " ".join(f"${name}" for name in names)
    folder = context(tmp_path / "c", f"{BUSYBOX}{arguments}RUN /bin/busybox echo [{shown}]\n")
    log: list[bytes] = []

    await built(engine, request(folder, no_cache=True), log)

    assert "\n[linux/amd64 linux amd64 linux/amd64]\n" in b"".join(log).decode()


@pytest.mark.anyio
async def test_a_foreign_platform_runs_its_steps_under_emulation(
    engine: PodmanEngine, tmp_path: Path, registry: RealRegistry
) -> None:
    assert engine.cannot_run(ARM64) is None, engine.cannot_run(ARM64)
    base = await built(
        engine,
        request(context(tmp_path / "b", "FROM scratch\nCOPY probe-arm64 /probe\n"), platform=ARM64),
    )
    await pushed(engine, base, registry, "arm:1")
    pin = str(registry.digest("arm:1"))
    log: list[bytes] = []

    image = await built(
        engine,
        request(
            context(tmp_path / "c", f'FROM {registry.host}/arm@{pin}\nRUN ["/probe"]\n'),
            platform=ARM64,
            tag="localhost/arm:1",
        ),
        log,
    )

    assert image.platform == ARM64
    assert SAYS in b"".join(log).decode()


@pytest.mark.anyio
async def test_a_fixed_timestamp_gives_the_same_image_twice(engine: PodmanEngine, tmp_path: Path) -> None:
    folder = context(tmp_path / "c", f"{BUSYBOX}RUN /bin/busybox touch /file\n")
    await built(engine, request(folder))  # fills the cache with layers of another time

    first = await built(engine, request(folder, timestamp=0))
    await asyncio.sleep(1.1)
    second = await built(engine, request(folder, timestamp=0))

    assert first.image_id == second.image_id


@pytest.mark.anyio
async def test_the_same_files_out_of_another_builder_leave_the_image_as_it_was(
    engine: PodmanEngine, tmp_path: Path
) -> None:
    step = "RUN /bin/busybox echo WORD > /other; /bin/busybox echo same > /out"
    text = f"{BUSYBOX}{step}\nFROM scratch\nCOPY --from=0 /out /out\n"
    first = await built(engine, request(context(tmp_path / "a", text.replace("WORD", "one"))))
    await asyncio.sleep(1.1)  # the file is the same, its time is not

    second = await built(engine, request(context(tmp_path / "b", text.replace("WORD", "two"))))

    assert second.diff_ids == first.diff_ids


@pytest.mark.anyio
async def test_an_ignore_file_beside_the_dockerfile_counts(engine: PodmanEngine, tmp_path: Path) -> None:
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

    await built(engine, request(folder, ignore_file=ignore, leaves_out=("**/hidden",)), log)

    printed = b"".join(log).split()
    assert b"public" in printed
    assert not {b"secret", b"hidden"} & set(printed)


@pytest.mark.anyio
async def test_a_target_and_its_time_out_are_kept_to(engine: PodmanEngine, tmp_path: Path) -> None:
    folder = context(
        tmp_path / "c", f"{BUSYBOX}FROM 0 AS quick\nFROM 0 AS slow\nRUN /bin/busybox sleep 600\n"
    )

    quick = await engine.build(request(folder, target="quick"), lambda chunk: None)
    slow = await engine.build(request(folder, target="slow", timeout_s=3), lambda chunk: None)

    assert isinstance(quick, Built)
    assert isinstance(slow, CommandFailed)
    assert slow.timed_out


@pytest.mark.anyio
async def test_a_push_tells_how_far_it_is_and_leaves_the_log_as_it_is(
    engine: PodmanEngine, registry: RealRegistry, tmp_path: Path
) -> None:
    seen: list[PushSeen | None] = []
    folder = context(tmp_path, "FROM scratch\nCOPY busybox /\nCOPY zeros /\n")
    (folder / "zeros").write_bytes(bytes(3_000_000))
    image = await built(engine, request(folder))
    log = bytearray()
    telling = engine.with_progress(seen.append)

    told = await telling.push(image, ImageRef.parse(f"{registry.host}/told:1"), log.extend)

    assert isinstance(told, Pushed)

    assert sorted(log.decode().splitlines()) == sorted([
        "Getting image source signatures", *(f"Copying blob {layer}" for layer in image.diff_ids),
        f"Copying config {image.image_id}", "Writing manifest to image destination", "Storing signatures",
    ])  # fmt: skip
    assert seen[-1] is None
    last = seen[-2]
    assert last is not None and (last.layers, last.layers_done) == (2, 2)


@pytest.mark.anyio
async def test_an_image_is_read_from_the_storage_as_podman_tells_it(
    engine: PodmanEngine, around: Surroundings, tmp_path: Path
) -> None:
    says = ('ENV A=1 B="x y"', "LABEL l=1", "EXPOSE 80", "USER 5", "VOLUME /v", "WORKDIR /w", 'CMD ["a"]')
    folder = context(tmp_path, BUSYBOX + "\n".join(says))
    image = await built(engine, request(folder, annotations={BASE_NAME: "r.io/base:1"}))

    assert around.storage
    stored = stored_image(around.storage, image.image_id)

    assert stored and stored.annotations[BASE_NAME] == "r.io/base:1"
    assert await engine.inspect(image.image_id.hex) == stored.image == image


@pytest.mark.anyio
async def test_a_push_that_fails_on_a_terminal_says_why(engine: PodmanEngine, tmp_path: Path) -> None:
    image = await built(engine, request(context(tmp_path, "FROM scratch\nCOPY busybox /\n")))
    seen: list[PushSeen | None] = []

    failed = await engine.with_progress(seen.append).push(
        image, ImageRef.parse("localhost:1/away:1"), lambda chunk: None
    )

    assert isinstance(failed, CommandFailed) and "connection refused" in failed.log_tail
    assert "\x1b" not in failed.log_tail
    assert seen[-1] is None


@pytest.mark.anyio
async def test_a_registry_that_is_away_fails_the_push_with_its_reason(
    engine: PodmanEngine, tmp_path: Path
) -> None:
    image = await built(engine, request(context(tmp_path / "c", "FROM scratch\nCOPY probe-amd64 /probe\n")))

    failed = await engine.push(image, ImageRef.parse("localhost:1/away:1"), lambda chunk: None)

    assert isinstance(failed, CommandFailed)
    assert "connection refused" in failed.log_tail


@pytest.mark.anyio
async def test_only_the_names_that_are_removed_are_gone(engine: PodmanEngine, tmp_path: Path) -> None:
    names = [f"localhost/{tmp_path.name.lower()}:{letter}" for letter in "abc"]
    for name, content in zip(names, ("one", "two", "two"), strict=True):
        source = context(tmp_path / name[-1], "FROM scratch\nCOPY word /\n", word=content)
        await built(engine, request(source, tag=name))

    await engine.remove(names[0], names[1])

    assert [await engine.inspect(name) is None for name in names] == [True, True, False]


@pytest.mark.anyio
async def test_a_cached_image_of_another_platform_is_not_taken(engine: PodmanEngine, tmp_path: Path) -> None:
    source = context(tmp_path / "context", "FROM scratch\nCOPY word /\n", word="for any")

    images = [await built(engine, request(source, platform=platform)) for platform in (AMD64, ARM64)]

    assert [image.platform for image in images] == [AMD64, ARM64]


@pytest.mark.anyio
async def test_a_removed_name_is_gone_but_its_layers_still_serve_as_cache(
    engine: PodmanEngine, tmp_path: Path
) -> None:
    asked = request(context(tmp_path / "c", f"{BUSYBOX}RUN /bin/busybox date > /when\n"))
    first = await built(engine, asked)

    await engine.remove(asked.tag, "localhost/never-made:1")

    assert await engine.inspect(asked.tag) is None
    assert await built(engine, asked) == first


@pytest.mark.anyio
@pytest.mark.parametrize("isolation", Isolation)
async def test_cancelling_a_build_ends_its_running_step(
    engine: PodmanEngine, around: Surroundings, tmp_path: Path, isolation: Isolation
) -> None:
    mark = f"77{os.getpid()}{list(Isolation).index(isolation)}"
    folder = context(tmp_path / "c", f'{BUSYBOX}RUN ["/bin/busybox", "sleep", "{mark}"]\n')
    other = PodmanEngine(replace(engine.probe, isolation=isolation), around)
    building = asyncio.create_task(other.build(request(folder), lambda chunk: None))
    while not left_running(mark):
        assert not building.done()
        await asyncio.sleep(0.05)

    building.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await building

    assert building.cancelled()
    while left_running(mark):  # noqa: ASYNC110 - a process of nobody's cannot be waited for
        await asyncio.sleep(0.05)


def test_killing_this_program_ends_a_running_step(
    engine: PodmanEngine, around: Surroundings, tmp_path: Path
) -> None:
    assert engine.probe.ends_with_us
    mark = f"78{os.getpid()}"
    folder = context(tmp_path / "c", f'{BUSYBOX}RUN ["/bin/busybox", "sleep", "{mark}"]\n')
    script = f"""
import asyncio
from pathlib import Path
from graph.reference import Platform
from rebuild.engines.engine import BuildRequest
from rebuild.engines.podman import PodmanEngine
from rebuild.engines.podman_probe import probe_podman
from rebuild.engines.surroundings import Surroundings
around = Surroundings(*map(Path, {[str(around.folder), str(around.storage), str(around.run_root)]!r}))
context = Path({str(folder)!r})
asked = BuildRequest(context, context / "Dockerfile", None, Platform("linux", "amd64"), "localhost/killed:1")
async def main():
    await PodmanEngine(await probe_podman(around), around).build(asked, lambda chunk: None)
asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    while not left_running(mark):
        assert parent.poll() is None
        time.sleep(0.05)

    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()

    while left_running(mark):
        time.sleep(0.05)


@pytest.mark.anyio
async def test_pruning_clears_what_nobody_named_and_keeps_what_somebody_did(tmp_path: Path) -> None:
    with podman_storage(tmp_path / "podman") as own:
        engine = PodmanEngine(await probe_podman(own), own)
        kept = await built(
            engine, request(context(tmp_path / "k", f"{BUSYBOX}RUN exit 0\n"), tag="localhost/kept:1")
        )
        gone = await built(
            engine, request(context(tmp_path / "g", "FROM scratch\nCOPY probe-amd64 /probe\n"))
        )
        await engine.remove(request(tmp_path / "g").tag)

        young = await engine.prune(older_than_s=3600)
        await asyncio.sleep(1.1)
        old = await engine.prune(older_than_s=0)

        assert (young.images, young.why_not) == (0, None)
        assert old.images >= 1
        assert await engine.inspect(str(gone.image_id)) is None
        assert await engine.inspect("localhost/kept:1") == kept


@pytest.mark.anyio
async def test_pruning_takes_names_of_registries_by_the_time_that_they_are_here(tmp_path: Path) -> None:
    with podman_storage(tmp_path / "podman") as own:
        engine = PodmanEngine(await probe_podman(own), own)
        names = ["registry.example/app:a1", "registry.example/app:a2", "localhost/tool:1"]
        for number, name in enumerate(names):
            source = context(tmp_path / str(number), f"FROM scratch\nCOPY probe-amd64 /{number}\n")
            await built(engine, replace(request(source, tag=name), timestamp=978_307_200))

        young = await engine.prune(older_than_s=3600)
        await asyncio.sleep(1.1)
        await engine.prune(older_than_s=0)

        assert young.images == 0
        assert [name for name in names if await engine.inspect(name)] == ["localhost/tool:1"]


@pytest.mark.anyio
async def test_pruning_waits_for_no_build_and_disturbs_none(engine: PodmanEngine, tmp_path: Path) -> None:
    folder = context(tmp_path / "c", f"{BUSYBOX}RUN /bin/busybox echo started; /bin/busybox sleep 2\n")
    log: list[bytes] = []
    building = asyncio.create_task(engine.build(request(folder, no_cache=True), log.append))
    while b"started" not in b"".join(log):
        assert not building.done()
        await asyncio.sleep(0.05)

    pruned = await engine.prune(older_than_s=0)

    assert pruned.why_not == "a build is running in this storage"
    assert isinstance(await building, Built)


@pytest.mark.anyio
async def test_the_users_own_storage_is_never_pruned(engine: PodmanEngine, around: Surroundings) -> None:
    theirs = PodmanEngine(engine.probe, replace(around, storage=None, run_root=None))

    pruned = await theirs.prune(older_than_s=0)

    assert pruned.images == 0
    assert pruned.why_not is not None


@pytest.mark.anyio
async def test_a_login_that_docker_keeps_in_its_store_serves_podman(
    engine: PodmanEngine, around: Surroundings, tmp_path: Path
) -> None:
    helper = tmp_path / "docker-credential-kept"
    helper.write_text(f"""#!/bin/sh\necho '{{"Username": "{USER}", "Secret": "{PASSWORD}"}}'\n""")
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text('{"credsStore": "kept"}')
    path = f"{tmp_path}:{os.environ['PATH']}"
    ours = replace(
        around, auth_file=tmp_path / "config.json", environment={**around.environment, "PATH": path}
    )
    image = await built(engine, request(context(tmp_path / "c", "FROM scratch\nCOPY probe-amd64 /probe\n")))

    with registry_with_basic(tmp_path / "registry") as registry:
        told = await PodmanEngine(engine.probe, ours).push(
            image, ImageRef.parse(f"{registry.host}/app:1"), lambda chunk: None
        )

    assert isinstance(told, Pushed)


def test_a_missing_credentials_file_is_named(engine: PodmanEngine, around: Surroundings) -> None:
    with pytest.raises(EngineError, match=r"/no/such/config\.json does not exist"):
        PodmanEngine(engine.probe, replace(around, auth_file=Path("/no/such/config.json")))
