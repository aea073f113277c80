"""The engine calls that start the container of a `cmd` step, and the helper container beside it. Starts none.

The helper's shell does what follows the first operator of the line (`rebuild.taskfile.tail`): it sees the
same workspace, volumes, variables and network, and none of the rights that the step has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from graph.record import dataclass
from rebuild.engines.container_pipe import PIPE_IN_CONTAINER, READ_PIPE
from rebuild.secrets.mask import masked
from rebuild.secrets.secret import Secret
from rebuild.steps.step_build import Argv, refused
from rebuild.steps.step_place import EngineKind, PlanSetting
from rebuild.taskfile import HOME, OUTPUT_VARIABLE, WORKSPACE, Cmd, Network, Route, Step, TaskFile
from rebuild.taskfile.outputs import OUTPUT_FILE, OUTPUT_FOLDER

DEFAULT_SHELL = "sh"
LOOPBACK = "127.0.0.1"
DETACHED_LOG_MOST = "64m"
EXIT_CODE = "$?"  # the last word of a call stands for the exit code of what ran before it
_HOST = "host"


@dataclass(frozen=True, slots=True)
class PlannedTail:
    """What helper containers do with the output of the step's own, and after it."""

    stdout: Route
    stderr: Route
    reader: Argv | None = field(default=None, repr=False)  # runs beside the step's own and reads from it
    after: Argv | None = field(default=None, repr=False)  # runs when the others have ended

    @property
    def calls(self) -> tuple[Argv, ...]:
        return tuple(call for call in (self.reader, self.after) if call is not None)

    def to_json(self, secrets: Iterable[Secret]) -> dict[str, Any]:
        """For people and programs: what the step's argv leads to, and what comes after it."""
        streams = {"stdout": self.stdout, "stderr": self.stderr}
        hide = tuple(secrets)
        plain: dict[str, Any] = {}
        if dropped := [name for name, route in streams.items() if route is Route.NOWHERE]:
            plain["dropped"] = dropped
        if self.reader is not None:
            plain["piped"] = [name for name, route in streams.items() if route is Route.HELPER]
            plain["pipe"] = [masked(word, hide) for word in self.reader]
        if self.after is not None:
            plain["then"] = [masked(word, hide) for word in self.after]
        return plain


@dataclass(frozen=True, slots=True)
class StepContainer:
    """All that goes into the calls of one step. `fill` puts the outputs of other steps in."""

    taskfile: TaskFile
    step: Step
    setting: PlanSetting
    environment: Mapping[str, str] = field(repr=False)
    hidden: Mapping[str, str] = field(repr=False)
    fill: Callable[[str], str]

    def call(self, action: Cmd, image: str, *, is_built: bool) -> Argv:
        """`image` is the full name; one that a step of the file builds is never pulled."""
        step, setting = self.step, self.setting
        entry, words = _command(step, action)
        return (
            *self._begin(setting.place.container(step)),
            *_life(step, setting),
            *self._machine(),
            *(["--pull=never"] if is_built else []),
            *_rights(step, setting),
            *_joined(self.taskfile, step, setting),
            *entry,
            *self._inside(step.working_directory),
            image,
            *map(self.fill, words),
        )

    def tail(self, action: Cmd) -> PlannedTail | None:
        if action.tail is None:
            return None
        tail = action.tail
        pipe = f"{self.setting.place.pipe(self.step)}:{PIPE_IN_CONTAINER}"
        return PlannedTail(
            tail.stdout,
            tail.stderr,
            self._helper(f"{READ_PIPE}\n{tail.reader}", f"--volume={pipe}") if tail.reader else None,
            (*self._helper(f'(exit "$1") {tail.after}'), DEFAULT_SHELL, EXIT_CODE) if tail.after else None,
        )

    def _helper(self, script: str, *flags: str) -> Argv:
        place = self.setting.place
        network = (word for word in _joined(self.taskfile, self.step, self.setting) if "-alias" not in word)
        return (
            *self._begin(place.helper(self.step)),
            *(*place.labels, "--rm", "--log-driver=none", *flags),
            *self._machine(),
            *network,
            f"--entrypoint={DEFAULT_SHELL}",
            *self._inside(self.step.working_directory or WORKSPACE),
            str(self.setting.rules.helper),
            *("-c", script),
        )

    def _begin(self, name: str) -> Argv:
        return (*self.setting.engine.program, "run", f"--name={name}")

    def _machine(self) -> Iterator[str]:
        yield from self.setting.engine.run_flags
        if self.setting.platform:
            yield f"--platform={self.setting.platform}"

    def _inside(self, working_directory: str | None) -> Iterator[str]:
        """What the container sees."""
        place, hidden = self.setting.place, self.hidden
        yield from _mounts(self.step, self.setting)
        given = _given(self.environment)
        yield from (f"--env={name}={value}" for name, value in given if name not in hidden)
        if hidden:
            yield f"--env-file={place.environment_file(self.step)}"
        if working_directory:
            yield f"--workdir={working_directory}"


def network_name(network: Network, setting: PlanSetting) -> str:
    return network.name if network.skip_creation else f"{setting.place.prefix}-{network.name}"


def _command(step: Step, action: Cmd) -> tuple[list[str], list[str]]:
    """The entry point, and what follows the image. `entryPoint` beside `shell: true` names another shell."""
    if action.script is not None:
        return [f"--entrypoint={step.entry_point or DEFAULT_SHELL}"], ["-c", action.script]
    entry = [f"--entrypoint={step.entry_point}"] if step.entry_point else []
    return entry, list(action.arguments)


def _life(step: Step, setting: PlanSetting) -> Iterator[str]:
    """A detached container stays after its end, to tell how it ended; all go with the run."""
    yield from setting.place.labels
    if step.detach:
        # What it prints is read back out of a file of the engine's, which is cut when it grows.
        driver = "k8s-file" if setting.engine.kind is EngineKind.PODMAN else "json-file"
        yield from ("--detach", f"--log-driver={driver}", f"--log-opt=max-size={DETACHED_LOG_MOST}")
        return
    if not step.keep:
        yield "--rm"
    yield "--log-driver=none"  # it is read while it runs


def _rights(step: Step, setting: PlanSetting) -> Iterator[str]:
    if step.privileged:
        if not setting.rules.privileged:
            raise refused(step, "privileged", "every right on the machine")
        yield "--privileged"
    if step.user:
        yield f"--user={step.user}"
    if step.cpus:
        yield f"--cpus={step.cpus}"
    if step.isolation and setting.platform and setting.platform.os == "windows":
        yield f"--isolation={step.isolation}"
    if step.ports and setting.rules.alone:
        raise refused(step, "ports", "a port of the machine")
    yield from (f"--publish={_published(port)}" for port in step.ports)
    yield from (f"--expose={port}" for port in step.expose)


def _published(port: str) -> str:
    """Where no address is written, on this machine alone."""
    colons = port.rpartition("]")[2].count(":")
    if "[" in port or colons == 2:
        return port
    return f"{LOOPBACK}:{port}" if colons == 1 else f"{LOOPBACK}::{port}"


def _joined(taskfile: TaskFile, step: Step, setting: PlanSetting) -> Iterator[str]:
    name = step.network
    if name is None and not taskfile.networks:
        name = f"{setting.place.prefix}-default"
    elif name is None:
        chosen = taskfile.default_network
        name = network_name(chosen, setting) if chosen else None
    else:
        listed = {network.name: network for network in taskfile.networks}
        name = network_name(listed[name], setting) if name in listed else name
    if setting.rules.alone and any(network.skip_creation for network in taskfile.networks):
        raise refused(step, "a network with skipCreation", "what others have on the machine")
    if name in (None, "default", "bridge"):
        return  # the engine's own, where no names are known
    if name == _HOST and not setting.rules.host_network:
        raise refused(step, "the network 'host'", "the network of the machine")
    yield f"--network={name}"
    if name not in (_HOST, "none"):
        yield f"--network-alias={step.id}"


def _mounts(step: Step, setting: PlanSetting) -> Iterator[str]:
    place = setting.place
    yield f"--volume={place.workspace}:{WORKSPACE}"
    yield f"--volume={place.home}:{HOME}"
    yield f"--volume={place.outputs(step)}:{OUTPUT_FOLDER}"
    yield from (f"--volume={place.volume(mount.volume)}:{mount.path}" for mount in step.mounts)


def _given(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """HOME first, so that a step can set it."""
    yield "HOME", HOME
    yield OUTPUT_VARIABLE, OUTPUT_FILE
    yield from environment.items()
