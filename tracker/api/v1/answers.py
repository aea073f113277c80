"""What the API tells of runs and tasks, field by field. Reads nothing."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Output(BaseModel):
    """An image that a run left in a registry; runs of older versions tell its name and digest alone."""

    reference: str
    digest: str
    registry: str | None = None
    repository: str | None = None
    tag: str | None = None
    platforms: dict[str, str] = {}  # the digest of each platform's own manifest


class BaseUsed(BaseModel):
    """A base that a build of the run took something from, and the digest that it used."""

    reference: str
    digest: str


class RunAnswer(BaseModel):
    """A run; times are UTC, ISO 8601. `task` is null for a quick one, `log_bytes` is as far as it came."""

    run_id: str
    task: str | None
    platform: str
    status: str
    cause: str
    reason: list[dict[str, Any]]
    images: list[str]
    outputs: list[Output]
    error: str | None
    hint: str | None
    attempt: int
    created_at: str
    started_at: str | None
    finished_at: str | None
    duration_s: float | None


class RunStep(BaseModel):
    """A step of a task file that is over, or was skipped: Succeeded, Failed, Skipped, Canceled."""

    id: str
    kind: str
    status: str
    started_at: str | None
    finished_at: str | None
    exit_code: int | None
    tries: int


class WholeRun(RunAnswer):
    """The same with what its builds used, and its steps as far as they are over; `pushed` is false where the
    registry held the same already."""

    steps: list[RunStep]
    bases: list[BaseUsed]
    pushed: bool
    log_bytes: int


class ContextAnswer(BaseModel):
    """An uploaded context; `context` is what a request for a run names it by."""

    context: str
    bytes: int
    sha256: str


class TaskAnswer(BaseModel):
    """A saved task. Secrets are told by name and source, never by value. `being_scanned`: its files are still
    being fetched, to find the bases that are to be watched before its first run."""

    name: str
    enabled: bool
    triggers: str
    being_scanned: bool
    definition: dict[str, Any]
    secrets: list[dict[str, str]]


class WebhookAnswer(BaseModel):
    """A webhook of the repository whose page is `web`, and what the forge calls by it."""

    web: str
    url: str
    is_new: bool


class SavedTask(TaskAnswer):
    """A task as it was saved: so many bases are `watched`, and `unknown` says which could not be found out
    yet, and why. `unregistered_webhook` is the repository whose webhook does not call any more."""

    watched: int
    unknown: list[str]
    registered_webhook: WebhookAnswer | None = None
    unregistered_webhook: str | None = None


class Left(BaseModel):
    """What stays of a task that is gone: its webhook, and why."""

    warning: str
    hint: str | None = None


class TimerAnswer(BaseModel):
    """A timer; `next_at` is null while it rests."""

    name: str
    schedule: str
    enabled: bool
    time_zone: str
    next_at: str | None
    fired_at: str | None


class CredentialAnswer(BaseModel):
    """Who a task is to one registry: sources, or `opaque` for a value."""

    registry: str
    username: str | None
    password: str
    updated_at: str


class Alteration(BaseModel):
    """A property of a task; null where there is none."""

    before: Any
    after: Any


class DifferenceAnswer(BaseModel):
    """What becomes of a task: create, change, remove or keep; and each property that changes."""

    name: str
    action: str
    changes: dict[str, Alteration]


class ApplyAnswer(BaseModel):
    """By task; `unknown` says of which bases could not be found out yet, and why, `left` what stays of tasks
    that are gone."""

    differences: list[DifferenceAnswer]
    unknown: dict[str, list[str]]
    left: list[Left] = []


class TokenAnswer(BaseModel):
    """A token, without its text."""

    name: str
    scopes: list[str]
    created_at: str
    last_used_at: str | None
    expires_at: str | None


class MadeToken(BaseModel):
    """A new token, with its text this once."""

    token: TokenAnswer
    text: str


class ServiceAnswer(BaseModel):
    """Who answers, and what the caller may."""

    version: str
    caller: str
    scopes: list[str]
    takes_folders: bool
    upload_bytes_most: int
