"""Whether an event of a repository is for a task, and what the task is then to build. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.context.fault import ContextError
from rebuild.context.ignore import Rules, Verdict
from rebuild.runs.definition import Revision
from rebuild.runs.record import Cause
from rebuild.sources.event import Happening, SourceEvent
from rebuild.sources.repository_url import is_same_repository
from rebuild.tasks.triggers import SourceFilters, SourceTrigger

_SKIP = re.compile(r"\[(?:skip[ -]ci|ci[ -]skip)\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unwanted:
    """Why an event starts nothing."""

    reason: str


def is_of(event: SourceEvent, context: str) -> bool:
    """Whether the event is of the repository of the context."""
    return any(is_same_repository(url, context) for url in event.urls)


def follows(event: SourceEvent, trigger: SourceTrigger) -> Unwanted | None:
    """Whether the trigger looks at what moved: its branch, tag or pull request. None: it does."""
    match event.happening:
        case Happening.PUSH:
            return _of_branch(event, trigger)
        case Happening.TAG:
            return _of_tag(event, trigger)
        case Happening.PULL_REQUEST:
            return _of_pull_request(event, trigger)


def wants(event: SourceEvent, trigger: SourceTrigger) -> Unwanted | None:
    """Of what it looks at: whether the trigger wants this commit. None: it does."""
    if found := _SKIP.search(event.message):
        return Unwanted(f"the message of the commit says {found[0]}")
    if event.happening is not Happening.TAG and not _touches(event.paths, trigger.filters.paths):
        return Unwanted("nothing that changed is among its paths")
    return None


def needs_default_branch(event: SourceEvent, trigger: SourceTrigger) -> bool:
    """Whether nobody can tell without the name of the repository's default branch."""
    filters = trigger.filters
    named = trigger.branch or filters.branches
    match event.happening:
        case Happening.PUSH:
            return trigger.commits and not named and event.default_branch is None
        case Happening.TAG:
            return False
        case Happening.PULL_REQUEST:
            unsaid = not named and not filters.targets
            return trigger.pull_requests and unsaid and event.default_branch is None


def cause_of(event: SourceEvent) -> Cause:
    return Cause.PULL_REQUEST if event.happening is Happening.PULL_REQUEST else Cause.COMMIT


def revision_of(event: SourceEvent) -> Revision:
    """What of the event a run has to know."""
    if event.happening is Happening.TAG:
        return Revision(event.commit, tag=event.ref)
    if event.pull is None:
        return Revision(event.commit, branch=event.ref)
    pull = event.pull
    return Revision(
        event.commit,
        branch=pull.head or None,
        pull=pull.number,
        target=pull.base or None,
        from_fork=pull.from_fork,
    )


def check_filters(filters: SourceFilters) -> SourceFilters:
    """Raises `WrongUse` for a pattern that is none."""
    for patterns in (filters.branches, filters.tags, filters.paths, filters.targets):
        if len(patterns) > 100 or any(not 0 < len(pattern) <= 500 for pattern in patterns):
            raise WrongUse(
                "a source trigger has more than 100 patterns, or one that is empty or too long",
                hint="write fewer and shorter ones: '**' stands for any folders",
            )
        try:
            _rules(patterns)
        except ContextError as error:
            raise WrongUse(error.message, hint=error.hint) from None
    return filters


def _of_branch(event: SourceEvent, trigger: SourceTrigger) -> Unwanted | None:
    if not trigger.commits:
        return Unwanted("commits do not start it")
    return _among(event.ref, trigger.filters.branches, trigger, event, "branch")


def _of_tag(event: SourceEvent, trigger: SourceTrigger) -> Unwanted | None:
    if not trigger.filters.tags:
        return Unwanted("tags do not start it")
    fits = _fits(event.ref, trigger.filters.tags)
    return None if fits else Unwanted(f"tag {event.ref} is none of its tags")


def _of_pull_request(event: SourceEvent, trigger: SourceTrigger) -> Unwanted | None:
    pull = event.pull
    if pull is None or not trigger.pull_requests:
        return Unwanted("pull requests do not start it")
    if pull.from_fork and not trigger.filters.forks:
        return Unwanted("pull requests from forks do not start it")
    patterns = trigger.filters.targets or trigger.filters.branches
    return _among(pull.base, patterns, trigger, event, "target branch")


def _among(
    branch: str, patterns: Sequence[str], trigger: SourceTrigger, event: SourceEvent, what: str
) -> Unwanted | None:
    if patterns:
        return None if _fits(branch, patterns) else Unwanted(f"{what} {branch} is none of its branches")
    wanted = trigger.branch.removeprefix("refs/heads/") if trigger.branch else event.default_branch
    if wanted is None:
        return Unwanted("the default branch of the repository is not known")
    return None if branch == wanted else Unwanted(f"{what} {branch} is not {wanted}")


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return _rules(tuple(patterns)).judge(name, None).ignored


def _touches(paths: frozenset[str] | None, patterns: Sequence[str]) -> bool:
    if not patterns or paths is None:
        return True
    rules = _rules(tuple(patterns))
    return any(_is_chosen(path, rules) for path in paths)


def _is_chosen(path: str, rules: Rules) -> bool:
    """By a pattern for the path, or for a folder that it lies in."""
    verdict: Verdict | None = None
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        verdict = rules.judge("/".join(parts[:count]), verdict)
    return verdict is not None and verdict.ignored


@lru_cache(maxsize=256)
def _rules(patterns: tuple[str, ...]) -> Rules:
    """Exceptions alone are exceptions from all there is."""
    only_exceptions = all(pattern.startswith("!") for pattern in patterns)
    cleaned = [_cleaned(pattern) for pattern in patterns]
    return Rules(["**", *cleaned] if only_exceptions else cleaned, place="patterns of the source trigger")


def _cleaned(pattern: str) -> str:
    mark = "!" if pattern.startswith("!") else ""
    return mark + pattern.removeprefix("!").strip("/")
