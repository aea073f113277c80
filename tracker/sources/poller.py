"""Asks the repositories of source triggers for their refs, round after round. Decides no run."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import structlog

from graph.database import immediate
from graph.errors import StoreBusy, TrackerError
from rebuild.context.fault import ContextError
from rebuild.context.refs import is_of_host, is_too_often
from rebuild.sources.heads import kinds_wanted
from rebuild.sources.refusals import Refusals, Refused
from rebuild.sources.repositories import Follower, Repositories, Watched, followers
from rebuild.sources.wishes import Asked, Effect
from rebuild.tasks.task import Tasks
from tracker.lanes import Lanes
from tracker.metrics import Metrics, PollResult
from tracker.pulse import unheard
from tracker.sources.asking import RepositoryAsker, Told
from tracker.sources.intake import SourceIntake
from tracker.sources.polling import (
    PollRules,
    as_settled,
    due_after_failure,
    due_after_start,
    heard,
    next_due,
)

REST_S = 1.0
SYNC_EVERY_S = 5.0  # how soon a new task's repository is looked at
DUE_MOST = 500
HOSTS_MOST = 16  # asked at once, each by processes of git
ASKERS_A_HOST = 4

log = structlog.get_logger()


class SourcePoller:
    """Level-triggered: whatever a webhook did not tell, a look finds."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        asker: RepositoryAsker,
        intake: SourceIntake,
        rules: PollRules,
        metrics: Metrics,
        now: Callable[[], datetime],
        *,
        beat: Callable[[], None] = unheard,
    ) -> None:
        self._sql = connection
        self._repositories = Repositories(connection)
        self._asker = asker
        self._intake = intake
        self._rules = rules
        self._metrics = metrics
        self._now = now
        self._beat = beat
        self._hosts: Lanes[str] = Lanes(now, most=HOSTS_MOST)
        self._followers: dict[str, list[Follower]] = {}
        self._saved_at: dict[str, datetime] = {}  # by URL, when a task of it was saved last
        self._synced_at: datetime | None = None
        self._synced_tasks: object = None  # tells one state of the table of tasks from the next

    async def work(self) -> None:
        """Ask what is due until cancelled; no host waits for the answer of another."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._beat()
                if self._rules.enabled:
                    try:
                        self._sync_at_times()
                    except StoreBusy as error:
                        log.warning("cannot note which repositories are looked at", error=error.message)
                    self._start_due(group)
                await asyncio.sleep(REST_S)

    def sync(self) -> None:
        """Know the repositories that tasks look at now; a new one is due at once."""
        groups = followers(self._sql)
        self._followers = {
            url: group for url, group in groups.items() if kinds_wanted(one.trigger for one in group)
        }
        known = self._repositories.known()
        new, gone = self._followers.keys() - known, known - self._followers.keys()
        if new or gone:
            with immediate(self._sql):
                self._repositories.forget(gone)
                for url in new:
                    self._repositories.add(url, self._now())
        if self._synced_at is None:
            self._ask_soon_what_was_put_off()
        self._ask_anew_what_changed()
        self._synced_at = self._now()

    def _ask_anew_what_changed(self) -> None:
        """Whoever changes a task, or starts the service, may have mended what kept a repository silent."""
        tasks = Tasks(self._sql)
        saved = {
            url: max(tasks.times(one.task.task_id)[1] for one in group)
            for url, group in self._followers.items()
        }
        if self._synced_at is None:
            changed = [*saved]
        else:
            changed = [url for url, at in self._saved_at.items() if url in saved and saved[url] > at]
        self._saved_at = saved
        if changed:
            with immediate(self._sql):
                self._repositories.ask_failed(changed, self._now())

    def _ask_soon_what_was_put_off(self) -> None:
        at = self._now()
        with immediate(self._sql):
            for host in self._repositories.hosts():
                usually = at + timedelta(seconds=self._rules.of_host(host))
                for watched in self._repositories.put_off(host, later_than=usually):
                    self._repositories.schedule(watched, due_after_start(host, self._rules, at))

    async def ask_due(self) -> None:
        """Everything that is due now, once."""
        async with asyncio.TaskGroup() as group:
            self._start_due(group)

    def _start_due(self, group: asyncio.TaskGroup) -> None:
        """What is due of hosts that are not being asked already."""
        due = self._repositories.due(self._now(), DUE_MOST, but_not_of=self._hosts.closed)
        self._hosts.start(group, due, of=lambda watched: watched.host, work=self._ask_host)

    async def _ask_host(self, host: str, due: Sequence[Watched]) -> None:
        """A few of its repositories side by side."""
        waiting = iter(due)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(ASKERS_A_HOST):
                    group.create_task(self._ask_each(waiting))
        except* StoreBusy as busy:  # what was asked is still due
            log.warning("cannot note what repositories told", error=str(busy.exceptions[0]))

    def _sync_at_times(self) -> None:
        """Not where no task was saved or deleted since: reading a thousand takes a quarter of a second."""
        at = self._now()
        if self._synced_at is not None and abs((at - self._synced_at).total_seconds()) < SYNC_EVERY_S:
            return
        tasks = self._sql.execute("SELECT count(*), max(id), max(updated_at) FROM tasks").fetchone()
        if tasks == self._synced_tasks:
            self._synced_at = at
            return
        self.sync()
        self._synced_tasks = tasks

    async def _ask_each(self, waiting: Iterator[Watched]) -> None:
        """Those of one host, shared with its other askers. The first that finds it down asks no more."""
        for watched in waiting:
            self._beat()
            group = self._followers.get(watched.url)
            if group is None:  # since it was due, its last task has gone
                continue
            try:
                before = self._repositories.heads(watched)
                told = await self._asker.ask(watched, group, before, self._now())
            except TrackerError as error:
                if self._note_failure(watched, error):
                    for _ in waiting:  # the host is spared: nobody asks it for the others of this round
                        pass
            else:
                self._note_answer(watched, group, told)

    def _note_answer(self, watched: Watched, group: Sequence[Follower], told: Told) -> None:
        at = self._now()

        def settle(asked: Sequence[Asked]) -> None:
            if not self._repositories.has(watched):  # its last task has gone meanwhile
                return
            before = self._repositories.heads(watched)
            heads = as_settled(told.heads, before, _late(told, asked))
            if heads != before or watched.kinds != told.kinds:
                self._repositories.set_heads(watched, heads)
            self._repositories.answered(watched, told.kinds, at)
            self._repositories.schedule(watched, next_due(watched, self._rules, at))
            self._note_heard(watched, asked)
            self._note_refusal(group, told, at)

        self._intake.take(told.events, settle)
        result = PollResult.CHANGED if told.events else PollResult.UNCHANGED
        self._metrics.repository_polled(watched.host, result)

    def _note_heard(self, watched: Watched, asked: Sequence[Asked]) -> None:
        found = heard(watched, asked)
        if found.confirmed != watched.confirmed or found.missed:
            self._repositories.count(watched, confirmed=found.confirmed, missed=found.missed)
        if found.missed:
            self._metrics.source_events_missed.inc(found.missed)
            log.warning("webhooks did not tell of changes", url=watched.url, changes=found.missed)

    def _note_refusal(self, group: Sequence[Follower], told: Told, at: datetime) -> None:
        refusals = Refusals(self._sql)
        for one in group:
            if not one.trigger.pull_requests or told.refusal is None:
                if told.events and one.trigger.pull_requests:
                    refusals.clear(one.task.task_id, Refused.PULL_REQUESTS)
                continue
            fault = told.refusal
            if refusals.note(one.task.task_id, Refused.PULL_REQUESTS, fault.message, fault.hint, at):
                log.warning("pull requests are not polled", task=one.task.name, error=fault.message)

    def _note_failure(self, watched: Watched, error: TrackerError) -> bool:
        """Whether it is a failure of the host."""
        at = self._now()
        is_down = isinstance(error, ContextError) and is_of_host(error) and watched.host != ""
        too_often = isinstance(error, ContextError) and is_too_often(error)
        with immediate(self._sql):
            failures = self._repositories.failures_of_host(watched.host) if is_down else watched.failures
            due_at = due_after_failure(failures, self._rules, at, too_often=too_often)
            self._repositories.failed(watched, error.message, error.hint, is_host_down=is_down)
            self._repositories.schedule(watched, due_at)
            if is_down:
                self._repositories.spare_host(watched.host, due_at)
        limited = PollResult.RATE_LIMITED if too_often else PollResult.UNAVAILABLE
        self._metrics.repository_polled(watched.host, limited if is_down else PollResult.REFUSED)
        log.warning("a repository does not tell its refs", url=watched.url, error=error.message)
        return is_down


def _late(told: Told, asked: Sequence[Asked]) -> Iterator[str]:
    """The refs of which something newer was heard while they were asked for."""
    late = {(one.subject, one.commit) for one in asked if one.effect is Effect.LATE}
    for event in told.events:
        if (event.subject, event.commit) in late and event.full_ref is not None:
            yield event.full_ref
