"""A machine for tests of steps: an engine of its own, a registry, and runs of task files."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from graph.clock import now
from graph.database import open_for_writing
from graph.migrations import graph_tables, migrate
from graph.store import GraphStore
from rebuild.engines.docker import DockerEngine
from rebuild.engines.docker_containers import DockerContainers
from rebuild.engines.docker_probe import probe_docker
from rebuild.engines.emulation import this_machine
from rebuild.engines.podman import PodmanEngine
from rebuild.engines.podman_containers import PodmanContainers
from rebuild.engines.podman_probe import probe_podman
from rebuild.engines.probe import EngineProbe
from rebuild.engines.surroundings import Surroundings
from rebuild.images.memory import GraphMemory
from rebuild.images.tools import Tools
from rebuild.secrets.secret import Secret
from rebuild.steps.task_run import TaskMeans, TaskOutcome, TaskRequest, run_task
from rebuild.taskfile import StepStatus
from tests.real_engine import context, docker_daemon, podman_storage
from tests.real_registry import RealRegistry
from tests.rebuild.taskfile.reading import read
from tracker.registry import RegistryClient

BOX = "localhost/box:1"
BOX_DOCKERFILE = 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n'


@dataclass
class Done:
    """A run that is over: its outcome, its log by step, and its folder."""

    outcome: TaskOutcome
    logs: Mapping[str, bytearray]
    folder: Path

    def log(self, step: str) -> str:
        return self.logs[step].decode(errors="replace")

    def printed(self, step: str) -> list[str]:
        """What the step's programs printed, without the lines that tell of it."""
        return [line for line in self.log(step).splitlines() if not line.startswith("20")]

    @property
    def statuses(self) -> dict[str, str]:
        return {step.id: str(step.status) for step in self.outcome.steps}

    def error(self, step: str) -> str:
        return str(next(result.error for result in self.outcome.steps if result.id == step))

    def file(self, name: str) -> str:
        return (self.folder / "workspace" / name).read_text()

    def has(self, name: str) -> bool:
        return (self.folder / "workspace" / name).exists()


@dataclass
class Machine:
    folder: Path
    around: Surroundings
    probe: EngineProbe
    engine: PodmanEngine | DockerEngine
    containers: PodmanContainers | DockerContainers
    registry: RealRegistry
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def new_run(self, files: Mapping[str, str] | None = None) -> tuple[str, Path]:
        """An id and a folder, its workspace filled."""
        run_id = f"t{next(self._numbers)}"
        folder = self.folder / f"{run_id}-run"
        (folder / "workspace").mkdir(parents=True)
        for name, text in (files or {}).items():
            path = folder / "workspace" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return run_id, folder

    async def run(self, text: str, files: Mapping[str, str] | None = None, **options: Any) -> Done:
        """Carry a task file out; options are fields of the request or of the means, or `canceled`."""
        run_id, folder = self.new_run(files or {})
        return await self.run_in(folder, run_id, text, **options)

    async def run_in(self, folder: Path, run_id: str, text: str, **options: Any) -> Done:
        logs: dict[str, bytearray] = defaultdict(bytearray)
        sink = options.pop("sink", None)
        canceled = options.pop("canceled", None)
        secrets: tuple[Secret, ...] = options.get("secrets", ())

        def hear(step: str, piece: bytes) -> None:
            logs[step].extend(piece)
            if sink is not None:
                sink(step, piece)

        request = TaskRequest(read(text, secrets=secrets), run_id, folder)
        async with self.means() as plain:
            means = replace(plain, sink=hear)
            for name, value in options.items():
                if hasattr(request, name):
                    request = replace(request, **{name: value})
                else:
                    means = replace(means, **{name: value})
            return Done(await run_task(request, means, canceled=canceled), logs, folder)

    @contextlib.asynccontextmanager
    async def means(self) -> AsyncIterator[TaskMeans]:
        connection = open_for_writing(self.folder / "graph.db")
        migrate(connection, graph_tables)
        async with RegistryClient() as registry:
            memory = GraphMemory(GraphStore(connection))
            tools = Tools(registry, self.engine, memory, this_machine(), now)
            yield TaskMeans(tools, self.containers, _no_fetching, lambda step, piece: None)
        connection.close()

    def program(self, run_id: str, folder: Path, text: str) -> list[str]:
        """A process of its own that carries a task file out on this machine."""
        around = (self.around.folder, self.around.storage, self.around.run_root)
        arguments = [str(argument) for argument in (*around, run_id, folder, text)]
        return [sys.executable, "-m", "tests.rebuild.steps.machine", *arguments]

    def call(self, *arguments: str) -> str:
        """The engine's own command line."""
        argv = [*self.containers.calls.program, *arguments]
        variables = self.containers.variables("")
        return subprocess.run(argv, check=True, capture_output=True, text=True, env=variables).stdout

    def left(self) -> list[str]:
        """The folder of the run, for each container and network of runs here that there is."""
        found = []
        for what in (["ps", "--all"], ["network", "ls"]):  # podman shows networks of every storage
            listed = self.call(*what, *self.containers.listing(), "--filter=label=io.tracker.folder")
            found += [Path(one.folder) for one in self.containers.listed(listed.encode())]
        return [folder.name for folder in found if folder.parent == self.folder.resolve()]


async def _no_fetching(source: str, into: Path) -> Path:
    raise AssertionError(f"nothing here fetches {source}")


@contextlib.contextmanager
def machine(folder: Path, registry: RealRegistry) -> Iterator[Machine]:
    with podman_storage(folder) as around:
        probe = asyncio.run(probe_podman(around))
        engine, containers = PodmanEngine(probe, around), PodmanContainers(probe, around)
        source = context(folder / "box", BOX_DOCKERFILE)
        build = ["build", f"--isolation={probe.isolation}", f"--tag={BOX}", str(source)]
        subprocess.run([*containers.calls.program, *build], check=True, capture_output=True)
        runs = folder / "runs"
        runs.mkdir()
        yield Machine(runs, around, probe, engine, containers, registry)


@contextlib.contextmanager
def docker_machine(folder: Path, registry: RealRegistry, *, firewall: bool = False) -> Iterator[Machine]:
    with docker_daemon(folder / "daemon", firewall=firewall) as daemon:
        around = Surroundings(folder / "state", docker_host=daemon.host)
        probe = asyncio.run(probe_docker(around))
        engine, containers = DockerEngine(probe, around), DockerContainers(probe, around)
        made = Machine(folder / "runs", around, probe, engine, containers, registry)
        made.folder.mkdir()
        source = context(folder / "box", BOX_DOCKERFILE)
        made.call("build", "--network=none", f"--tag={BOX}", str(source))
        yield made


SUCCEEDED, FAILED = str(StepStatus.SUCCEEDED), str(StepStatus.FAILED)
SKIPPED, CANCELED = str(StepStatus.SKIPPED), str(StepStatus.CANCELED)


def main() -> None:
    """See `Machine.program`."""
    state, storage, run_root, run_id, folder, text = sys.argv[1:]
    around = Surroundings(Path(state), storage=Path(storage), run_root=Path(run_root))
    probe = asyncio.run(probe_podman(around))
    engine, containers = PodmanEngine(probe, around), PodmanContainers(probe, around)
    registry = RealRegistry(Path(state), 0, {})  # not started
    made = Machine(Path(folder).parent, around, probe, engine, containers, registry)
    asyncio.run(made.run_in(Path(folder), run_id, text))


if __name__ == "__main__":
    main()
