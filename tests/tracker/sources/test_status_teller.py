"""Forges hear how the runs of commits go: the newest state, at least once, and nothing more than that."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from graph.database import immediate
from rebuild.runs.definition import Definition, DockerStep, Revision
from rebuild.runs.table import Cause, Run, Runs, Status
from rebuild.secrets.secret_reader import Places
from rebuild.secrets.secret_source import FromEnvironment
from rebuild.secrets.task_secrets import SecretUse, TaskSecrets
from rebuild.sources.commit_statuses import CommitStatuses
from rebuild.sources.refusals import Refusals
from rebuild.tasks.stored_task import no_cipher
from rebuild.tasks.task import Task, Tasks
from tests.fake_forges import COMMIT, TOKEN, FakeForge, fake_forge
from tests.graph_samples import AMD64, Sample
from tests.silent_host import SilentHost, silent_host
from tracker.forges.client import ForgeClient
from tracker.forges.kind import ForgeKind
from tracker.metrics import Metrics
from tracker.settings.sources import ForgeSection
from tracker.settings.values import BaseUrl
from tracker.sources.forge_finding import Forges
from tracker.sources.repository_access import RepositoryAccess
from tracker.sources.status_teller import DUE_MOST, StatusTeller, TellRules

pytestmark = pytest.mark.anyio

OTHER = "f" * 40
REASON = {"provider": "github", "subject": "heads/main"}


@dataclass
class Rig:
    """One task on one forge, and whoever tells the forge of it."""

    sample: Sample
    forge: FakeForge
    rules: TellRules = field(default_factory=TellRules)
    section: ForgeSection = field(default_factory=ForgeSection)
    at: datetime = field(init=False)
    metrics: Metrics = field(default_factory=Metrics)
    client: ForgeClient = field(default_factory=ForgeClient)

    def __post_init__(self) -> None:
        self.at = self.sample.at
        section = ForgeSection(kind=self.forge.kind, api=BaseUrl(self.forge.api))
        self.section = replace_section(self.section, section)

    @property
    def host(self) -> str:
        return self.forge.url.removeprefix("http://")

    @property
    def teller(self) -> StatusTeller:
        forges = Forges(self.client, {self.host: self.section})
        places = Places(environment={"FORGE_TOKEN": TOKEN})
        access = RepositoryAccess(TaskSecrets(self.sample.sql, no_cipher), places)
        return StatusTeller(self.sample.sql, forges, access, self.rules, self.metrics, lambda: self.at)

    async def tell(self) -> list[str]:
        """All states that the forge knows afterwards."""
        await self.teller.tell_due()
        return self.forge.states

    def task(self, name: str = "web", *, with_token: bool = True) -> Task:
        definition = Definition(f"{self.forge.clone_url}#main", DockerStep(), AMD64)
        with immediate(self.sample.sql):
            task = Tasks(self.sample.sql).save(name, definition, self.at)
            if with_token:
                secrets = TaskSecrets(self.sample.sql, no_cipher)
                secrets.set(task.task_id, SecretUse.GIT, "", FromEnvironment("FORGE_TOKEN"), self.at)
        return task

    def run(self, task: Task, commit: str = COMMIT) -> Run:
        definition = replace(task.definition, revision=Revision(commit, branch="main"))
        with immediate(self.sample.sql):
            return Runs(self.sample.sql).add(
                definition, Cause.COMMIT, self.at, task_id=task.task_id, reason=[REASON]
            )

    def start(self, run: Run) -> None:
        with immediate(self.sample.sql):
            Runs(self.sample.sql).claim(self.at, "a process", run_id=run.run_id)
            Runs(self.sample.sql).set_running(run)

    def finish(self, run: Run, status: Status) -> None:
        with immediate(self.sample.sql):
            Runs(self.sample.sql).finish(run, status, self.at + timedelta(seconds=90))

    def waiting(self) -> int:
        return CommitStatuses(self.sample.sql).waiting()

    def count(self, result: str) -> float | None:
        return self.metrics.registry.get_sample_value("tracker_commit_statuses_total", {"result": result})


def replace_section(given: ForgeSection, usual: ForgeSection) -> ForgeSection:
    return ForgeSection(given.kind or usual.kind, given.api or usual.api, statuses=given.statuses)


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = Sample.make(tmp_path)
    yield made
    made.sql.close()


@contextlib.asynccontextmanager
async def rig(
    sample: Sample,
    kind: ForgeKind = ForgeKind.GITHUB,
    rules: TellRules | None = None,
    section: ForgeSection | None = None,
) -> AsyncIterator[Rig]:
    with fake_forge(kind) as forge:
        made = Rig(sample, forge, rules or TellRules(), section or ForgeSection())
        async with made.client:
            yield made


async def test_a_run_is_told_from_its_queue_to_its_end(sample: Sample) -> None:
    async with rig(sample, ForgeKind.GITLAB) as made:
        run = made.run(made.task())
        await made.tell()
        made.start(run)
        await made.tell()
        made.finish(run, Status.SUCCEEDED)

        assert await made.tell() == ["pending", "running", "success"]
        assert made.forge.statuses[-1][1]["description"] == f"run {run.run_id} succeeded after 00:01:30"
        assert made.forge.statuses[-1][1]["name"] == "tracker/web"


async def test_a_forge_that_knows_no_running_is_not_told_twice_the_same(sample: Sample) -> None:
    async with rig(sample) as made:
        run = made.run(made.task())
        await made.tell()
        made.start(run)

        assert await made.tell() == ["pending"]
        assert made.waiting() == 0


async def test_a_state_that_was_overtaken_is_never_told(sample: Sample) -> None:
    async with rig(sample) as made:
        run = made.run(made.task())
        made.start(run)
        made.finish(run, Status.FAILED)

        assert await made.tell() == ["failure"]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (Status.SUCCEEDED, "success"),
        (Status.FAILED, "failure"),
        (Status.TIMEOUT, "failure"),
        (Status.ERROR, "error"),
        (Status.CANCELED, "error"),
    ],
)
async def test_every_end_of_a_run_is_told_once(sample: Sample, status: Status, state: str) -> None:
    async with rig(sample) as made:
        run = made.run(made.task())
        made.start(run)
        made.finish(run, status)
        await made.tell()

        assert await made.tell() == [state]


async def test_a_run_that_builds_something_newer_tells_so_of_the_older_commit(sample: Sample) -> None:
    async with rig(sample) as made:
        task = made.task()
        made.run(task, COMMIT)
        await made.tell()
        made.run(task, OTHER)

        await made.tell()

        told = [(commit, status["state"]) for commit, status in made.forge.statuses]
        assert told == [(COMMIT, "pending"), (COMMIT, "error"), (OTHER, "pending")]


async def test_a_run_of_no_commit_is_told_to_nobody(sample: Sample) -> None:
    async with rig(sample) as made:
        task = made.task()
        with immediate(sample.sql):
            Runs(sample.sql).add(task.definition, Cause.MANUAL, made.at, task_id=task.task_id)

        assert await made.tell() == []
        assert made.waiting() == 0


async def test_the_log_is_linked_where_the_service_can_be_reached(sample: Sample) -> None:
    async with rig(sample, rules=TellRules(public_url="https://tracker.test")) as made:
        run = made.run(made.task())
        await made.tell()

        link = made.forge.statuses[0][1]["target_url"]
        assert link == f"https://tracker.test/api/v1/runs/{run.run_id}/log"


async def test_what_failed_for_now_is_told_later(sample: Sample) -> None:
    async with rig(sample) as made:
        made.forge.faults = [(502, {}), (502, {})]
        made.run(made.task())
        await made.tell()
        await made.tell()  # it is not due yet
        asked = len(made.forge.requests)
        made.at += timedelta(minutes=1)
        await made.tell()
        made.at += timedelta(minutes=1)

        assert asked == 1
        assert await made.tell() == ["pending"]
        assert (made.count("put-off"), made.count("told")) == (2, 1)


async def test_a_forge_that_says_when_is_not_asked_before(sample: Sample) -> None:
    async with rig(sample) as made:
        made.forge.faults = [(429, {"Retry-After": "1800"})]
        made.run(made.task())
        made.run(made.task("worker"), OTHER)
        await made.tell()
        made.at += timedelta(seconds=1799)
        await made.tell()
        asked = len(made.forge.requests)
        made.at += timedelta(seconds=2)

        assert asked == 1
        assert await made.tell() == ["pending", "pending"]


@dataclass
class TwoForges:
    """A forge that answers, and one that does not."""

    good: Rig
    silent: SilentHost
    teller: StatusTeller

    def run_of_silent(self, name: str, commit: str = COMMIT) -> None:
        definition = Definition(f"{self.silent.url}/team/shop.git#main", DockerStep(), AMD64)
        with immediate(self.good.sample.sql):
            task = Tasks(self.good.sample.sql).save(name, definition, self.good.at)
            secrets = TaskSecrets(self.good.sample.sql, no_cipher)
            secrets.set(task.task_id, SecretUse.GIT, "", FromEnvironment("FORGE_TOKEN"), self.good.at)
        self.good.run(task, commit)


@contextlib.asynccontextmanager
async def two_forges(sample: Sample) -> AsyncIterator[TwoForges]:
    async with rig(sample) as good, silent_host() as silent:
        section = ForgeSection(kind=ForgeKind.GITHUB, api=BaseUrl(f"{silent.url}/api/v3"))
        forges = Forges(good.client, {good.host: good.section, silent.host: section})
        access = RepositoryAccess(
            TaskSecrets(sample.sql, no_cipher), Places(environment={"FORGE_TOKEN": TOKEN})
        )
        teller = StatusTeller(sample.sql, forges, access, good.rules, good.metrics, lambda: good.at)
        yield TwoForges(good, silent, teller)


@contextlib.asynccontextmanager
async def at_work(teller: StatusTeller) -> AsyncIterator[None]:
    working = asyncio.create_task(teller.work())
    yield
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(50):
        while not holds():  # noqa: ASYNC110  # a row of the database, or a forge in a thread
            await asyncio.sleep(0.02)


async def test_no_forge_waits_for_one_that_does_not_answer(sample: Sample) -> None:
    async with two_forges(sample) as two:
        two.run_of_silent("stuck")
        task = two.good.task()
        async with at_work(two.teller):
            await two.silent.calls.get()
            for commit in (COMMIT, OTHER):
                two.good.run(task, commit)
                await until(lambda: commit in [told for told, _ in two.good.forge.statuses])  # noqa: B023

        assert two.silent.calls.empty()


async def test_more_statuses_of_a_silent_forge_than_are_taken_up_at_once_hold_up_no_other(
    sample: Sample,
) -> None:
    async with two_forges(sample) as two:
        for number in range(DUE_MOST + 1):
            two.run_of_silent(f"stuck-{number}")
        two.good.run(two.good.task())
        async with at_work(two.teller):
            await until(lambda: two.good.forge.states == ["pending"])

        assert two.silent.calls.qsize() == 1


async def test_a_forge_that_failed_is_left_alone_for_a_while_by_what_comes_new(sample: Sample) -> None:
    async with rig(sample) as made:
        made.forge.faults = [(502, {})]
        teller = made.teller
        made.run(made.task())
        await teller.tell_due()
        made.run(made.task("worker"), OTHER)
        await teller.tell_due()
        asked_at_once = len(made.forge.requests)
        made.at += timedelta(seconds=11)
        await teller.tell_due()

        assert asked_at_once == 1
        assert made.forge.states == ["pending", "pending"]


async def test_a_newer_state_does_not_wait_for_the_turn_of_an_older_one(sample: Sample) -> None:
    async with rig(sample) as made:
        made.forge.faults = [(502, {})]
        run = made.run(made.task())
        await made.tell()
        made.start(run)
        made.finish(run, Status.SUCCEEDED)

        assert await made.tell() == ["success"]


async def test_what_cannot_be_told_for_too_long_is_given_up(sample: Sample) -> None:
    async with rig(sample, rules=TellRules(tried_for_s=60.0)) as made:
        made.forge.faults = [(502, {})] * 10
        made.run(made.task())
        for _ in range(10):
            await made.tell()
            made.at += timedelta(minutes=10)

        assert made.waiting() == 0
        assert made.count("given-up") == 1


async def test_a_missing_scope_is_kept_with_the_task_until_it_is_there(sample: Sample) -> None:
    async with rig(sample) as made:
        task = made.task()
        made.forge.tokens[TOKEN] = frozenset()
        run = made.run(task)
        await made.tell()
        ((what, message, hint),) = Refusals(sample.sql).of_task(task.task_id)
        made.forge.tokens[TOKEN] = frozenset({"status"})
        made.start(run)
        made.finish(run, Status.SUCCEEDED)

        assert await made.tell() == ["success"]
        assert (what, "403" in message, "repo:status" in str(hint)) == ("statuses", True, True)
        assert Refusals(sample.sql).of_task(task.task_id) == []


async def test_a_task_without_a_token_asks_nobody_and_says_so(sample: Sample) -> None:
    async with rig(sample) as made:
        task = made.task(with_token=False)
        made.run(task)
        await made.tell()

        ((_, message, hint),) = Refusals(sample.sql).of_task(task.task_id)
        assert made.forge.requests == []
        assert "no token" in message and "--git-access-token" in str(hint)


@pytest.mark.parametrize(
    ("rules", "section"),
    [
        (TellRules(enabled=False), ForgeSection()),
        (TellRules(), ForgeSection(statuses=False)),
    ],
)
async def test_nothing_is_told_where_that_is_switched_off(
    sample: Sample, rules: TellRules, section: ForgeSection
) -> None:
    async with rig(sample, rules=rules, section=section) as made:
        made.run(made.task())
        await made.tell()

        assert (made.forge.requests, made.waiting()) == ([], 0)


async def test_one_forge_may_be_told_where_the_others_are_not(sample: Sample) -> None:
    async with rig(sample, rules=TellRules(enabled=False), section=ForgeSection(statuses=True)) as made:
        made.run(made.task())

        assert await made.tell() == ["pending"]


async def test_a_deleted_task_leaves_nothing_to_tell(sample: Sample) -> None:
    async with rig(sample) as made:
        task = made.task()
        made.run(task)
        with immediate(sample.sql):
            Tasks(sample.sql).delete(task.task_id)

        assert await made.tell() == []
        assert made.waiting() == 0


async def test_gitlab_saying_that_it_knows_already_is_as_good_as_told(sample: Sample) -> None:
    async with rig(sample, ForgeKind.GITLAB) as made:
        task = made.task()
        made.run(task)
        made.forge.statuses.append((COMMIT, {"state": "pending"}))  # its answer had been lost
        await made.tell()

        assert made.waiting() == 0
        assert Refusals(sample.sql).of_task(task.task_id) == []


async def test_a_run_that_goes_back_to_the_queue_is_pending_again(sample: Sample) -> None:
    async with rig(sample, ForgeKind.GITLAB) as made:
        run = made.run(made.task())
        made.start(run)
        await made.tell()
        with immediate(sample.sql):
            Runs(sample.sql).requeue(run)

        assert await made.tell() == ["running", "pending"]
