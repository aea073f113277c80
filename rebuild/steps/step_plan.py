"""What the engine would be called with for each step of a task file. Pure: it works where no engine is.

Every word that came from the file is one argument, or the value of one flag; no shell sees any. A variable
that holds a secret goes by a file, never by the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from graph.errors import WrongUse
from graph.record import dataclass
from graph.reference import ImageRef
from rebuild.secrets.mask import is_maskable, masked
from rebuild.secrets.secret import Secret
from rebuild.steps.step_build import (
    Argv,
    PlannedBuild,
    build_calls,
    builds,
    full_name,
    plan_build,
    push_calls,
)
from rebuild.steps.step_container import PlannedTail, StepContainer, network_name
from rebuild.steps.step_place import PlanSetting
from rebuild.taskfile import Build, Cmd, Kind, Network, Outputs, Pull, Push, Step, TaskFile
from rebuild.taskfile.outputs import filler, references
from rebuild.taskfile.problem import placed


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
    tail: PlannedTail | None = field(default=None, repr=False)
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

        def shown(words: Iterable[str]) -> list[str]:
            return [masked(word, hide) for word in words]

        first, *others = map(shown, self.calls)
        plain: dict[str, Any] = {
            "id": masked(self.step.id, hide),
            "kind": str(self.kind),
            "depends_on": shown(self.step.depends_on),
            "when": shown(self.step.when),
            "timeout": self.step.timeout_s,
            "retries": self.step.retries,
            "env": shown(f"{name}={value}" for name, value in self.environment.items()),
            "argv": first,
        }
        if others:
            plain["also"] = others
        if self.build is not None and self.build.remote is not None:
            (plain["fetch"],) = shown([self.build.remote])
        if self.pull is not None:
            plain["pull"] = shown(self.pull)
        if self.tail is not None:
            plain |= self.tail.to_json(hide)
        if self.step.condition is not None:
            plain["if"] = masked(self.step.condition.text, hide)
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
    builds: Mapping[str, PlannedBuild]

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
            pushed=frozenset(full_name(image) for images in pushes for image in images),
            builds=builds(taskfile, setting, outputs, secrets),
        )

    def plan(self, step: Step) -> PlannedStep:
        with placed(self.taskfile.path, step.line, self.secrets):
            return self._plan(step)

    def _plan(self, step: Step) -> PlannedStep:
        fill = filler(self.outputs)
        environment = {name: fill(value) for name, value in step.environment}
        match step.action:
            case Cmd():
                return self._cmd(step, step.action, environment)
            case Build():
                build = plan_build(step, self.setting, self.outputs, self.secrets)
                calls = (*build_calls(build, self.setting), *self._own_pushes(build))
                labels = (value for _, value in build.line.labels)
                return PlannedStep(step, calls, environment, build=build, exposes=self._is_exposed(labels))
            case Pull(image):
                call = (*self.setting.engine.program, "pull", full_name(fill(image)))
                return PlannedStep(step, (call,), environment)
            case Push(images):
                names = [full_name(fill(image)) for image in images]
                pushes = (push_calls(name, self.builds.get(name), self.setting) for name in names)
                return PlannedStep(step, tuple(call for calls in pushes for call in calls), environment)

    def _cmd(self, step: Step, action: Cmd, environment: Mapping[str, str]) -> PlannedStep:
        fill, setting = filler(self.outputs), self.setting
        image = full_name(fill(action.image))
        hidden = _hidden(step, environment, self.secrets)
        container = StepContainer(self.taskfile, step, setting, environment, hidden, fill)
        call, tail = container.call(action, image, is_built=self._is_built(image)), container.tail(action)
        words = (word for one in (call, *(tail.calls if tail else ())) for word in one)
        pull = (*setting.engine.program, "pull", image) if step.pull else None
        return PlannedStep(
            step,
            (call,),
            environment,
            pull,
            hidden,
            tail=tail,
            exposes=self._is_exposed(words),
        )

    def _is_exposed(self, words: Iterable[str]) -> bool:
        shown = [secret.reveal() for secret in self.secrets if is_maskable(secret)]
        return any(text in word for word in words for text in shown)

    def _is_built(self, image: str) -> bool:
        """Whether a step of the file builds it: then nobody else's image of that name will do."""
        return not any(references(image)) and ImageRef.parse(image) in self.built

    def _own_pushes(self, build: PlannedBuild) -> Iterator[Argv]:
        """An index lives in a registry: what no push step pushes is pushed with its build."""
        if build.is_index and not self.pushed & set(build.names):
            for name in build.names:
                yield from push_calls(name, build, self.setting)


def _network(network: Network, setting: PlanSetting) -> PlannedNetwork:
    name = network_name(network, setting)
    flags = ["--driver=bridge", *(["--ipv6"] if network.ipv6 else []), *setting.place.labels]
    return PlannedNetwork(name, (*setting.engine.program, "network", "create", *flags, name))


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
