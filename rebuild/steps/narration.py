"""What a run tells of itself, line by line, in the words that people search logs for. Writes no file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from graph.model import BuildRecord, RecordedBase
from graph.record import dataclass
from graph.reference import Digest, ImageRef
from graph.words import Role
from rebuild.engines.engine import LogSink
from rebuild.taskfile import WORKSPACE, Step

# The id of the step ("" for the run itself), and a piece of output: empty where the output ends.
StepSink = Callable[[str, bytes], None]
RUN = ""


class Told(bytes):
    """Whole lines of tracker's own: what a program prints is never taken for one."""


@dataclass(frozen=True, slots=True)
class Narrator:
    """Lines of tracker's own have the time before them; what programs print passes as it is."""

    sink: StepSink
    now: Callable[[], datetime]

    def say(self, step_id: str, line: str) -> None:
        stamp = self.now().astimezone(UTC).strftime("%Y/%m/%d %H:%M:%S")
        self.sink(step_id, Told(f"{stamp} {line}\n".encode()))

    def saying(self, step: Step) -> Callable[[str], None]:
        return partial(self.say, step.id)

    def output(self, step: Step) -> LogSink:
        return partial(self.sink, step.id)

    def ended(self, step: Step) -> None:
        """Nothing follows what the step has printed until now."""
        self.sink(step.id, b"")


def executing(step: Step, network: str | None) -> str:
    return (
        f"Executing step ID: {step.id}. Timeout(sec): {step.timeout_s}, "
        f"Working directory: '{step.working_directory or WORKSPACE}', Network: '{network or ''}'"
    )


def successful(step: Step, elapsed_s: float) -> str:
    return f"Step ID: {step.id} marked as successful (elapsed time in seconds: {elapsed_s:f})"


def stopped(step_id: str) -> str:
    return f"Step ID: {step_id} was stopped: the run does not go on"


def skipped(step_id: str) -> str:
    return f"Step ID: {step_id} was skipped"


def failed(step: Step, error: str) -> str:
    return f"failed to run step ID: {step.id}: {error}"


def dependencies(record: BuildRecord, commit: str | None) -> str:
    """What an image was built from, as JSON, one object for each of its names."""
    runtime = [base for base in record.bases if base.role is Role.RUNTIME]
    buildtime = [base for base in record.bases if base.role is Role.BUILDTIME]
    digest = record.manifests.digest if record.manifests else None
    told = [
        {
            "image": _image(image, digest) if image else None,
            "runtime-dependency": _base(runtime[0]) if runtime else None,
            "buildtime-dependency": [_base(base) for base in buildtime] or None,
            "git": {"git-head-revision": commit or ""},
        }
        for image in _names(record.images)
    ]
    return json.dumps(told, indent=2)


def _names(images: Iterable[ImageRef]) -> list[ImageRef | None]:
    return [*images] or [None]


def _base(base: RecordedBase) -> dict[str, Any]:
    return _image(base.reference, base.manifests.digest)


def _image(reference: ImageRef, digest: Digest | None) -> dict[str, Any]:
    return {
        "registry": reference.registry,
        "repository": reference.repository,
        "tag": reference.tag or "",
        "digest": str(digest or ""),
        "reference": str(reference),
    }
