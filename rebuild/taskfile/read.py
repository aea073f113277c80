"""A rendered task file to a `TaskFile`: every fault at once, each with its line. Opens and runs nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from graph.dockerfile.budget import Budget, Unreadable
from rebuild.secrets.secret import Secret
from rebuild.taskfile.environment import plain_environment, read_environment
from rebuild.taskfile.fields import Fields
from rebuild.taskfile.model import STEP_TIMEOUT_S, Build, Cmd, Pull, Push, Step, TaskFile, Version
from rebuild.taskfile.order import Place, ancestors, resolve_order
from rebuild.taskfile.outputs import references
from rebuild.taskfile.problem import Problems, nearest, shown
from rebuild.taskfile.sections import read_networks, read_secrets, read_volumes
from rebuild.taskfile.steps import Around, read_step
from rebuild.taskfile.yaml_nodes import Mapping, read_nodes

STEPS_MOST = 1000
EXPANSION_CHARACTERS_MOST = 8 << 20

KEYS = ("version", "stepTimeout", "workingDirectory", "env", "secrets", "networks", "volumes", "steps")
_VERSION_WITHOUT_COLON = re.compile(r"^version[ \t]+(\S.*)$", re.MULTILINE)


def read_taskfile(
    text: str,
    *,
    path: str,
    strict: bool = False,
    environment: Sequence[str] = (),
    working_directory: str | None = None,
    expand_image: Callable[[str], str] = lambda word: word,
    original_line: Callable[[int], int] = lambda line: line,
    secrets: Iterable[Secret] = (),
) -> TaskFile:
    """Read rendered text; raise `TaskFileError` with every fault, each as `path:line: rule`.

    `strict` takes warnings for faults. `environment` (NAME=VALUE) and `working_directory` are the run's own
    and count where the file sets none. `expand_image` gives the image for the first word of a `cmd`,
    `original_line` the line of the file as written for one of `text`. `secrets` are hidden in every message.
    """
    problems = Problems(path, original_line, tuple(secrets))
    try:
        task = _top(text, problems)
        read = _read(task, problems, plain_environment(environment), working_directory, expand_image)
    except Unreadable as error:
        raise problems.stop(0, str(error)) from None
    return replace(read, path=path, warnings=problems.settle(strict=strict))


def _top(text: str, problems: Problems) -> Fields:
    if match := _VERSION_WITHOUT_COLON.search(text):
        line = problems.original_line(text.count("\n", 0, match.start()) + 1)
        raise problems.stop(
            line, f"{shown(match[0].strip())} has no colon", hint=f"write version: {_known(match[1])}"
        )
    node = read_nodes(text, problems)
    if node is None:
        raise problems.stop(0, "the task file is empty", hint="write steps: with a list of steps")
    if not isinstance(node, Mapping):
        raise problems.stop(
            node.line, "a task file is a map of properties", hint="begin with version: v1.1.0"
        )
    return Fields(node, "the task", problems)


def _read(
    task: Fields,
    problems: Problems,
    given: dict[str, str],
    working_directory: str | None,
    expand_image: Callable[[str], str],
) -> TaskFile:
    version = _version(task)
    task.check_keys(KEYS, notes={"alias": "aliases need version: v1.1.0"})
    budget = Budget(EXPANSION_CHARACTERS_MOST)
    networks = tuple(read_networks(task))
    volumes = tuple(read_volumes(task, problems))
    around = Around(
        environment=read_environment(task.written("env"), given, home=None, problems=problems, budget=budget),
        step_timeout_s=task.seconds("stepTimeout", STEP_TIMEOUT_S),
        working_directory=task.optional_text("workingDirectory") or working_directory,
        volumes=frozenset(volume.name for volume in volumes),
        networks=frozenset(network.name for network in networks),
        expand_image=expand_image,
        problems=problems,
        budget=budget,
    )
    return TaskFile(
        path="",
        version=version,
        steps=_steps(task, around, problems),
        step_timeout_s=around.step_timeout_s,
        working_directory=around.working_directory,
        networks=networks,
        volumes=volumes,
        secrets=tuple(read_secrets(task)),
    )


def _version(task: Fields) -> Version:
    text = task.text("version").lower()
    try:
        return Version(text or Version.V1_0)
    except ValueError:
        known = ", ".join(Version)
        task.fault(
            "version", f"version {shown(text)} is not one of {known}", hint=f"write version: {_known(text)}"
        )
        return Version.V1_0


def _known(text: str) -> str:
    """The version that was meant."""
    wanted = text.strip().strip("'\"").lower()
    if wanted in tuple(Version):
        return wanted
    with_v = f"v{wanted.removeprefix('v')}"
    return with_v if with_v in tuple(Version) else nearest(with_v, tuple(Version)) or Version.V1_1


def _steps(task: Fields, around: Around, problems: Problems) -> tuple[Step, ...]:
    listed = list(task.maps("steps", "a step"))
    if len(listed) > STEPS_MOST:
        raise problems.stop(listed[STEPS_MOST].line, f"the task has more than {STEPS_MOST} steps")
    steps: list[Step] = []
    places: list[Place] = []
    lines: dict[str, int] = {}
    for index, fields in enumerate(listed):
        step_id = fields.text("id") or f"acb_step_{index}"
        fields.what = f"step {shown(step_id)}"
        if step_id in lines:
            first = lines[step_id]
            fields.fault("id", f"there are two steps {shown(step_id)}; the first is in line {first}")
        lines.setdefault(step_id, fields.line)
        # A step that cannot be read keeps its place: the steps below may wait for it.
        places.append(Place(step_id, fields.line_of("when"), fields.texts("when"), fields.switch("finally")))
        if (step := read_step(fields, step_id, around)) is not None:
            steps.append(step)
    order = resolve_order(places, problems)
    _check_references(steps, order, problems)
    return tuple(replace(step, depends_on=order[step.id]) for step in steps)


def _check_references(steps: list[Step], order: dict[str, tuple[str, ...]], problems: Problems) -> None:
    before = ancestors(order)
    for step in steps:
        named = {reference.step for text in _texts(step) for reference in references(text)}
        asked = set(step.condition.steps) if step.condition else set()
        for name in sorted((named | asked) - before[step.id]):
            rule = f"step {shown(step.id)} asks about step {shown(name)}"
            if name not in order:
                meant = nearest(name, order)
                hint = f"did you mean {meant!r}?" if meant else None
                problems.fault(step.line, f"{rule}: no such step", hint=hint)
            else:
                hint = f"add {name!r} to its when"
                problems.fault(step.line, f"{rule}, which need not have ended when it starts", hint=hint)


def _texts(step: Step) -> list[str]:
    """Every text of a step that outputs may stand in."""
    values = [value for _, value in step.environment]
    match step.action:
        case Cmd(image, arguments):
            return [image, *arguments, *values]
        case Build(words):
            return [*words, *values]
        case Push(images):
            return [*images, *values]
        case Pull(image):
            return [image, *values]
