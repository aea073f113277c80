"""What somebody asks of one run of a saved task, and the definition that the run then has. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.runs.definition import Definition, DockerStep, FileStep, InlineStep, Step
from rebuild.secrets.task_secrets import SecretUse
from rebuild.tasks.task_edit import is_task_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """None and empty: as the task has it. Arguments and values go over those of the task, name by name."""

    context: str | None = None
    file: str | None = None  # in the context
    text: str | None = None  # of a task file, for a task that keeps its own
    build_args: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    timeout_s: float | None = None


def overridden(task: str, definition: Definition, asked: Override) -> Definition:
    """For one run of the task of that name. Raises `WrongUse` for what the task has no use for."""
    return replace(
        definition,
        context=asked.context or definition.context,
        step=_step(task, definition.step, asked),
        timeout_s=asked.timeout_s or definition.timeout_s,
    )


def use_of(step: Step) -> SecretUse:
    """What the secrets of a run are for."""
    return SecretUse.BUILD if isinstance(step, DockerStep) else SecretUse.VALUE


def _step(task: str, step: Step, asked: Override) -> Step:
    match step:
        case DockerStep():
            _refuse(task, "a Dockerfile", text=asked.text, values=asked.values)
            _same_kind(task, asked.file, is_task=False)
            return replace(
                step,
                dockerfile=asked.file or step.dockerfile,
                build_args={**step.build_args, **asked.build_args},
                target=asked.target or step.target,
            )
        case FileStep():
            _refuse(task, "a task file", text=asked.text, build_args=asked.build_args, target=asked.target)
            _same_kind(task, asked.file, is_task=True)
            return replace(step, file=asked.file or step.file, values={**step.values, **asked.values})
        case InlineStep():
            _refuse(
                task,
                "a task file of its own",
                file=asked.file,
                build_args=asked.build_args,
                target=asked.target,
            )
            return replace(step, text=asked.text or step.text, values={**step.values, **asked.values})


def _refuse(task: str, what: str, **given: object) -> None:
    for name, value in given.items():
        if value:
            raise WrongUse(f"{name}: task {task} has {what}, and no use for it", hint="leave it out")


def _same_kind(task: str, file: str | None, *, is_task: bool) -> None:
    if file and is_task_file(file) is not is_task:
        has, is_ = ("a task file", "a Dockerfile") if is_task else ("a Dockerfile", "a task file")
        raise WrongUse(
            f"file {file[:200]!r} is {is_}, and task {task} has {has}", hint="name one of its kind"
        )
