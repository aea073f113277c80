"""Makes every part of the service out of the settings, each once, when it is first asked for. Runs none."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import cached_property, partial
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from msgspec import to_builtins
from starlette.types import ASGIApp

from graph.clock import now
from graph.staleness import Limits
from rebuild.runs.run import Workplace
from rebuild.runs.table import Runs
from rebuild.runs.uploads import MIB, UploadLimits, Uploads
from rebuild.secrets.task_secrets import TaskSecrets
from rebuild.tasks.due_timers import Missed, Overlap, TimerRules
from tracker.ancestry import Ancestry, trusted_registries
from tracker.api.app import Parts, Phase, build_app
from tracker.api.v1.desk import Desk, Usual
from tracker.events.sender import Sender
from tracker.hooks.sender import HookSender
from tracker.kept_budgets import KeptBudgets
from tracker.metrics import Metrics
from tracker.outbound.announce import Announcer
from tracker.outbound.channel import channels_of
from tracker.outbound.courier import Courier
from tracker.outbound.dispatch import Dispatch
from tracker.outbound.update_trigger import UpdateTriggers
from tracker.pulse import Part, Pulse
from tracker.rebuilder import Rebuilder, Rules
from tracker.registry import POLLING
from tracker.scrape import Scrape
from tracker.service import Supervisor
from tracker.settings.intervals import intervals_of
from tracker.settings.senders import hook_senders_of, senders_of
from tracker.settings.settings import Settings
from tracker.settings.written import Written
from tracker.sources.asking import RepositoryAsker
from tracker.sources.forge_finding import Forges, forges_of
from tracker.sources.hook_receiver import HookReceiver
from tracker.sources.intake import SourceIntake
from tracker.sources.poller import SourcePoller
from tracker.sources.polling import PollRules
from tracker.sources.repository_access import RepositoryAccess
from tracker.sources.repository_server import RepositoryServer
from tracker.sources.status_teller import StatusTeller, TellRules
from tracker.sources.webhooks import Webhooks
from tracker.tasks.saving import Archive
from tracker.timers import TimerClock
from tracker.upkeep import EngineStorage, OldRuns, Report, SentContexts, Upkeep, clock
from tracker.watching.asking_now import AskingNow
from tracker.watching.event_review import EventReview
from tracker.watching.intake import Intake
from tracker.watching.poller import Poller
from tracker.watching.receiver import Receiver
from tracker.watching.tag_watch import TagAsker, TagPoller
from tracker.watching.watch import Asker, Intervals
from tracker.workshop import Workshop, host_platform, pace_at, reaching


class Composition:
    """The parts of one service, and which of them knows which."""

    def __init__(
        self,
        settings: Settings,
        workshop: Workshop,
        place: Workplace,
        metrics: Metrics,
        supervisor: Supervisor,
        phase: Callable[[], Phase],
    ) -> None:
        self._settings = settings
        self._state = workshop.state
        self._workshop = workshop
        self._place = place
        self._metrics = metrics
        self._supervisor = supervisor
        self._phase = phase
        self._sql = workshop.connection
        self._pulse = Pulse()

    @property
    def workers(self) -> Mapping[Part, Callable[[], Coroutine[Any, Any, None]]]:
        """What goes on for as long as the service runs."""
        return {
            Part.REBUILDER: self.rebuilder.work,
            Part.POLLER: self.poller.work,
            Part.RECEIVER: self.receiver.work,
            Part.HOOK_RECEIVER: self.hook_receiver.work,
            Part.TIMERS: self.timers.work,
            Part.SOURCE_POLLER: self.source_poller.work,
            Part.STATUS_TELLER: self.status_teller.work,
            Part.COURIER: self.courier.work,
            Part.TAG_POLLER: self.tag_poller.work,
        }

    @cached_property
    def rebuilder(self) -> Rebuilder:
        watch, rebuild = self._settings.watch, self._settings.rebuild
        rules = Rules(Limits(watch.settle, watch.settle_most, rebuild.retry_delays), rebuild.workers)
        return Rebuilder(self._place, rules, self._metrics, now, beat=self._beat(Part.REBUILDER))

    @cached_property
    def poller(self) -> Poller:
        return Poller(
            self._sql,
            self._asker,
            self._intake,
            self._intervals,
            self._metrics,
            now,
            beat=self._beat(Part.POLLER),
            review=self._before_questions,
        )

    @cached_property
    def tag_poller(self) -> TagPoller:
        asker = TagAsker(self._workshop.client.with_patience(POLLING), now)
        return TagPoller(
            self._sql, asker, self._intake, self._intervals, now, beat=self._beat(Part.TAG_POLLER)
        )

    @cached_property
    def receiver(self) -> Receiver:
        return Receiver(
            self._sql,
            self._asker,
            self._intake,
            self._metrics,
            senders=self._senders,
            now=now,
            beat=self._beat(Part.RECEIVER),
        )

    @cached_property
    def hook_receiver(self) -> HookReceiver:
        return HookReceiver(
            self._sql,
            self.source_intake,
            self._metrics,
            senders=self._hook_senders,
            server=RepositoryServer(self._access),
            now=now,
            beat=self._beat(Part.HOOK_RECEIVER),
        )

    @cached_property
    def source_poller(self) -> SourcePoller:
        beat = self._beat(Part.SOURCE_POLLER)
        return SourcePoller(
            self._sql,
            RepositoryAsker(self._access, self._forges, beat=beat),
            self.source_intake,
            poll_rules_of(self._settings),
            self._metrics,
            now,
            beat=beat,
        )

    @cached_property
    def status_teller(self) -> StatusTeller:
        section = self._settings.sources
        rules = TellRules(section.statuses, section.statuses_tried_for, self._settings.serve.public_url)
        beat = self._beat(Part.STATUS_TELLER)
        return StatusTeller(self._sql, self._forges, self._access, rules, self._metrics, now, beat=beat)

    @cached_property
    def source_intake(self) -> SourceIntake:
        return SourceIntake(self._sql, self.rebuilder, now)

    @cached_property
    def timers(self) -> TimerClock:
        section = self._settings.timers
        return TimerClock(
            self._sql,
            self.rebuilder.wake,
            TimerRules(Missed(section.missed), Overlap(section.overlap)),
            self._metrics,
            now,
            scheduler=self.jobs,
            beat=self._beat(Part.TIMERS),
        )

    @cached_property
    def courier(self) -> Courier:
        channels = channels_of(self._settings.notify)
        updates = UpdateTriggers(self._sql, self._workshop.cipher)
        return Courier(
            self._sql,
            Announcer(channels, self._settings.serve.public_url),
            Dispatch(channels, now, updates).send,
            self._metrics,
            now,
            beat=self._beat(Part.COURIER),
        )

    @cached_property
    def jobs(self) -> AsyncIOScheduler:
        """What comes round at intervals; not started."""
        return clock(
            self._upkeep,
            Report(self._supervisor, self._pulse, self._scrape),
            self._ancestry,
            watchdog_s=self._supervisor.watchdog_s,
            now=now(),
        )

    @cached_property
    def app(self) -> ASGIApp:
        """All that is answered over HTTP."""
        parts = Parts(
            connection=self._sql,
            metrics=self._metrics,
            senders=self._senders,
            arrived=self.receiver.wake,
            hook_senders=self._hook_senders,
            hook_arrived=self.hook_receiver.wake,
            health=self._health,
            phase=self._phase,
            scrape=self._scrape.text,
            now=now,
        )
        return build_app(parts, self._desk)

    @cached_property
    def _forges(self) -> Forges:
        return forges_of(self._settings)

    @cached_property
    def _access(self) -> RepositoryAccess:
        secrets = TaskSecrets(self._sql, self._workshop.cipher)
        return RepositoryAccess(secrets, self._workshop.places(), reaching(self._settings).ssh)

    def _beat(self, part: Part) -> Callable[[], None]:
        return partial(self._pulse.beat, part)

    def _health(self) -> Mapping[str, Any]:
        self._pulse.check()
        silent_s = {part: round(seconds, 1) for part, seconds in self._pulse.silent_s().items()}
        return {"queued": Runs(self._sql).queue().queued, "silent_s": silent_s}

    @cached_property
    def _senders(self) -> Mapping[str, Sender]:
        return senders_of(self._settings.events)

    @cached_property
    def _hook_senders(self) -> Mapping[str, HookSender]:
        return hook_senders_of(self._settings.hooks)

    @cached_property
    def _intervals(self) -> Intervals:
        return intervals_of(self._settings, self._doublings)

    @cached_property
    def _doublings(self) -> dict[str, int]:
        return {}

    def _before_questions(self) -> None:
        self._event_review.go_on()
        self._kept_budgets.go_on()

    @cached_property
    def _kept_budgets(self) -> KeptBudgets:
        return KeptBudgets(self._sql, self._workshop.budgets, partial(pace_at, self._settings), now=now)

    @cached_property
    def _event_review(self) -> EventReview:
        senders = self._senders
        return EventReview(self._sql, self._intervals, self._doublings, senders, self._metrics, now=now)

    @cached_property
    def _asker(self) -> Asker:
        return Asker(self._workshop.client.with_patience(POLLING), self._metrics, now)

    @cached_property
    def _intake(self) -> Intake:
        return Intake(self._sql, self.rebuilder, self._metrics, self._intervals)

    @cached_property
    def _scrape(self) -> Scrape:
        return Scrape(
            self._metrics,
            connect=self._state.read,
            budgets=self._workshop.client.budgets,
            interval_s=self._intervals.longest_of,
            now=now,
        )

    @cached_property
    def _ancestry(self) -> Ancestry:
        client = self._workshop.client.with_patience(POLLING)
        trusted = trusted_registries(self._settings.registries)
        return Ancestry(self._sql, client, connect=self._state.read, trusted=trusted)

    @cached_property
    def _uploads(self) -> Uploads:
        section = self._settings.uploads
        limits = UploadLimits(section.megabytes_most * MIB, section.total_megabytes_most * MIB)
        return Uploads(self._state.uploads, limits)

    @cached_property
    def _upkeep(self) -> Upkeep:
        kept, engine = self._settings.rebuild, self._place.tools.engine
        own = self._settings.engine_storage is not None
        return Upkeep(
            self._sql,
            self.rebuilder,
            old_runs=OldRuns(
                self._sql,
                self._state.logs,
                keep_runs_s=kept.keep_runs,
                keep_logs_s=kept.keep_logs,
                now=now,
            ),
            storage=EngineStorage(engine.prune, now) if own else None,
            sent=SentContexts(self._uploads, Runs(self._sql), keep_s=self._settings.uploads.keep, now=now),
        )

    @cached_property
    def _desk(self) -> Desk:
        return Desk(
            connection=self._sql,
            state=self._state,
            written=Written(to_builtins(self._settings, enc_hook=str)),
            usual=Usual(
                registry=self._settings.registry,
                platform=host_platform(),
                timeout_s=self._settings.rebuild.timeout,
                reproducible=self._settings.rebuild.reproducible,
            ),
            tools=self._place.tools,
            cipher=self._workshop.cipher,
            uploads=self._uploads,
            archive=Archive.of(self._workshop),
            webhooks=Webhooks(self._sql, self._settings, self._forges, self._access, now),
            wake=self.rebuilder.wake,
            ask_now=AskingNow(self._sql, self.tag_poller, self.poller).ask,
            is_stopping=lambda: self._phase() is Phase.STOPPING,
            now=now,
        )


def poll_rules_of(settings: Settings) -> PollRules:
    """Whether and how often each repository is asked."""
    section = settings.sources
    by_host_s = {str(host): one.poll_interval for host, one in settings.forges.items() if one.poll_interval}
    return PollRules(section.poll, section.poll_interval, section.poll_interval_with_webhooks, by_host_s)
