"""Tells forges how the runs of commits go, at least once and the newest state only. Holds no run up."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import Enum

import structlog

from graph.database import immediate
from graph.errors import StoreBusy, TrackerError
from graph.record import dataclass
from rebuild.context.where import Git
from rebuild.sources.commit_statuses import CommitStatuses, Pending
from rebuild.sources.refusals import Refusals, Refused
from rebuild.tasks.task import Task, Tasks, UnknownTask
from rebuild.tasks.task_edit import repository_of
from tracker.forges.address import Address, NoForge, Place
from tracker.forges.fault import ForgeRefused, ForgeUnavailable
from tracker.forges.kind import ForgeKind
from tracker.forges.statuses import status_request
from tracker.lanes import Lanes
from tracker.metrics import Metrics, StatusResult
from tracker.outbound.document import log_url
from tracker.pulse import unheard
from tracker.sources.forge_finding import Forges
from tracker.sources.repository_access import RepositoryAccess
from tracker.sources.status_words import commit_status, is_news

REST_S = 1.0
DUE_MOST = 100
HOSTS_MOST = 16  # told at once
FAILURE_FIRST_S = 10.0  # the pause after a failure; doubles
FAILURE_MOST_S = 600.0
REST_MOST_S = 60.0  # the pause of a forge that failed, for what comes new

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TellRules:
    """What the operator says about telling forges."""

    enabled: bool = True
    tried_for_s: float = 86400.0
    public_url: str | None = None


class _Skipped(Enum):
    """Why nothing is sent."""

    SWITCHED_OFF = "switched off"
    NO_NEWS = "no news"
    NOWHERE = "nowhere"  # the task is gone, or its repository is a folder


@dataclass(frozen=True, slots=True)
class _Errand:
    """One state, and where it is told."""

    one: Pending
    task: Task
    at: Address


class StatusTeller:
    """Owns the table of what forges are to be told."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        forges: Forges,
        access: RepositoryAccess,
        rules: TellRules,
        metrics: Metrics,
        now: Callable[[], datetime],
        *,
        beat: Callable[[], None] = unheard,
    ) -> None:
        self._sql = connection
        self._statuses = CommitStatuses(connection)
        self._forges = forges
        self._access = access
        self._rules = rules
        self._metrics = metrics
        self._now = now
        self._beat = beat
        self._hosts: Lanes[str] = Lanes(now, most=HOSTS_MOST)
        self._host_of: dict[int, str] = {}  # by the numbers of tasks, where their forges are

    async def work(self) -> None:
        """Look, tell, wait; until cancelled. No forge waits for another."""
        async with self._forges.client, asyncio.TaskGroup() as group:
            while True:
                self._beat()
                try:
                    self._start_due(group)
                except StoreBusy as error:  # what is due stays so
                    _warn(error)
                await asyncio.sleep(REST_S)

    async def tell_due(self) -> None:
        """Everything that is due now, once."""
        async with asyncio.TaskGroup() as group:
            self._start_due(group)

    def _start_due(self, group: asyncio.TaskGroup) -> None:
        """What is due of forges that are not being told already. Raises `StoreBusy`."""
        closed = self._hosts.closed
        left_out = [task_id for task_id, host in self._host_of.items() if host in closed]
        due = self._statuses.due(self._now(), DUE_MOST, but_not_of=left_out)
        errands = [errand for errand in map(self._errand, due) if errand is not None]
        self._host_of |= {errand.one.task_id: errand.at.host for errand in errands}
        self._hosts.start(group, errands, of=lambda errand: errand.at.host, work=self._tell_each)

    def _errand(self, one: Pending) -> _Errand | None:
        """None for what nobody is told, which is settled with that."""
        try:
            task = Tasks(self._sql).get(one.task_id)
            context = repository_of(task.definition.context)
            found = self._place(one, task, context) if context and Place.of(context.url) else _Skipped.NOWHERE
        except UnknownTask:
            found = _Skipped.NOWHERE
        except NoForge as error:
            self._refused(one, task, error)
            return None
        if isinstance(found, _Errand):
            return found
        with immediate(self._sql):
            (self._statuses.told if found is _Skipped.NO_NEWS else self._statuses.drop)(one)
        return None

    def _place(self, one: Pending, task: Task, context: Git) -> _Errand | _Skipped:
        at = self._forges.address(context, provider=one.provider)
        section = self._forges.section(at.host)
        if not (self._rules.enabled if section.statuses is None else section.statuses):
            return _Skipped.SWITCHED_OFF
        return _Errand(one, task, at) if is_news(one, at.kind) else _Skipped.NO_NEWS

    async def _tell_each(self, host: str, errands: Sequence[_Errand]) -> None:
        """One after the other. A forge that cannot be had now is not asked for the others either."""
        try:
            for place, errand in enumerate(errands):
                self._beat()
                try:
                    await self._tell(errand)
                except ForgeUnavailable as error:
                    self._put_off(errands[place:], error)
                    self._hosts.rest(host, _rests_until(errand.one.attempts, error, self._now()))
                    return
                except TrackerError as error:
                    self._refused(errand.one, errand.task, error)
                else:
                    self._note_told(errand)
        except StoreBusy as error:  # what was told is told again
            _warn(error)

    async def _tell(self, errand: _Errand) -> None:
        """Raises `TrackerError`."""
        login = await self._access.login(errand.task)
        link = log_url(self._rules.public_url, errand.one.run_id)
        request = status_request(errand.at, commit_status(errand.one, errand.task.name, link))
        if login is None:
            raise ForgeRefused(
                f"{errand.at.host}: the task has no token to tell how its runs go",
                hint=f"give it one with --git-access-token; it needs {request.needs}",
            )
        try:
            await self._forges.client.ask(errand.at.kind, errand.at.host, request, login)
        except ForgeRefused as error:
            if not _is_known_to_gitlab(errand.at.kind, error):
                raise

    def _note_told(self, errand: _Errand) -> None:
        with immediate(self._sql):
            self._statuses.told(errand.one)
            Refusals(self._sql).clear(errand.task.task_id, Refused.STATUSES)
        self._metrics.commit_statuses.labels(StatusResult.TOLD).inc()

    def _put_off(self, errands: Sequence[_Errand], error: ForgeUnavailable) -> None:
        at, given_up = self._now(), 0
        with immediate(self._sql):
            for errand in errands:
                due_at = _due_at(errand.one.attempts, error.retry_after_s, at)
                since_at = errand.one.since_at or at
                if (due_at - since_at).total_seconds() > self._rules.tried_for_s:
                    self._statuses.drop(errand.one)
                    given_up += 1
                else:
                    self._statuses.put_off(errand.one, due_at, at)
        self._metrics.commit_statuses.labels(StatusResult.PUT_OFF).inc(len(errands) - given_up)
        self._metrics.commit_statuses.labels(StatusResult.GIVEN_UP).inc(given_up)
        log.warning(
            "a forge cannot be told how runs go",
            error=error.message,
            statuses=len(errands),
            given_up=given_up,
        )

    def _refused(self, one: Pending, task: Task, error: TrackerError) -> None:
        """Said once; the next state is tried all the same, for the token may be another by then."""
        with immediate(self._sql):
            self._statuses.drop(one)
            is_news = Refusals(self._sql).note(
                task.task_id, Refused.STATUSES, error.message, error.hint, self._now()
            )
        self._metrics.commit_statuses.labels(StatusResult.REFUSED).inc()
        if is_news:
            log.warning("commit statuses are refused", task=task.name, error=error.message, hint=error.hint)


def _warn(error: StoreBusy) -> None:
    log.warning("cannot note what forges were told", error=error.message)


def _due_at(attempts: int, retry_after_s: float | None, at: datetime) -> datetime:
    pause_s = min(FAILURE_FIRST_S * 2 ** min(attempts, 10), FAILURE_MOST_S)
    return at + timedelta(seconds=max(pause_s, retry_after_s or 0.0))


def _rests_until(attempts: int, error: ForgeUnavailable, at: datetime) -> datetime:
    """When a forge may be told anything again; one that names a time is taken by its word."""
    due_at = _due_at(attempts, error.retry_after_s, at)
    named_s = error.retry_after_s or 0.0
    return min(due_at, at + timedelta(seconds=max(REST_MOST_S, named_s)))


def _is_known_to_gitlab(kind: ForgeKind, error: ForgeRefused) -> bool:
    """GitLab refuses a state that the commit has already, as after an answer that was lost."""
    return kind is ForgeKind.GITLAB and "Cannot transition status" in error.message
