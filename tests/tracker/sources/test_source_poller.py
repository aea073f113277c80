"""Repositories that send no webhook are asked: by real git, from real servers, each change once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from graph.database import immediate
from graph.staleness import Limits
from rebuild.runs.definition import Definition, DockerStep
from rebuild.runs.waves import enqueue_due
from rebuild.secrets.secret_reader import Places
from rebuild.secrets.secret_source import FromEnvironment
from rebuild.secrets.task_secrets import SecretUse, TaskSecrets
from rebuild.sources.event import Happening, Provider, SourceEvent
from rebuild.sources.refusals import Refusals
from rebuild.sources.repositories import Repositories, Standing
from rebuild.tasks.stored_task import no_cipher
from rebuild.tasks.task import Task, Tasks
from rebuild.tasks.triggers import SourceFilters, SourceTrigger, Triggers
from tests.fake_forges import FakeForge, fake_forge
from tests.graph_samples import AMD64, Sample
from tests.real_registry import free_port
from tests.rebuild.context.repositories import PASSWORD, USER, GitServer, Repository, git_over_http
from tests.silent_host import silent_host
from tracker.forges.client import ForgeClient
from tracker.forges.kind import ForgeKind
from tracker.metrics import Metrics
from tracker.settings.sources import ForgeSection
from tracker.settings.values import BaseUrl
from tracker.sources.asking import RepositoryAsker
from tracker.sources.forge_finding import Forges
from tracker.sources.intake import SourceIntake
from tracker.sources.poller import SourcePoller
from tracker.sources.polling import PollRules
from tracker.sources.repository_access import RepositoryAccess

pytestmark = pytest.mark.anyio


@dataclass
class Rig:
    """A repository behind a real server, and a poller with a clock that tests set."""

    sample: Sample
    repository: Repository
    server: GitServer
    forge: FakeForge | None = None
    rules: PollRules = field(default_factory=lambda: PollRules(jitter=0.0))
    places: Places = field(default_factory=Places)
    metrics: Metrics = field(default_factory=Metrics)
    client: ForgeClient = field(default_factory=ForgeClient)
    at: datetime = field(init=False)
    poller: SourcePoller = field(init=False)
    intake: SourceIntake = field(init=False)

    def __post_init__(self) -> None:
        self.at = self.sample.at.replace(microsecond=0)  # as it is read again
        sql = self.sample.sql
        access = RepositoryAccess(TaskSecrets(sql, no_cipher), self.places)
        self.intake = SourceIntake(sql, self, lambda: self.at)
        asker = RepositoryAsker(access, Forges(self.client, self._sections()))
        self.poller = SourcePoller(sql, asker, self.intake, self.rules, self.metrics, lambda: self.at)

    def _sections(self) -> Mapping[str, ForgeSection]:
        host = self.server.url.removeprefix("http://")
        if self.forge is None:
            return {}
        return {host: ForgeSection(kind=self.forge.kind, api=BaseUrl(self.forge.api))}

    def look_within(self) -> None:
        enqueue_due(self.sample.sql, self.at, Limits(), workers=1)

    def start(self) -> None:
        """Nobody carries anything out."""

    @property
    def url(self) -> str:
        return f"{self.server.url}/team/shop.git"

    def task(
        self, name: str = "web", trigger: SourceTrigger | None = None, *, url: str = "", token: bool = False
    ) -> Task:
        sql, definition = self.sample.sql, Definition(url or self.url, DockerStep(), AMD64)
        with immediate(sql):
            task = Tasks(sql).save(name, definition, self.at)
            Triggers(sql).set_source(task.task_id, trigger or SourceTrigger())
            if token:
                secrets = TaskSecrets(sql, no_cipher)
                secrets.set(task.task_id, SecretUse.GIT, "", FromEnvironment("GIT_WORD"), self.at)
        return task

    async def look(self, *, after_s: float = 301.0) -> list[str]:
        """A round of questions later than the last; answers the commits of all runs so far."""
        self.poller.sync()
        await self.poller.ask_due()
        self.at += timedelta(seconds=after_s)
        return self.commits()

    def commits(self) -> list[str]:
        rows = self.sample.sql.execute(
            "SELECT json_extract(definition, '$.revision.commit') FROM runs ORDER BY number"
        )
        return [row[0] for row in rows]

    def revision(self) -> dict[str, Any]:
        """Of the newest run."""
        row = self.sample.sql.execute("SELECT definition FROM runs ORDER BY number DESC").fetchone()
        read: dict[str, Any] = json.loads(row[0])["revision"]
        return read

    def end_runs(self) -> None:
        with immediate(self.sample.sql):
            self.sample.sql.execute(
                "UPDATE runs SET status = 'Succeeded', started_at = created_at, finished_at = created_at"
            )

    def hear(self, old: str, new: str) -> None:
        """A webhook tells of a push."""
        event = SourceEvent(
            provider=Provider.GITHUB, delivery="d", urls=(self.url,), happening=Happening.PUSH, ref="trunk",
            commit=new, old_commit=old, default_branch="trunk",
        )  # fmt: skip
        self.intake.take([event])
        self.end_runs()

    @property
    def standing(self) -> Standing:
        (one,) = Repositories(self.sample.sql).standing()
        return one

    def polls(self, result: str) -> float | None:
        host = self.server.url.removeprefix("http://")
        labels = {"host": host, "result": result}
        return self.metrics.registry.get_sample_value("tracker_repository_polls_total", labels)

    @property
    def listings(self) -> int:
        """How often the server was asked for refs."""
        return sum("info/refs" in path for path in self.server.paths)

    def asked_at(self, url: str) -> datetime | None:
        """When a repository last answered."""
        standing = Repositories(self.sample.sql).standing()
        return next((one.asked_at for one in standing if one.url == url), None)

    async def wait_until_asked(self, url: str) -> None:
        """Until a repository has answered at the time that it is now."""
        async with asyncio.timeout(50):
            while self.asked_at(url) != self.at:  # noqa: ASYNC110  # a row of the database
                await asyncio.sleep(0.01)

    def wait_for_listing(self, number: int) -> None:
        """Until the server is asked for refs for that time."""
        ends = time.monotonic() + 60
        while self.listings < number and time.monotonic() < ends:
            time.sleep(0.005)


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = Sample.make(tmp_path / "state")
    yield made
    made.sql.close()


@contextlib.asynccontextmanager
async def rig(
    sample: Sample, tmp_path: Path, *, private: bool = False, forge: FakeForge | None = None, word: str = ""
) -> AsyncIterator[Rig]:
    folder = tmp_path / "served"
    repository = Repository.made(
        folder / "team" / "shop.git", {"Dockerfile": "FROM scratch\n", "docs/a": "1"}
    )
    repository.git("config", "uploadpack.allowFilter", "true")
    with git_over_http(folder, private=private) as server:
        places = Places(environment={"GIT_WORD": word or f"{USER}:{PASSWORD}"})
        made = Rig(sample, repository, server, forge, places=places)
        async with made.client:
            yield made


async def test_what_is_there_at_the_first_look_starts_nothing(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        made.task()

        assert await made.look() == []


async def test_a_commit_after_that_starts_one_run(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        made.task()
        await made.look()
        commit = made.repository.commit({"a": "1"})
        await made.look()

        assert await made.look() == [commit]
        assert made.revision()["branch"] == "trunk"


async def test_of_several_commits_the_newest_is_built(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        made.task()
        await made.look()
        made.repository.commit({"a": "1"})
        newest = made.repository.commit({"a": "2"})

        assert await made.look() == [newest]


async def test_a_branch_that_goes_back_is_built_as_it_is_then(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        made.task()
        first = made.repository.git("rev-parse", "HEAD")
        await made.look()
        second = made.repository.commit({"a": "1"})
        await made.look()
        made.end_runs()
        made.repository.git("reset", "--quiet", "--hard", first)

        assert await made.look() == [second, first]


async def test_nothing_is_asked_before_its_time(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        made.task()
        await made.look(after_s=299.0)
        await made.look(after_s=2.0)
        asked = made.listings
        await made.look()

        assert (asked, made.listings) == (1, 2)


async def test_one_listing_serves_all_tasks_of_a_repository(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        for number in range(5):
            made.task(f"web-{number}", url=f"{made.url}#trunk:part-{number}")
        await made.look()
        made.repository.commit({"a": "1"})
        before = made.listings
        commits = await made.look()

        assert (before, len(commits)) == (1, 5)


async def test_a_webhook_and_a_look_at_one_commit_make_one_run(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        made.task()
        old = made.repository.git("rev-parse", "HEAD")
        await made.look()
        commit = made.repository.commit({"a": "1"})
        made.hear(old, commit)

        assert await made.look() == [commit]


async def test_a_webhook_while_the_server_answers_with_the_same_commit_makes_one_run(
    sample: Sample, tmp_path: Path
) -> None:
    async with rig(sample, tmp_path) as made:
        made.task()
        old = made.repository.git("rev-parse", "HEAD")
        await made.look()
        commit, listings = made.repository.commit({"a": "1"}), made.listings
        looking = asyncio.create_task(made.look())
        await asyncio.to_thread(made.wait_for_listing, listings + 1)
        made.hear(old, commit)

        assert await looking == [commit]
        assert made.metrics.registry.get_sample_value("tracker_source_events_missed_total") == 0


async def test_a_look_before_the_webhook_makes_one_run_too(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        made.task()
        old = made.repository.git("rev-parse", "HEAD")
        await made.look()
        commit = made.repository.commit({"a": "1"})
        await made.look()
        made.hear(old, commit)

        assert made.commits() == [commit]


async def test_a_commit_is_not_lost_where_only_the_one_before_it_was_told(
    sample: Sample, tmp_path: Path
) -> None:
    async with rig(sample, tmp_path) as made:
        made.task()
        first = made.repository.git("rev-parse", "HEAD")
        await made.look()
        told = made.repository.commit({"a": "1"})
        made.hear(first, told)
        made.at += timedelta(seconds=1)
        untold = made.repository.commit({"a": "2"})

        assert await made.look() == [told, untold]


async def test_what_a_webhook_tells_while_a_server_is_asked_is_newer_than_its_answer(
    sample: Sample, tmp_path: Path
) -> None:
    async with rig(sample, tmp_path) as made:
        made.task()
        first = made.repository.git("rev-parse", "HEAD")
        await made.look()
        second = made.repository.commit({"a": "1"})
        made.hear(first, "e" * 40)  # at the same moment: nobody can tell which was first
        at_once = await made.look()
        made.end_runs()

        assert at_once == ["e" * 40]
        assert await made.look() == ["e" * 40, second]


async def test_where_webhooks_prove_reliable_looks_become_rare(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        made.task()
        await made.look()
        for number in range(3):
            old = made.repository.git("rev-parse", "HEAD")
            made.hear(old, made.repository.commit({"a": str(number)}))
            await made.look()

        pause = made.standing.due_at - (made.standing.asked_at or made.at)
        assert (pause, made.standing.missed) == (timedelta(hours=1), 0)


async def test_a_change_that_webhooks_missed_is_counted_and_looks_are_frequent_again(
    sample: Sample, tmp_path: Path
) -> None:
    async with rig(sample, tmp_path) as made:
        made.task()
        await made.look()
        for number in range(2):
            old = made.repository.git("rev-parse", "HEAD")
            made.hear(old, made.repository.commit({"a": str(number)}))
            await made.look()
        commit = made.repository.commit({"a": "missed"})
        await made.look(after_s=3601.0)
        made.end_runs()
        await made.look()

        assert commit in made.commits()
        assert made.metrics.registry.get_sample_value("tracker_source_events_missed_total") == 1
        assert made.standing.missed == 1
        assert made.standing.due_at <= made.at


async def test_after_a_start_what_was_put_off_is_asked_within_the_usual_interval(
    sample: Sample, tmp_path: Path
) -> None:
    async with rig(sample, tmp_path) as made:
        before = Rig(sample, made.repository, made.server, rules=replace(made.rules, usual_s=3600.0))
        before.task()
        await before.look(after_s=1)
        due_at = before.standing.due_at

        again = Rig(sample, made.repository, made.server, rules=replace(made.rules, usual_s=60.0))
        again.poller.sync()

        assert due_at > again.at + timedelta(minutes=50)
        assert again.at <= again.standing.due_at <= again.at + timedelta(seconds=60)


async def test_repositories_without_webhooks_miss_none(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        made.task()
        await made.look()
        made.repository.commit({"a": "1"})
        await made.look()

        assert made.metrics.registry.get_sample_value("tracker_source_events_missed_total") == 0


async def test_only_changes_below_the_paths_start_a_run(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        made.task(trigger=SourceTrigger(filters=SourceFilters(paths=("app/**",))))
        await made.look()
        made.repository.commit({"docs/a": "2"})
        after_docs = await made.look()
        commit = made.repository.commit({"app/a": "2"})

        assert after_docs == []
        assert await made.look() == [commit]


async def test_a_commit_that_asks_to_be_skipped_is(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        made.task()
        await made.look()
        made.repository.git("commit", "--quiet", "--allow-empty", "-m", "Words alone [skip ci]")

        assert await made.look() == []


async def test_tags_start_a_run_where_their_pattern_is_wanted(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        made.task(trigger=SourceTrigger(filters=SourceFilters(tags=("v*",))))
        commit = made.repository.git("rev-parse", "HEAD")
        await made.look()
        made.repository.git("tag", "nightly")
        made.repository.git("tag", "-a", "v1", "-m", "one")

        assert await made.look() == [commit]
        assert made.revision() == {"commit": commit, "tag": "v1"}


async def test_a_branch_that_is_deleted_starts_nothing(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        made.task(trigger=SourceTrigger(filters=SourceFilters(branches=("**",))))
        made.repository.git("branch", "feature")
        await made.look()
        made.repository.git("branch", "-D", "feature")

        assert await made.look() == []


async def test_a_private_repository_is_asked_with_the_token_of_its_task(
    sample: Sample, tmp_path: Path
) -> None:
    async with rig(sample, tmp_path, private=True) as made:
        made.task(token=True)
        await made.look()
        commit = made.repository.commit({"a": "1"})

        assert await made.look() == [commit]


async def test_after_a_refusal_the_token_of_another_task_is_tried(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path, private=True) as made:
        made.task("no-token")
        task = made.task("web", token=True)
        with immediate(sample.sql):
            TaskSecrets(sample.sql, no_cipher).set(
                task.task_id, SecretUse.GIT, "", FromEnvironment("GONE"), made.at
            )
        made.task("worker", token=True)
        await made.look()
        failures = made.standing.failures
        await made.look()

        assert (failures, made.standing.failures, made.standing.fault) == (1, 0, None)


async def test_a_task_that_is_saved_with_another_token_is_asked_for_at_once(
    sample: Sample, tmp_path: Path
) -> None:
    async with rig(sample, tmp_path, private=True) as made:
        made.task()
        await made.look(after_s=1.0)
        failed = made.standing.failures
        made.task(token=True)
        await made.look(after_s=1.0)

        assert (failed, made.standing.failures) == (1, 0)


async def test_a_service_that_is_started_again_asks_at_once_what_did_not_answer(
    sample: Sample, tmp_path: Path
) -> None:
    async with rig(sample, tmp_path, private=True, word="wrong") as made:
        made.task(token=True)
        await made.look(after_s=1.0)
        failed = made.standing.failures
        mended = Places(environment={"GIT_WORD": f"{USER}:{PASSWORD}"})
        again = Rig(sample, made.repository, made.server, places=mended)
        await again.look()

        assert (failed, again.standing.failures) == (1, 0)


async def test_a_refusal_is_shown_without_the_token(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path, private=True, word="wrong:t0ken") as made:
        made.task(token=True)
        await made.look()

        assert made.polls("refused") == 1
        assert made.standing.fault and "t0ken" not in made.standing.fault
        assert made.standing.hint


async def test_no_token_is_on_a_command_line(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    real = subprocess.Popen.__init__

    def watching(self: Any, args: Any, *more: Any, **named: Any) -> None:
        seen.extend(str(arg).encode() for arg in args)
        real(self, args, *more, **named)

    monkeypatch.setattr(subprocess.Popen, "__init__", watching)
    async with rig(sample, tmp_path, private=True) as made:
        made.task(token=True)
        await made.look()

    assert any(b"ls-remote" in arg for arg in seen)
    assert not any(PASSWORD.encode() in arg for arg in seen)


async def test_a_host_that_is_down_is_spared_for_all_its_repositories(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        down = f"http://127.0.0.1:{free_port()}"
        for number in range(10):
            made.task(f"web-{number}", url=f"{down}/team/shop-{number}.git")
        made.task("fine")
        await made.look(after_s=0.0)

        standing = Repositories(sample.sql).standing()
        spared = [one for one in standing if one.url.startswith(down)]
        assert len(spared) == 10
        assert all(one.due_at >= made.at + timedelta(seconds=30) for one in spared)
        assert sum(one.failures for one in spared) <= 4  # of those that were under way at once
        assert [one.fault for one in standing if one not in spared] == [None]


async def test_the_pause_grows_while_a_host_stays_down(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        made.task(url=f"http://127.0.0.1:{free_port()}/team/shop.git")
        pauses = []
        for _ in range(10):
            asked_at = made.at
            await made.look(after_s=0.0)
            pauses.append((made.standing.due_at - asked_at).total_seconds())
            made.at = made.standing.due_at

        assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


async def test_what_happened_while_a_host_was_down_is_seen_afterwards(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        made.task()
        await made.look()
        commit = made.repository.commit({"a": "1"})
        hidden = made.repository.folder.rename(tmp_path / "hidden.git")
        during = await made.look(after_s=3601.0)
        hidden.rename(made.repository.folder)

        assert during == []
        assert await made.look() == [commit]


async def test_no_host_waits_for_one_that_does_not_answer(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made, silent_host() as silent:
        made.task()
        made.task("stuck", url=f"{silent.url}/team/other.git")
        working = asyncio.create_task(made.poller.work())
        await silent.calls.get()
        for _ in range(2):
            await made.wait_until_asked(made.url)
            made.at += timedelta(seconds=301)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working

        assert made.asked_at(f"{silent.url}/team/other.git") is None


async def test_a_host_is_not_asked_again_while_it_has_not_answered(sample: Sample, tmp_path: Path) -> None:
    async with rig(sample, tmp_path) as made:
        made.task()
        made.poller.sync()

        await asyncio.gather(made.poller.ask_due(), made.poller.ask_due())

        assert made.listings == 1


async def test_the_answer_of_a_repository_whose_last_task_has_gone_is_dropped(
    sample: Sample, tmp_path: Path
) -> None:
    async with rig(sample, tmp_path) as made:
        task = made.task()
        made.poller.sync()
        looking = asyncio.create_task(made.poller.ask_due())
        await asyncio.to_thread(made.wait_for_listing, 1)
        with immediate(sample.sql):
            Tasks(sample.sql).delete(task.task_id)
        made.poller.sync()
        await looking

        assert Repositories(sample.sql).standing() == []
        assert sample.sql.execute("SELECT count(*) FROM repository_heads").fetchone() == (0,)


async def test_a_repository_that_nobody_looks_at_any_more_is_forgotten(
    sample: Sample, tmp_path: Path
) -> None:
    async with rig(sample, tmp_path) as made:
        task = made.task()
        await made.look()
        with immediate(sample.sql):
            Triggers(sample.sql).set_source(task.task_id, None)
        await made.look()

        assert Repositories(sample.sql).standing() == []
        assert made.listings == 1


PULLS = SourceTrigger(commits=False, pull_requests=True)


def pull(made: Rig, number: int, *, state: str = "open", fork: bool = False, base: str = "trunk") -> str:
    """A pull request as GitHub has it: a ref in git, the rest in its API."""
    assert made.forge is not None
    made.repository.git("checkout", "--quiet", "--detach")
    commit = made.repository.commit({f"pull-{number}": state + base})
    made.repository.git("update-ref", f"refs/pull/{number}/head", commit)
    made.repository.git("checkout", "--quiet", "trunk")
    made.forge.pulls[number] = {
        "state": state,
        "head": {"ref": "fix", "repo": {"id": 2 if fork else 1}},
        "base": {"ref": base, "repo": {"id": 1}},
    }
    return commit


async def test_a_pull_request_is_built_as_its_forge_describes_it(sample: Sample, tmp_path: Path) -> None:
    with fake_forge(ForgeKind.GITHUB) as forge:
        async with rig(sample, tmp_path, forge=forge) as made:
            made.task(trigger=PULLS)
            await made.look()
            commit = pull(made, 7)

            assert await made.look() == [commit]
            assert made.revision() == {"commit": commit, "branch": "fix", "pull": 7, "target": "trunk"}


@pytest.mark.parametrize(
    "how", [{"state": "closed"}, {"fork": True}, {"base": "elsewhere"}], ids=["closed", "fork", "other base"]
)
async def test_pull_requests_that_are_not_wanted_start_nothing(
    sample: Sample, tmp_path: Path, how: dict[str, Any]
) -> None:
    with fake_forge(ForgeKind.GITHUB) as forge:
        async with rig(sample, tmp_path, forge=forge) as made:
            made.task(trigger=PULLS)
            await made.look()
            pull(made, 7, **how)

            assert await made.look() == []


async def test_a_fork_is_built_as_one_where_forks_are_wanted(sample: Sample, tmp_path: Path) -> None:
    with fake_forge(ForgeKind.GITHUB) as forge:
        async with rig(sample, tmp_path, forge=forge) as made:
            made.task(trigger=replace(PULLS, filters=SourceFilters(forks=True)))
            await made.look()
            pull(made, 7, fork=True)
            await made.look()

            assert made.revision()["from_fork"] is True


async def test_a_pull_request_waits_for_a_forge_that_does_not_answer(sample: Sample, tmp_path: Path) -> None:
    with fake_forge(ForgeKind.GITHUB) as forge:
        async with rig(sample, tmp_path, forge=forge) as made:
            made.task(trigger=PULLS)
            await made.look()
            commit = pull(made, 7)
            forge.faults = [(503, {})]
            during = await made.look()

            assert during == []
            assert await made.look() == [commit]


async def test_pull_requests_of_a_forge_that_nobody_knows_are_told_with_the_task(
    sample: Sample, tmp_path: Path
) -> None:
    async with rig(sample, tmp_path) as made:
        task = made.task(trigger=PULLS)
        await made.look()
        commit = made.repository.commit({"a": "1"})
        made.repository.git("update-ref", "refs/pull/7/head", commit)
        await made.look()

        ((what, _, hint),) = Refusals(sample.sql).of_task(task.task_id)
        assert (what, made.commits()) == ("pull requests", [])
        assert "[forges." in str(hint)
