"""What the engine would be called with for each step of a task file. Pure: it works where no engine is.

Every word that came from the file is one argument, or the value of one flag; no shell sees any. A variable
that holds a secret goes by a file, never by the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graph.errors import WrongUse
from graph.reference import ImageRef
from rebuild.mask import is_maskable, masked
from rebuild.secret import Secret
from rebuild.step_build import Argv, PlannedBuild, build_calls, indexes, plan_build, push_calls, refused
from rebuild.step_place import OUTPUT_FILE, OUTPUT_FOLDER, EngineKind, PlanSetting
from rebuild.taskfile import (
    HOME,
    OUTPUT_VARIABLE,
    WORKSPACE,
    Build,
    Cmd,
    Kind,
    Network,
    Outputs,
    Push,
    Step,
    TaskFile,
)
from rebuild.taskfile.outputs import filler, references

DEFAULT_SHELL = "sh"
LOOPBACK = "127.0.0.1"
DETACHED_LOG_MOST = "64m"
_HOST = "host"


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step with the calls that carry it out, in their order; they stop at the first that fails."""

    step: Step
    calls: tuple[Argv, ...] = field(repr=False)  # here and below: secrets may be in it
    environment: Mapping[str, str] = field(repr=False)
    pull: Argv | None = None  # before anything else, outside of the step's timeout
    hidden: Mapping[str, str] = field(
        default_factory=dict, repr=False
    )  # for the file that `--env-file` names
    build: PlannedBuild | None = field(default=None, repr=False)
    exposes: bool = False  # whether a secret would stand in the list of the machine's processes

    @property
    def kind(self) -> Kind:
        return self.step.kind

    @property
    def environment_file(self) -> str:
        """The content of the file for `hidden`."""
        return "".join(f"{name}={value}\n" for name, value in self.hidden.items())

    def to_json(self, secrets: Iterable[Secret] = ()) -> dict[str, Any]:
        """For people and programs; every secret is `***`."""
        hide = tuple(secrets)
        first, *others = [[masked(word, hide) for word in call] for call in self.calls]
        plain: dict[str, Any] = {
            "id": self.step.id,
            "kind": str(self.kind),
            "depends_on": list(self.step.depends_on),
            "when": list(self.step.when),
            "timeout": self.step.timeout_s,
            "retries": self.step.retries,
            "env": [masked(f"{name}={value}", hide) for name, value in self.environment.items()],
            "argv": first,
        }
        if others:
            plain["also"] = others
        if self.step.condition is not None:
            plain["if"] = self.step.condition.text
        if self.step.is_finally:
            plain["finally"] = True
        return plain


@dataclass(frozen=True, slots=True)
class PlannedNetwork:
    """A network that has to be there before the first step, and is removed after the last."""

    name: str
    create: Argv


def plan_steps(
    taskfile: TaskFile,
    setting: PlanSetting,
    *,
    secrets: Iterable[Secret] = (),
    outputs: Outputs | None = None,
) -> tuple[PlannedStep, ...]:
    """Every step, in the order of the file; without `outputs` references to them are left as they are.

    Raise `WrongUse` for what the operator does not allow and for paths outside of the workspace.
    """
    whole = _Whole.of(taskfile, setting, tuple(secrets), outputs)
    return tuple(whole.plan(step) for step in taskfile.steps)


def plan_step(
    taskfile: TaskFile,
    step: Step,
    setting: PlanSetting,
    *,
    secrets: Iterable[Secret] = (),
    outputs: Outputs | None = None,
) -> PlannedStep:
    """One step, with what the steps before it have put out."""
    return _Whole.of(taskfile, setting, tuple(secrets), outputs).plan(step)


def plan_networks(taskfile: TaskFile, setting: PlanSetting) -> tuple[PlannedNetwork, ...]:
    """The networks to make for a run: those of the file, or one for all steps where it lists none."""
    listed = taskfile.networks or (Network("default"),)
    return tuple(_network(network, setting) for network in listed if not network.skip_creation)


def refuse_exposed(steps: Iterable[PlannedStep]) -> None:
    """Raise `WrongUse` where a secret stands in a command line; a plan that is only shown may have it."""
    for planned in steps:
        if planned.exposes:
            raise WrongUse(
                f"step {planned.step.id!r} has a secret in its command line, which every process of the"
                " machine can read",
                hint="put it into env, NAME={{.Secrets.ID}}, and let a program in the container read it",
            )


@dataclass(frozen=True, slots=True)
class _Whole:
    """What the plan of one step takes from the others; found out once for all of them."""

    taskfile: TaskFile
    setting: PlanSetting
    secrets: tuple[Secret, ...]
    outputs: Outputs | None
    built: frozenset[ImageRef]
    pushed: frozenset[str]
    indexes: Mapping[str, PlannedBuild]

    @classmethod
    def of(
        cls, taskfile: TaskFile, setting: PlanSetting, secrets: tuple[Secret, ...], outputs: Outputs | None
    ) -> _Whole:
        pushes = (step.action.images for step in taskfile.steps if isinstance(step.action, Push))
        return cls(
            taskfile,
            setting,
            secrets,
            outputs,
            built=frozenset(taskfile.built_images()),
            pushed=frozenset(_full(image) for images in pushes for image in images),
            indexes=indexes(taskfile, setting, outputs),
        )

    def plan(self, step: Step) -> PlannedStep:
        fill = filler(self.outputs)
        environment = {name: fill(value) for name, value in step.environment}
        match step.action:
            case Cmd():
                return self._cmd(step, step.action, environment)
            case Build():
                build = plan_build(step, self.setting, self.outputs)
                calls = (*build_calls(build, self.setting), *self._own_pushes(build))
                return PlannedStep(step, calls, environment, build=build)
            case Push(images):
                names = [_full(fill(image)) for image in images]
                pushes = (push_calls(name, self.indexes.get(name), self.setting) for name in names)
                return PlannedStep(step, tuple(call for calls in pushes for call in calls), environment)

    def _cmd(self, step: Step, action: Cmd, environment: Mapping[str, str]) -> PlannedStep:
        fill, setting = filler(self.outputs), self.setting
        image = _full(fill(action.image))
        hidden = _hidden(step, environment, self.secrets)
        entry, words = _command(step, action)
        call = (
            *(*setting.engine.program, "run", f"--name={setting.place.container(step)}"),
            *_life(step, setting),
            *setting.engine.run_flags,
            *([f"--platform={setting.platform}"] if setting.platform else []),
            *(["--pull=never"] if self._is_built(image) else []),
            *_rights(step, setting),
            *_joined(self.taskfile, step, setting),
            *entry,
            *_mounts(step, setting),
            *(f"--env={name}={value}" for name, value in _given(environment) if name not in hidden),
            *([f"--env-file={setting.place.environment_file(step)}"] if hidden else []),
            *([f"--workdir={step.working_directory}"] if step.working_directory else []),
            image,
            *map(fill, words),
        )
        exposes = any(
            is_maskable(secret) and secret.reveal() in word for secret in self.secrets for word in call
        )
        pull = (*setting.engine.program, "pull", image) if step.pull else None
        return PlannedStep(step, (call,), environment, pull, hidden, exposes=exposes)

    def _is_built(self, image: str) -> bool:
        """Whether a step of the file builds it: then nobody else's image of that name will do."""
        return not any(references(image)) and ImageRef.parse(image) in self.built

    def _own_pushes(self, build: PlannedBuild) -> Iterator[Argv]:
        """An index lives in a registry: what no push step pushes is pushed with its build."""
        if build.is_index and not self.pushed & set(build.names):
            for name in build.names:
                yield from push_calls(name, build, self.setting)


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
        if not setting.allowed.privileged:
            raise refused(step, "privileged", "every right on the machine")
        yield "--privileged"
    if step.user:
        yield f"--user={step.user}"
    if step.cpus:
        yield f"--cpus={step.cpus}"
    if step.isolation and setting.platform and setting.platform.os == "windows":
        yield f"--isolation={step.isolation}"
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
        name = _network_name(chosen, setting) if chosen else None
    else:
        listed = {network.name: network for network in taskfile.networks}
        name = _network_name(listed[name], setting) if name in listed else name
    if name in (None, "default", "bridge"):
        return  # the engine's own, where no names are known
    if name == _HOST and not setting.allowed.host_network:
        raise refused(step, "the network 'host'", "the network of the machine")
    yield f"--network={name}"
    if name not in (_HOST, "none"):
        yield f"--network-alias={step.id}"


def _network_name(network: Network, setting: PlanSetting) -> str:
    return network.name if network.skip_creation else f"{setting.place.prefix}-{network.name}"


def _network(network: Network, setting: PlanSetting) -> PlannedNetwork:
    if network.driver not in ("", "bridge", "nat"):
        raise WrongUse(
            f"network {network.name!r} asks for the driver {network.driver!r}: a task makes bridges only",
            hint="let the operator make it, and write skipCreation: true",
        )
    name = _network_name(network, setting)
    flags = ["--driver=bridge", *(["--ipv6"] if network.ipv6 else []), *setting.place.labels]
    return PlannedNetwork(name, (*setting.engine.program, "network", "create", *flags, name))


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


def _hidden(step: Step, environment: Mapping[str, str], secrets: Iterable[Secret]) -> dict[str, str]:
    texts = [secret.reveal() for secret in secrets if secret]
    found = {name: value for name, value in environment.items() if any(text in value for text in texts)}
    for name, value in found.items():
        if "\n" in value or "\r" in value:
            raise WrongUse(
                f"step {step.id!r}: {name} holds a secret of several lines, which env cannot carry",
                hint="mount it as a file: volumes, with the secret in base64",
            )
    return found


def _full(image: str) -> str:
    return image if any(references(image)) else str(ImageRef.parse(image))
