"""From a stored event to wishes for runs: what it leaves open is asked for, then the letter goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.database import immediate
from graph.reference import Platform
from rebuild.context.fault import ContextError
from rebuild.context.where import Git
from rebuild.runs.definition import Definition, DockerStep
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_reader import SecretUnavailable
from rebuild.sources.event import Provider
from rebuild.sources.wishes import ask_for
from rebuild.tasks.task import Task, Tasks
from rebuild.tasks.triggers import SourceFilters, SourceTrigger, Triggers
from tests.graph_samples import Sample
from tests.tracker.hooks.forge_payloads import ZERO, A, B, C
from tracker.events.push import BadEvent
from tracker.hooks.reading import read_events
from tracker.hooks.sender import HookSender
from tracker.metrics import Metrics
from tracker.sources.hook_receiver import ASKED_MOST_S, LETTERS_MOST, HookReceiver
from tracker.sources.intake import SourceIntake
from tracker.watching.inbox import Box, Inbox

URL = "https://git.example.com/example/web.git"


class Watcher:
    """In the place of the part that makes runs."""

    looks = 0

    def look_within(self) -> None:
        self.looks += 1

    def start(self) -> None:
        pass


@dataclass
class KnownServer:
    """How the repository stands; `fault` is what comes of asking."""

    commits: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    fault: ContextError | None = None
    unreadable: SecretUnavailable | None = None  # the login without which no commit is looked into
    faulty: str = ""  # the repository with the fault, where others answer
    silent: str = ""  # the repository whose server never answers
    asked: list[str] = field(default_factory=list)

    async def default_branch(self, task: Task, context: Git) -> str | None:
        return await self._answer("HEAD", "main", context)

    async def commit_of(self, task: Task, context: Git, ref: str) -> str:
        return await self._answer(ref, self.commits.get(ref, ""), context)

    async def message_of(self, task: Task, context: Git, commit: str) -> str:
        if self.unreadable is not None:
            raise self.unreadable
        if commit not in self.messages:
            raise ContextError(f"no commit {commit}")
        return self.messages[commit]

    async def _answer(self, asked: str, answer: str, context: Git) -> str:
        self.asked.append(asked)
        if context.url == self.silent:
            await asyncio.Event().wait()
        if self.fault is not None and self.faulty in ("", context.url):
            raise self.fault
        return answer


@dataclass
class Office:
    """A receiver, its box, and what it asks."""

    sample: Sample
    server: KnownServer = field(default_factory=KnownServer)
    watcher: Watcher = field(default_factory=Watcher)
    metrics: Metrics = field(default_factory=Metrics)
    later_s: float = 0.0

    def store(self, before: str, after: str, *, sender: str = "generic", **more: Any) -> None:
        body = {"repository": URL, "ref": "refs/heads/main", "before": before, "after": after, **more}
        with immediate(self.sample.sql):
            Inbox(self.sample.sql, Box.HOOKS).put(sender, json.dumps(body).encode(), self.sample.at)

    @property
    def letters(self) -> int:
        return Inbox(self.sample.sql, Box.HOOKS).count()

    @property
    def wanted(self) -> list[str]:
        rows = self.sample.sql.execute("SELECT json_extract(revision, '$.commit') FROM source_requests")
        return [row[0] for row in rows]

    def follow(self, url: str) -> None:
        """Another task, of that repository."""
        definition = Definition(url, DockerStep(images=("r.io/other:1",)), Platform.parse("linux/amd64"))
        with immediate(self.sample.sql):
            task = Tasks(self.sample.sql).save("other", definition, self.sample.at)
            Triggers(self.sample.sql).set_source(task.task_id, SourceTrigger())

    async def work(self, until: Callable[[], bool] = lambda: False) -> None:
        """Until every letter has been looked at once, or what is waited for is there."""
        done = asyncio.Event()

        def is_done() -> bool:
            is_refused = bool(self.server.fault and not self.server.faulty and self.server.asked)
            return until() or not self.letters or is_refused

        receiver = HookReceiver(
            self.sample.sql,
            SourceIntake(self.sample.sql, self.watcher, lambda: self.sample.at),
            self.metrics,
            senders={
                name: HookSender(name, Provider.GENERIC, (Secret("s"),)) for name in ("generic", "mirror")
            },
            server=self.server,
            now=lambda: self.sample.at + timedelta(seconds=self.later_s),
            beat=lambda: done.set() if is_done() else None,
        )
        work = asyncio.create_task(receiver.work())
        await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await done.wait()
        await asyncio.sleep(0)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    sample = Sample.make(tmp_path)
    definition = Definition(URL, DockerStep(images=("r.io/web:1",)), Platform.parse("linux/amd64"))
    with immediate(sample.sql):
        task = Tasks(sample.sql).save("web", definition, sample.at)
        Triggers(sample.sql).set_source(task.task_id, SourceTrigger(branch=None))
    yield Office(sample)
    sample.sql.close()


@pytest.mark.anyio
async def test_an_event_becomes_a_wish_and_goes(office: Office) -> None:
    office.store(A, B, default_branch="main")

    await office.work()

    assert (office.wanted, office.letters, office.watcher.looks) == ([B], 0, 1)
    assert office.server.asked == []
    assert b'tracker_events_total{result="asked",source="hooks/generic"} 1.0' in office.metrics.render()


@pytest.mark.anyio
@pytest.mark.parametrize(("message", "wanted"), [("mend [skip ci]", []), ("mend", [B])])
async def test_what_a_commit_says_is_found_out_where_its_event_does_not_tell(
    office: Office, message: str, wanted: list[str]
) -> None:
    office.server.messages[B] = message
    office.store(A, B, default_branch="main")

    await office.work()

    assert (office.wanted, office.letters) == (wanted, 0)


@pytest.mark.anyio
@pytest.mark.parametrize("unreadable", [None, SecretUnavailable("the login cannot be read")])
async def test_a_commit_that_cannot_be_looked_into_is_built_all_the_same(
    office: Office, unreadable: SecretUnavailable | None
) -> None:
    office.server.unreadable = unreadable
    office.store(A, B, default_branch="main")

    await office.work()

    assert (office.wanted, office.letters) == ([B], 0)


@pytest.mark.anyio
async def test_what_the_event_tells_of_its_commit_is_believed(office: Office) -> None:
    office.server.messages[B] = "mend [skip ci]"
    office.store(A, B, default_branch="main", message="mend")

    await office.work()

    assert office.wanted == [B]


@pytest.mark.anyio
async def test_one_push_that_two_senders_tell_at_the_same_moment_is_one_wish(office: Office) -> None:
    office.store(A, B, default_branch="main")
    office.store(A, B, default_branch="main", sender="mirror")

    await office.work()

    told = office.metrics.render()
    assert (office.wanted, office.letters, office.watcher.looks) == ([B], 0, 1)
    assert b'tracker_events_total{result="asked",source="hooks/generic"} 1.0' in told
    assert b'tracker_events_total{result="known",source="hooks/mirror"} 1.0' in told


@pytest.mark.anyio
async def test_a_push_to_a_repository_that_no_task_names_is_counted_and_asks_nobody(office: Office) -> None:
    office.store(A, B, repository="https://git.example.com/example/another.git")

    await office.work()

    assert (office.wanted, office.letters, office.watcher.looks) == ([], 0, 0)
    assert office.server.asked == []
    assert b'tracker_events_total{result="unwatched",source="hooks/generic"} 1.0' in office.metrics.render()


@pytest.mark.anyio
async def test_the_default_branch_is_asked_for_where_nobody_tells_it(office: Office) -> None:
    office.store(A, B)

    await office.work()

    assert office.server.asked == ["HEAD"]
    assert office.wanted == [B]


@pytest.mark.anyio
async def test_of_events_that_do_not_fit_together_the_repository_tells_what_is_newer(office: Office) -> None:
    office.server.commits["refs/heads/main"] = C
    office.store(ZERO, C, default_branch="main")
    office.store(A, B, default_branch="main")

    await office.work()

    assert office.server.asked == ["refs/heads/main"]
    assert office.wanted == [C]


@pytest.mark.anyio
async def test_after_events_that_were_lost_the_repository_tells_that_a_move_is_news(office: Office) -> None:
    office.server.commits["refs/heads/main"] = B
    office.store(ZERO, C, default_branch="main")
    office.store(A, B, default_branch="main")

    await office.work()

    assert office.wanted == [B]


@pytest.mark.anyio
async def test_paths_of_a_push_whose_forerunner_is_late_leave_nothing_out(office: Office) -> None:
    with immediate(office.sample.sql):
        task = Tasks(office.sample.sql).named("web")
        trigger = SourceTrigger(filters=SourceFilters(paths=("app/",)))
        Triggers(office.sample.sql).set_source(task.task_id, trigger)
    office.server.commits["refs/heads/main"] = C
    office.store(ZERO, A, default_branch="main", paths=["docs/a"])
    office.store(B, C, default_branch="main", paths=["docs/a"])
    office.store(A, B, default_branch="main", paths=["app/a"])

    await office.work()

    assert office.wanted == [C]


@pytest.mark.anyio
async def test_an_event_waits_while_its_repository_does_not_answer(office: Office) -> None:
    office.server.fault = ContextError("no answer")
    office.store(A, B)

    await office.work()

    assert (office.wanted, office.letters) == ([], 1)


@pytest.mark.anyio
async def test_many_events_of_a_repository_that_does_not_answer_hold_up_none_of_another(
    office: Office,
) -> None:
    dead = "https://git.example.com/example/dead.git"
    office.follow(dead)
    office.server.fault, office.server.faulty = ContextError("no answer"), dead
    for _ in range(2 * LETTERS_MOST):
        office.store(A, B, repository=dead)
    office.store(A, B)

    await office.work(until=lambda: office.wanted == [B])

    assert office.letters == 2 * LETTERS_MOST
    assert len(office.server.asked) <= 4


@pytest.mark.anyio
async def test_no_event_waits_for_the_server_of_another_host(office: Office) -> None:
    silent = "https://silent.example.com/example/web.git"
    office.follow(silent)
    office.server.silent = silent
    for _ in range(2 * LETTERS_MOST):
        office.store(A, B, repository=silent)
    office.store(A, B)

    await office.work(until=lambda: office.wanted == [B])

    assert office.letters == 2 * LETTERS_MOST
    assert len(office.server.asked) == 2


@pytest.mark.anyio
async def test_a_host_that_is_down_is_asked_once_for_all_its_repositories(office: Office) -> None:
    office.follow(others := "https://git.example.com/example/other.git")
    office.server.fault = ContextError("cannot fetch: Could not resolve host: git.example.com")
    office.store(A, B)
    office.store(A, B, repository=others)

    await office.work()

    assert (len(office.server.asked), office.letters) == (1, 2)


@pytest.mark.anyio
async def test_events_of_one_repository_are_taken_in_the_order_of_their_coming(office: Office) -> None:
    for before, after in ((ZERO, A), (A, B), (B, C)):
        office.store(before, after, default_branch="main")

    await office.work()

    assert (office.wanted, office.server.asked) == ([C], [])


@pytest.mark.anyio
async def test_an_event_is_given_up_when_its_repository_has_not_answered_for_long(office: Office) -> None:
    office.server.fault = ContextError("no answer")
    office.later_s = ASKED_MOST_S + 1
    office.store(A, B)

    await office.work()

    assert (office.wanted, office.letters) == ([], 0)


@pytest.mark.anyio
async def test_an_event_of_a_sender_that_is_gone_goes_too(office: Office) -> None:
    with immediate(office.sample.sql):
        Inbox(office.sample.sql, Box.HOOKS).put("gone", b"{}", office.sample.at)

    await office.work()

    assert office.letters == 0


@pytest.mark.anyio
async def test_letters_of_registries_and_of_forges_lie_apart(office: Office) -> None:
    with immediate(office.sample.sql):
        Inbox(office.sample.sql).put("generic", b"{}", office.sample.at)
    office.store(A, B, default_branch="main")

    await office.work()

    assert Inbox(office.sample.sql).count() == 1


TEXT = st.text(st.characters(), min_size=1, max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    prefix=st.sampled_from(["refs/heads/", "refs/tags/"]),
    name=TEXT,
    commit=st.sampled_from([A, B, C]),
    more=st.fixed_dictionaries({"message": TEXT, "delivery": TEXT, "paths": st.lists(TEXT, max_size=3)}),
)
def test_whatever_a_forge_calls_things_can_be_written_down(
    office: Office, prefix: str, name: str, commit: str, more: dict[str, Any]
) -> None:
    with immediate(office.sample.sql):
        filters = SourceFilters(branches=("**",), tags=("**",), paths=("**",))
        Triggers(office.sample.sql).set_source(1, SourceTrigger(filters=filters))
    body = {"repository": URL, "ref": prefix + name, "after": commit, "before": ZERO, **more}
    try:
        events = read_events(Provider.GENERIC, json.dumps(body).encode(), {})
    except BadEvent as refused:
        assert refused.message
        return

    with immediate(office.sample.sql):
        (asked,) = ask_for(office.sample.sql, events[0], office.sample.at)

    assert asked.subject.encode()
