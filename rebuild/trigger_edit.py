"""From what somebody asks of triggers to the triggers of a task. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from graph.errors import WrongUse
from rebuild.task_edit import repository_of
from rebuild.triggers import (
    BaseImageTrigger,
    Bases,
    Payload,
    SourceTrigger,
    check_base_image,
    check_trigger_name,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImageAsked:
    """What is said of the base-image trigger; None: nothing. An empty endpoint clears."""

    name: str | None = None
    enabled: bool | None = None
    bases: Bases | None = None
    endpoint: str | None = None
    payload: Payload | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAsked:
    """What is said of the source trigger; None: nothing."""

    name: str | None = None
    commits: bool | None = None
    pull_requests: bool | None = None


def base_image_trigger(asked: BaseImageAsked, old: BaseImageTrigger) -> BaseImageTrigger:
    """Raises `WrongUse`."""
    new = BaseImageTrigger(
        name=asked.name or old.name,
        enabled=old.enabled if asked.enabled is None else asked.enabled,
        bases=asked.bases or old.bases,
        endpoint=old.endpoint if asked.endpoint is None else asked.endpoint or None,
        payload=asked.payload or old.payload,
    )
    check_base_image(new)
    return new


def source_trigger(context: str, asked: SourceAsked, old: SourceTrigger | None) -> SourceTrigger | None:
    """The trigger that fits the context: None where that is no git repository, or nothing is to be heard.

    The branch is that of the context; without one it is the default branch, whatever its name.
    """
    repository = repository_of(context)
    if repository is None:
        if asked.commits or asked.pull_requests:
            raise WrongUse(
                f"context {context!r} is no git repository, so it has no commits and no pull requests",
                hint="leave the source trigger out, or name a repository",
            )
        return None
    before = old or SourceTrigger()
    new = replace(
        before,
        name=check_trigger_name(asked.name or before.name),
        commits=before.commits if asked.commits is None else asked.commits,
        pull_requests=before.pull_requests if asked.pull_requests is None else asked.pull_requests,
        branch=repository.ref,
    )
    return new if new.commits or new.pull_requests else None


def changed_source_trigger(
    context: str, asked: SourceAsked, old: SourceTrigger | None, old_context: str
) -> SourceTrigger | None:
    """As `source_trigger`, for a task that is there: one whose trigger was taken away gets none by itself."""
    if old is None and repository_of(old_context) is not None:
        if not asked.commits and not asked.pull_requests:
            return None
        old = SourceTrigger(commits=False)
    return source_trigger(context, asked, old)
