"""From what somebody asks of triggers to the triggers of a task. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.sources.match import check_filters
from rebuild.tasks.task_edit import repository_of
from rebuild.tasks.triggers import (
    BaseImageTrigger,
    Bases,
    Payload,
    SourceFilters,
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
    syntax: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAsked:
    """What is said of the source trigger; None: nothing. Of patterns all are said together."""

    name: str | None = None
    commits: bool | None = None
    pull_requests: bool | None = None
    branches: Sequence[str] | None = None
    tags: Sequence[str] | None = None
    paths: Sequence[str] | None = None
    targets: Sequence[str] | None = None
    forks: bool | None = None

    @property
    def wants_any(self) -> bool:
        """Whether something is to be heard by it."""
        return bool(self.commits or self.pull_requests or self.tags)


def base_image_trigger(asked: BaseImageAsked, old: BaseImageTrigger) -> BaseImageTrigger:
    """Raises `WrongUse`."""
    new = BaseImageTrigger(
        name=asked.name or old.name,
        enabled=old.enabled if asked.enabled is None else asked.enabled,
        bases=asked.bases or old.bases,
        endpoint=old.endpoint if asked.endpoint is None else asked.endpoint or None,
        payload=asked.payload or old.payload,
        syntax=old.syntax if asked.syntax is None else asked.syntax,
    )
    check_base_image(new)
    return new


def source_trigger(context: str, asked: SourceAsked, old: SourceTrigger | None) -> SourceTrigger | None:
    """The trigger that fits the context: None where that is no git repository, or nothing is to be heard.

    The branch is that of the context; without one it is the default branch, whatever its name.
    """
    repository = repository_of(context)
    if repository is None:
        if asked.wants_any:
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
        filters=_filters(asked, before.filters),
    )
    return new if new.commits or new.pull_requests or new.filters.tags else None


def _filters(asked: SourceAsked, old: SourceFilters) -> SourceFilters:
    """An empty pattern clears what was there."""

    def patterns(said: Sequence[str] | None, kept: tuple[str, ...]) -> tuple[str, ...]:
        return kept if said is None else tuple(dict.fromkeys(filter(None, said)))

    return check_filters(
        SourceFilters(
            branches=patterns(asked.branches, old.branches),
            tags=patterns(asked.tags, old.tags),
            paths=patterns(asked.paths, old.paths),
            targets=patterns(asked.targets, old.targets),
            forks=old.forks if asked.forks is None else asked.forks,
        )
    )


def changed_source_trigger(
    context: str, asked: SourceAsked, old: SourceTrigger | None, old_context: str
) -> SourceTrigger | None:
    """As `source_trigger`, for a task that is there: one whose trigger was taken away gets none by itself."""
    if old is None and repository_of(old_context) is not None:
        if not asked.wants_any:
            return None
        old = SourceTrigger(commits=False)
    return source_trigger(context, asked, old)
