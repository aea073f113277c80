"""What there is to tell of the end of a run, and who wants to be told. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, assert_never

from graph.record import dataclass
from rebuild.runs.record import Cause, Status

if TYPE_CHECKING:  # the settings, which every build reads, take the words from here
    from tracker.views.runs import RunRow

_BY_A_BASE = (Cause.BASE_IMAGE, Cause.UPSTREAM)  # tried again by itself until it works


class Notice(StrEnum):
    """What one may be told of."""

    FAILED = "failed"  # a run did not go well
    RECOVERED = "recovered"  # one went well whose task had failed before
    SUCCEEDED = "succeeded"
    WAVE = "wave"  # a wave is over and has rebuilt something


USUAL = (Notice.FAILED, Notice.RECOVERED, Notice.WAVE)
# Who builds at a terminal sees how it goes, and forges are told of pull requests.
USUAL_CAUSES = tuple(cause for cause in Cause if cause not in (Cause.QUICK, Cause.PULL_REQUEST))


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that is over, with what there is to tell of it by itself."""

    run: RunRow
    notices: frozenset[Notice] = frozenset()


@dataclass(frozen=True, slots=True)
class EndedWave:
    """A wave with its runs that nobody was told of, of each task the last. It began with `planned` tasks. One
    that is not over waits for another try of what failed, perhaps for hours."""

    number: int
    created_at: str
    finished_at: str | None
    planned: int
    runs: tuple[Ended, ...]


@dataclass(frozen=True, slots=True)
class Wants:
    """What somebody wants to be told of."""

    on: frozenset[Notice] = frozenset(USUAL)
    tasks: tuple[str, ...] = ()  # patterns of names; none: all, and runs without a task
    causes: frozenset[Cause] = frozenset(USUAL_CAUSES)

    def concerns(self, run: RunRow) -> bool:
        """Whether it is a run of the tasks and causes at all."""
        named = not self.tasks or any(fnmatchcase(run.task or "", pattern) for pattern in self.tasks)
        return named and Cause(run.cause) in self.causes

    def includes(self, ended: Ended) -> bool:
        """Whether a run that belongs to no wave is told."""
        return self.concerns(ended.run) and not self.on.isdisjoint(ended.notices)

    def part_of(self, wave: EndedWave) -> tuple[Ended, ...]:
        """The runs of a wave to tell of, in one message; none: it is not told."""
        part = tuple(ended for ended in wave.runs if self.concerns(ended.run))
        return () if self.on.isdisjoint(notices_of_wave(part)) else part


def notices_of(run: RunRow, before: RunRow | None) -> frozenset[Notice]:
    """What there is to tell of a run; `before` is the last one of its task that came to an end of its own."""
    match run.status:
        case Status.SUCCEEDED:
            was_failed = before is not None and before.status is not Status.SUCCEEDED
            return frozenset({Notice.SUCCEEDED, *([Notice.RECOVERED] if was_failed else [])})
        case Status.FAILED | Status.ERROR | Status.TIMEOUT:
            return frozenset() if _is_retry(run, before) else frozenset({Notice.FAILED})
        case Status.CANCELED | Status.QUEUED | Status.STARTED | Status.RUNNING:
            return frozenset()
        case _:
            assert_never(run.status)


def notices_of_wave(runs: Iterable[Ended]) -> frozenset[Notice]:
    """All that its runs tell, and that it has rebuilt something."""
    told = frozenset(notice for ended in runs for notice in ended.notices)
    return told | {Notice.WAVE} if Notice.SUCCEEDED in told else told


def _is_retry(run: RunRow, before: RunRow | None) -> bool:
    """Whether it failed for the same commit or bases as before: that was told."""
    if before is None or before.status in (Status.SUCCEEDED, Status.CANCELED):
        return False
    if run.cause == Cause.COMMIT and (commits := _commits_of(run)):
        return _commits_of(before) == commits
    return run.cause in _BY_A_BASE and _bases_of(before) == _bases_of(run)


def _commits_of(run: RunRow) -> frozenset[tuple[str, str]]:
    return frozenset((told["subject"], told["commit"]) for told in run.reason if "commit" in told)


def _bases_of(run: RunRow) -> frozenset[tuple[str, ...]]:
    return frozenset(
        (told["base"], str(told["platform"]), str(told["to"])) for told in run.reason if "base" in told
    )
