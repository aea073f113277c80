"""What is asked of a service, as its API takes it. Sends nothing."""

from __future__ import annotations

from typing import Any

from graph.record import dataclass
from rebuild.runs.definition import FileStep, InlineStep
from tracker.cli.build_typed import BuildTyped
from tracker.remote.context import ContextThere


@dataclass(frozen=True, slots=True)
class RunTyped:
    """A task file as it was typed; None for what the service has settings for."""

    context: str
    platform: str | None
    timeout_s: float | None
    step: FileStep | InlineStep


def build_json(typed: BuildTyped, where: ContextThere) -> dict[str, Any]:
    """A definition. What was not typed is null: the service has settings for it."""
    step: dict[str, Any] = {
        "kind": "docker",
        "images": list(typed.names),
        "dockerfile": where.dockerfile,
        "build_args": dict(typed.build_args),
        "target": typed.target,
        "push": typed.push,
        "no_cache": typed.no_cache,
        "reproducible": typed.reproducible,
    }
    return {
        "context": where.context,
        "step": step,
        "platform": typed.platform,
        "timeout_s": typed.timeout_s,
        "follow": list(typed.follow),
    }


def run_json(typed: RunTyped, context: str) -> dict[str, Any]:
    """A definition."""
    return {
        "context": context,
        "step": _step_json(typed.step),
        "platform": typed.platform,
        "timeout_s": typed.timeout_s,
    }


def _step_json(step: FileStep | InlineStep) -> dict[str, Any]:
    match step:
        case FileStep():
            source = {"kind": "file", "file": step.file, "values_file": step.values_file}
        case InlineStep():
            source = {
                "kind": "inline",
                "text": step.text,
                "values_text": step.values_text,
                "path": step.path,
                "values_path": step.values_path,
            }
    return {**source, "values": dict(step.values), "strict": step.strict}
