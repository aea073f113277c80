"""What works is found out by trying, once, and nothing is left behind."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from rebuild.engines.engine import EngineError
from rebuild.engines.engine_choice import Choice, find_engine
from rebuild.engines.features import Builder
from rebuild.engines.podman_command import Podman, run_root
from rebuild.engines.podman_probe import probe_podman
from rebuild.engines.probe import EngineProbe, Isolation, recall, remember, trial
from rebuild.engines.probe_program import SAYS, program
from rebuild.engines.surroundings import Surroundings
from tests.real_engine import podman_storage

FOUND = EngineProbe(
    engine="podman",
    program="/usr/bin/podman",
    edition="43 bytes of 1700000000",
    version="4.3.1",
    builder=Builder.BUILDAH,
    builder_version="1.28.2",
    kernel="6.1.0",
    storage="/var/lib/tracker/engine",
    can_build=True,
    can_run_containers=True,
    isolation=Isolation.OCI,
    runtime="runc",
    ulimits=("nofile=1024:1024", "nproc=1024:1024"),
    notes=("a container with no options: no",),
)


def spy_on(podman: str, folder: Path, *, refuses: str = "") -> Surroundings:
    """A PATH whose podman writes its arguments down, and fails where they match `refuses`."""
    folder.mkdir()
    script = f'#!/bin/sh\necho "$*" >> {folder}/calls\n'
    if refuses:
        script += f'case "$*" in {refuses}) echo "this machine refuses" >&2; exit 126;; esac\n'
    (folder / "podman").write_text(f'{script}exec {podman} "$@"\n')
    (folder / "podman").chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    return Surroundings(folder / "state", environment=environment)


def images_and_containers(around: Surroundings) -> bytes:
    podman = Podman("/usr/bin/podman", around.storage, run_root(around))
    images = subprocess.run(podman.argv("images", "--all", "--quiet"), capture_output=True, check=True)
    containers = subprocess.run(
        podman.argv("ps", "--all", "--external", "--quiet"), capture_output=True, check=True
    )
    return images.stdout + containers.stdout


@pytest.mark.anyio
async def test_a_probe_finds_a_way_to_build_and_to_run_and_leaves_nothing(tmp_path: Path) -> None:
    with podman_storage(tmp_path / "podman") as around:
        probe = await probe_podman(around)

        assert (probe.engine, probe.can_build, probe.can_run_containers) == ("podman", True, True)
        assert probe.ends_with_us
        assert images_and_containers(around) == b""


@pytest.mark.anyio
async def test_what_was_found_out_is_not_tried_again(tmp_path: Path) -> None:
    with podman_storage(tmp_path / "podman") as own:
        spied = replace(
            spy_on("/usr/bin/podman", tmp_path / "bin"), storage=own.storage, run_root=own.run_root
        )
        first = await probe_podman(spied)
        (tmp_path / "bin" / "calls").unlink()

        second = await probe_podman(spied)

        assert second == first
        assert not (tmp_path / "bin" / "calls").exists()  # podman was not even started


@pytest.mark.anyio
async def test_another_podman_in_the_same_place_is_tried_anew(tmp_path: Path) -> None:
    with podman_storage(tmp_path / "podman") as own:
        spied = replace(
            spy_on("/usr/bin/podman", tmp_path / "bin"), storage=own.storage, run_root=own.run_root
        )
        await probe_podman(spied)
        (tmp_path / "bin" / "calls").unlink()
        with (tmp_path / "bin" / "podman").open("a") as program:
            program.write("# upgraded\n")

        await probe_podman(spied)

        assert "version" in (tmp_path / "bin" / "calls").read_text()


@pytest.mark.anyio
async def test_where_no_runtime_works_steps_run_in_a_changed_root(tmp_path: Path) -> None:
    with podman_storage(tmp_path / "podman") as own:
        crippled = spy_on("/usr/bin/podman", tmp_path / "bin", refuses='*" run "*|*--isolation=oci*')
        around = replace(crippled, storage=own.storage, run_root=own.run_root)

        probe = await probe_podman(around)

        assert (probe.can_build, probe.can_run_containers) == (True, False)
        assert probe.isolation is Isolation.CHROOT
        assert any("--isolation oci" in note and "this machine refuses" in note for note in probe.notes)


@pytest.mark.anyio
async def test_an_ordinary_user_gets_a_rootless_container_before_a_changed_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with podman_storage(tmp_path / "podman") as own:
        crippled = spy_on("/usr/bin/podman", tmp_path / "bin", refuses="*--isolation=oci*")
        around = replace(crippled, storage=own.storage, run_root=own.run_root)
        monkeypatch.setattr(os, "geteuid", lambda: 1000)

        probe = await probe_podman(around)

        assert probe.isolation is Isolation.ROOTLESS


@pytest.mark.anyio
async def test_a_machine_that_can_do_nothing_is_tried_again_next_time(tmp_path: Path) -> None:
    with podman_storage(tmp_path / "podman") as own:
        crippled = spy_on("/usr/bin/podman", tmp_path / "bin", refuses='*" build "*')
        around = replace(crippled, storage=own.storage, run_root=own.run_root)

        probe = await probe_podman(around)

        assert not probe.can_build
        assert recall(around.folder, probe.key) is None


@pytest.mark.anyio
async def test_a_missing_podman_is_said_to_be_missing(tmp_path: Path) -> None:
    around = Surroundings(tmp_path, environment={"PATH": str(tmp_path)})

    with pytest.raises(EngineError, match="podman is not installed") as missing:
        await find_engine(Choice.PODMAN, around)

    assert "apt-get install podman" in (missing.value.hint or "")


@pytest.mark.anyio
async def test_a_machine_without_any_engine_hears_of_both(tmp_path: Path) -> None:
    around = Surroundings(tmp_path, environment={"PATH": str(tmp_path)})

    with pytest.raises(EngineError, match="podman is not installed; docker: docker is not installed"):
        await find_engine(Choice.AUTO, around)


def test_a_remembered_probe_comes_back_whole(tmp_path: Path) -> None:
    remember(tmp_path / "state", FOUND)

    assert recall(tmp_path / "state", FOUND.key) == FOUND


@pytest.mark.parametrize(
    "change", [{"edition": "44 bytes of 1800000000"}, {"kernel": "6.2.0"}, {"storage": "/elsewhere"}]
)
def test_another_edition_kernel_or_storage_is_tried_anew(tmp_path: Path, change: dict[str, str]) -> None:
    remember(tmp_path, FOUND)

    assert recall(tmp_path, replace(FOUND, **change).key) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"KEY": 1}', '{"KEY": {"engine": "podman"}}'])
def test_a_broken_memory_is_no_memory(tmp_path: Path, text: str) -> None:
    (tmp_path / "engine-probe.json").write_text(text.replace("KEY", FOUND.key))

    assert recall(tmp_path, FOUND.key) is None


def test_a_memory_of_an_unknown_isolation_is_no_memory(tmp_path: Path) -> None:
    stored = {**dataclasses.asdict(FOUND), "isolation": "vm"}
    (tmp_path / "engine-probe.json").write_text(json.dumps({FOUND.key: stored}))

    assert recall(tmp_path, FOUND.key) is None


def test_the_trial_program_starts_on_this_machine() -> None:
    with trial() as made:
        executable = made.context / "probe"
        said = subprocess.run([executable, *made.command[1:]], capture_output=True, check=True, text=True)

        assert executable.stat().st_mode & stat.S_IXUSR
        assert said.stdout.strip() == SAYS

    assert not made.context.exists()


def test_the_trial_program_is_written_for_the_machines_that_are_common() -> None:
    own = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())

    assert program("amd64") != program("arm64")
    assert own is None or program(own) is not None
    assert program("s390x") is None


def test_a_run_root_that_podman_would_refuse_is_put_elsewhere(tmp_path: Path) -> None:
    deep = Surroundings(tmp_path, storage=tmp_path / ("x" * 60) / "engine")

    assert len(str(run_root(deep))) <= 50
    assert run_root(deep) == run_root(deep)
