"""The names of a build may hold those of its run, as `web:{{.Run.ID}}`: fills them in. Builds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from random import SystemRandom

from rebuild.runs.definition import Definition, DockerStep, Revision, full_name
from rebuild.runs.preparation import Prepared
from rebuild.runs.record import Run
from rebuild.runs.run_variables import RunVariables

_BEGIN = "{{"


def variables_of(run: Run, context: Prepared, *, registry: str, task_name: str) -> RunVariables:
    """What the templates of a run may use."""
    revision = run.definition.revision or Revision("")
    return RunVariables(
        id=run.run_id,
        date=run.created_at,
        registry=registry,
        os=run.definition.platform.os,
        architecture=run.definition.platform.architecture,
        commit=context.commit or "",
        branch=revision.branch or context.branch or "",
        task_name=task_name,
        repository=_repository(run.definition),
        git_tag=revision.tag or "",
        pull_request=str(revision.pull or ""),
        triggered_by=str(run.cause),
    )


def _repository(definition: Definition) -> str:
    """The URL of the repository, where a commit of it is what the run is for."""
    return definition.context.partition("#")[0] if definition.revision is not None else ""


def filled_in(step: DockerStep, run: RunVariables) -> DockerStep:
    """The step with the templates of its image names, build arguments and target replaced.

    Raises `WrongUse` for a template that breaks a rule, and for one that makes no name of an image.
    """
    if not any(_BEGIN in text for text in _texts(step)):
        return step
    fill = _filling(run)
    return replace(
        step,
        images=tuple(dict.fromkeys(full_name(fill(name), run.registry) for name in step.images)),
        build_args={name: fill(text) for name, text in step.build_args.items()},
        target=fill(step.target) if step.target else step.target,
    )


def as_if_run(step: DockerStep, *, registry: str, at: datetime) -> DockerStep:
    """As some run may find it: what is wrong with a template should be told before there is a run."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    some = RunVariables("a1", at, registry, commit=commit, branch="main", task_name="task")
    return filled_in(step, some)


def _texts(step: DockerStep) -> Iterator[str]:
    yield from step.images
    yield from step.build_args.values()
    yield step.target or ""


def _filling(run: RunVariables) -> Callable[[str], str]:
    # Few builds name their run: the others should not wait for the import of templates.
    from rebuild.template import Surroundings, render

    surroundings = Surroundings(run.date, SystemRandom())
    values = {"Run": run.as_values(), "Build": {"ID": run.id}, "Values": {}}

    def fill(text: str) -> str:
        return (
            render(text, values, path=repr(text), surroundings=surroundings).text if _BEGIN in text else text
        )

    return fill
