"""What the plan says, podman does: the arguments of a few steps are given to the real engine."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from rebuild.engines.podman_command import Podman
from rebuild.engines.podman_probe import probe_podman
from rebuild.secrets.secret import Secret
from rebuild.steps.step_place import EngineCalls, PlanSetting, RunPlace
from rebuild.steps.step_plan import PlannedStep, plan_networks, plan_step
from rebuild.taskfile import TaskFile, read_outputs
from tests.real_engine import context, podman_storage
from tests.rebuild.taskfile.reading import read

DOCKERFILE = 'FROM scratch\nCOPY busybox /bin/sh\nCOPY busybox /bin/busybox\nENTRYPOINT ["/bin/busybox"]\n'
PASSWORD = Secret("correct horse  battery")


@dataclass(frozen=True, slots=True)
class Machine:
    """A podman with an image `localhost/box:1` in a storage of its own."""

    folder: Path
    calls: EngineCalls

    def place(self, run: str) -> RunPlace:
        place = RunPlace(run, str(self.folder / run))
        for path in (place.workspace, place.home, f"{place.folder}/environments"):
            Path(path).mkdir(parents=True)
        return place


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with podman_storage(tmp_path_factory.mktemp("podman")) as around:
        probe = asyncio.run(probe_podman(around))
        calls = EngineCalls.podman(Podman.of(probe, around), probe)
        source = context(tmp_path_factory.mktemp("box"), DOCKERFILE)
        build = [
            *calls.program,
            "build",
            f"--isolation={probe.isolation}",
            "--tag=localhost/box:1",
            str(source),
        ]
        subprocess.run(build, check=True, capture_output=True)
        yield Machine(tmp_path_factory.mktemp("runs"), calls)


@dataclass(frozen=True, slots=True)
class Run:
    """Carries out steps one after another, in the plainest way."""

    task: TaskFile
    setting: PlanSetting

    def step(self, step_id: str, outputs: Mapping[str, Mapping[str, str]] | None = None) -> str:
        step = self.task.step(step_id)
        place = self.setting.place
        planned = plan_step(self.task, step, self.setting, secrets=[PASSWORD], outputs=outputs)
        Path(place.outputs(step)).mkdir(parents=True)
        Path(place.environment_file(step)).write_text(planned.environment_file)
        return self._call(planned)

    def outputs(self, step_id: str) -> dict[str, str]:
        return read_outputs(
            (Path(self.setting.place.outputs(self.task.step(step_id))) / "outputs").read_bytes()
        )

    def _call(self, planned: PlannedStep) -> str:
        (call,) = planned.calls
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def run_of(machine: Machine, name: str, text: str) -> Run:
    return Run(read(text), PlanSetting(machine.place(name), machine.calls))


def test_words_quotes_variables_and_directories_arrive_as_planned(machine: Machine) -> None:
    run = run_of(machine, "words", """
        networks: [{name: a}]
        steps:
          - id: say
            cmd: localhost/box:1 sh -c 'echo "$PWD|$A|$1|$HOME"' sh "two  words" $A
            env: ["A='x  y'"]
            workingDirectory: sub
          - id: script
            cmd: localhost/box:1 echo a b | busybox tr ' ' '\\n' > list; busybox wc -l < list
            shell: true
    """)  # fmt: skip
    (Path(run.setting.place.workspace) / "sub").mkdir()

    assert run.step("say") == "/workspace/sub|x  y|two  words|/acb/home\n"
    assert run.step("script").strip() == "2"
    assert (Path(run.setting.place.workspace) / "list").read_text() == "a\nb\n"


def test_outputs_go_from_step_to_step_as_one_word(machine: Machine) -> None:
    run = run_of(machine, "outputs", r"""
        networks: [{name: a}]
        steps:
          - id: make
            cmd: localhost/box:1 sh -c 'echo "text=a \$(b) *" > $TRACKER_OUTPUT'
          - id: take
            cmd: localhost/box:1 echo [%{steps.make.outputs.text}]
    """)  # fmt: skip

    run.step("make")

    assert run.step("take", {"make": run.outputs("make")}) == "[a $(b) *]\n"


def test_a_secret_reaches_its_step_through_a_file(machine: Machine) -> None:
    run = run_of(machine, "secret", f"""
        networks: [{{name: a}}]
        steps:
          - id: see
            cmd: localhost/box:1 sh -c 'echo "$P"'
            env: ["P='{PASSWORD.reveal()}'"]
    """)  # fmt: skip

    assert run.step("see") == f"{PASSWORD.reveal()}\n"


def test_a_step_finds_another_by_its_id_on_the_network_of_the_run(machine: Machine) -> None:
    run = run_of(machine, "network", """
        steps:
          - {id: web, cmd: localhost/box:1 sleep 60, detach: true}
          - {id: ask, cmd: localhost/box:1 nslookup web}
    """)  # fmt: skip
    (network,) = plan_networks(run.task, run.setting)
    subprocess.run(network.create, check=True, capture_output=True)

    try:
        run.step("web")
        assert "Name:\tweb" in run.step("ask")
    finally:
        program, container = machine.calls.program, f"{run.setting.place.prefix}-web"
        subprocess.run([*program, "rm", "--force", "--time=0", container], check=False)
        subprocess.run([*program, "network", "rm", network.name], check=False)
