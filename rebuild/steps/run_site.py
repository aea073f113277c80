"""What all steps of one run share while it is carried out, and what they leave for its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from pathlib import Path

from graph.model import BuildRecord, RecordedBase
from graph.record import dataclass
from graph.reference import ImageRef, Platform
from rebuild.engines.container import Containers
from rebuild.images.tools import Tools
from rebuild.secrets.secret import Secret
from rebuild.steps.engine_names import EngineNames
from rebuild.steps.images import BuiltImage, RunImages
from rebuild.steps.intents import Intents
from rebuild.steps.narration import Narrator
from rebuild.steps.step_place import PlanSetting, RunPlace
from rebuild.steps.step_plan import PlannedStep, plan_step, refuse_exposed
from rebuild.taskfile import Step, TaskFile

FetchContext = Callable[[str, Path], Awaitable[Path]]  # source as written, folder to make → the context


@dataclass(frozen=True, slots=True)
class Published:
    """One name of a built image as its registry holds it now."""

    step: str  # that built it
    name: ImageRef
    record: BuildRecord


@dataclass(slots=True)
class Site:
    """Owned by one asyncio loop."""

    taskfile: TaskFile
    setting: PlanSetting
    platform: Platform
    tools: Tools
    containers: Containers
    narrator: Narrator
    secrets: tuple[Secret, ...]
    fetch: FetchContext
    intents: Intents
    images: RunImages
    follow: tuple[str, ...] = ()  # rules by which bases of builds are the newest tag
    pushes: bool = True  # off: what is to be pushed is only said
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    built: dict[str, BuiltImage] = field(default_factory=dict)  # by build step
    published: list[Published] = field(default_factory=list)
    used: dict[str, dict[ImageRef, RecordedBase]] = field(default_factory=dict)  # by cmd step
    names: EngineNames = field(default_factory=EngineNames)
    followers: set[asyncio.Task[None]] = field(default_factory=set)
    is_closing: bool = False  # what is detached ends now because we end it

    @property
    def place(self) -> RunPlace:
        return self.setting.place

    def plan(self, step: Step) -> PlannedStep:
        """What the step does, with what the steps before it have put out."""
        planned = plan_step(self.taskfile, step, self.setting, secrets=self.secrets, outputs=self.outputs)
        refuse_exposed([planned])
        return planned

    def used_before(self, step_id: str) -> list[RecordedBase]:
        """Images of containers that may have had a hand in what that step built."""
        before = ancestors(self.taskfile)[step_id]
        return [base for step, bases in self.used.items() if step in before for base in bases.values()]


def ancestors(taskfile: TaskFile) -> dict[str, frozenset[str]]:
    """For each step all that end before it starts."""
    parents = {step.id: step.depends_on for step in taskfile.steps}
    return {step_id: _above(step_id, parents) for step_id in parents}


def _above(step_id: str, parents: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    waiting, seen = list(parents[step_id]), set[str]()
    while waiting:
        parent = waiting.pop()
        if parent not in seen:
            seen.add(parent)
            waiting += parents[parent]
    return frozenset(seen)
