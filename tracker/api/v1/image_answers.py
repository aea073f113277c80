"""What the API tells of images, field by field: what each stands on, what is stale, what would be rebuilt.

For its description only: the answers are the JSON of the commands, and may be too large to be checked twice.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ImageAnswer(_Told):
    """An image of the graph; `bases` and `dependants` count those next to it."""

    reference: str
    origin: str
    digest: str | None
    built_at: str | None
    bases: int
    dependants: int
    task: str | None


class FollowingAnswer(_Told):
    """The rule by which a base is the newest tag; `newer` is one that was listed since."""

    written: str
    rule: str
    newer: str | None
    newer_digest: str | None
    since: str | None


class PinnedTagAnswer(_Told):
    """The tag beside a pinned digest, and whether it still points there, for the platforms of the image."""

    reference: str
    digest: str | None
    since: str | None
    same: bool


class BaseAnswer(_Told):
    """A base as a build took it, with its own bases. `fresh` is null where nobody compares."""

    reference: str
    role: str
    via: str
    stage: str
    line: int
    recorded_digest: str | None
    recorded_platform_digests: dict[str, str]
    observed_digest: str | None
    fresh: bool | None
    following: FollowingAnswer | None
    pinned_tag: PinnedTagAnswer | None
    bases: list[BaseAnswer]


class TreeAnswer(_Told):
    """An image with all that it stands on. `step` is that of the task file that built it, if one did."""

    reference: str
    digest: str | None
    built_at: str | None
    step: str | None
    fresh: bool | None
    bases: list[BaseAnswer]


class DependantAnswer(_Told):
    """An image that stands on another one, `distance` steps above it. `said`: it only says so of itself."""

    reference: str
    distance: int
    role: str
    built_at: str | None
    said: bool


class DependantsAnswer(_Told):
    """What stands on an image, nearest first."""

    reference: str
    dependants: list[DependantAnswer]


class EvidenceAnswer(_Told):
    """A base that has moved, for one platform. `observed_digest` is null where the platform is gone.

    `seen_at` is the newer tag that holds it, or the tag beside a pinned digest.
    """

    base: str
    seen_at: str | None
    platform: str
    recorded_digest: str
    observed_digest: str | None
    since: str
    moved_at: str


class DecisionAnswer(_Told):
    """What is to become of an image, and why."""

    reference: str
    verdict: str
    reason: str
    explanation: str
    evidence: list[EvidenceAnswer]
    waits_for: list[str]
    until: str | None
    run_id: str | None


class StepAnswer(_Told):
    """A task of a plan; it starts so many seconds after the first."""

    task: str
    images: list[str]
    level: int
    waits_for: list[str]
    duration_s: float
    starts_s: float


class PlanAnswer(_Told):
    """A wave: its steps in their order, its longest chain, its work, and how long it takes in all."""

    steps: list[StepAnswer]
    critical_path_s: float
    work_s: float
    makespan_s: float
