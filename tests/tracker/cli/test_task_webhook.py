"""`--register-webhook`: the forge is told to call this service, once, and told to stop with the task."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from graph.clock import now, to_text
from graph.database import immediate
from rebuild.runs.definition import Revision
from rebuild.runs.owner import this_process
from rebuild.runs.table import Cause, Runs
from rebuild.sources.refusals import Refusals, Refused
from rebuild.sources.repositories import Repositories, Watched
from rebuild.sources.requests import at_revision
from rebuild.tasks.task import Tasks
from tests.fake_forges import TOKEN, FakeForge, fake_forge
from tests.tracker.cli.conftest import Answer, Tracker
from tests.tracker.remote.desk_service import desk_service
from tracker.forges.kind import ForgeKind
from tracker.settings.reading import load
from tracker.state import State

URL = "https://tracker.test/hooks/github"


@pytest.fixture
def forge() -> Iterator[FakeForge]:
    with fake_forge(ForgeKind.GITHUB) as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, forge: FakeForge, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "tracker.toml"
    path.write_text(
        '[serve]\npublic_url = "https://tracker.test/"\n'
        '[hooks.github]\nsecret = "signed with this"\n'
        f'[forges."{forge.url.removeprefix("http://")}"]\nkind = "github"\n'
    )
    monkeypatch.setenv("TRACKER_CONFIG", str(path))
    monkeypatch.setenv("FORGE_TOKEN", TOKEN)
    return path


@pytest.fixture
def here(tracker: Tracker, forge: FakeForge, settings: Path) -> Tracker:
    def made(*words: str, name: str = "web", context: str = "") -> Answer:
        what = ("-c", context or forge.clone_url, "--cmd", "busybox true")
        return tracker("task", "create", "-n", name, *what, *words)

    return made


@pytest.fixture(params=["here", "there"])
def create(
    request: pytest.FixtureRequest,
    here: Tracker,
    settings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Tracker]:
    """By the command itself, and by a service that it asks."""
    if request.param == "here":
        yield here
        return
    with desk_service(tmp_path, load(settings)) as service:
        monkeypatch.setenv("TRACKER_SERVER", service.socket)
        yield here


WITH_TOKEN = ("--git-access-token", "env:FORGE_TOKEN")


def test_a_task_can_be_made_with_its_webhook(create: Tracker, forge: FakeForge) -> None:
    done = create("--register-webhook", *WITH_TOKEN)

    assert done.status == 0, done.err
    assert f"is registered: it calls {URL}" in done.err
    (hook,) = forge.hooks.values()
    assert (hook["config"]["url"], hook["config"]["secret"]) == (URL, "signed with this")


def test_the_webhook_of_a_task_is_shown(create: Tracker, tracker: Tracker) -> None:
    create("--register-webhook", *WITH_TOKEN)

    shown, plain = tracker("task", "show", "-n", "web"), tracker("task", "show", "-n", "web", "--json").json
    assert "webhook" in shown.out and URL in shown.out
    assert plain["webhook"]["url"] == URL


def test_asking_again_makes_no_second_one(create: Tracker, tracker: Tracker, forge: FakeForge) -> None:
    create("--register-webhook", *WITH_TOKEN)

    done = tracker("task", "update", "-n", "web", "--register-webhook")

    assert "was there already" in done.err
    assert len(forge.hooks) == 1


def test_a_task_that_is_deleted_takes_its_webhook_along(
    create: Tracker, tracker: Tracker, forge: FakeForge
) -> None:
    create("--register-webhook", *WITH_TOKEN)

    done = tracker("task", "delete", "-n", "web", "--yes")

    assert (done.status, forge.hooks) == (0, {})


def test_a_task_that_is_no_longer_declared_takes_its_webhook_along(
    create: Tracker, tracker: Tracker, forge: FakeForge, tmp_path: Path
) -> None:
    create("--register-webhook", *WITH_TOKEN)
    (tmp_path / "tasks.yaml").write_text("name: other\ncmd: busybox true\n")

    done = tracker("task", "apply", str(tmp_path / "tasks.yaml"), "--prune")

    assert (done.status, forge.hooks) == (0, {}), done.err


def test_a_webhook_of_a_task_that_is_no_longer_declared_and_stays_is_told(
    create: Tracker, tracker: Tracker, forge: FakeForge, tmp_path: Path
) -> None:
    create("--register-webhook", *WITH_TOKEN)
    forge.tokens.clear()
    (tmp_path / "tasks.yaml").write_text("name: other\ncmd: busybox true\n")

    done = tracker("task", "apply", str(tmp_path / "tasks.yaml"), "--prune")

    assert "warning: the webhook of task web stays" in done.err
    assert [task["name"] for task in tracker("task", "list", "--json").json] == ["other"]


def test_a_task_that_is_carried_out_keeps_its_webhook(
    create: Tracker, tracker: Tracker, forge: FakeForge, tmp_path: Path
) -> None:
    create("--register-webhook", *WITH_TOKEN)
    sql = State(tmp_path / "state").write()
    with immediate(sql):
        task = Tasks(sql).named("web")
        Runs(sql).add(task.definition, Cause.MANUAL, now(), task_id=task.task_id)
        Runs(sql).claim(now(), this_process())
    sql.close()

    done = tracker("task", "delete", "-n", "web", "--yes")

    assert (done.status, "is being carried out" in done.err) == (1, True)
    assert len(forge.hooks) == 1


def test_the_webhook_is_part_of_what_a_saved_task_prints(create: Tracker) -> None:
    assert create("--register-webhook", *WITH_TOKEN, "--json").json["webhook"]["url"] == URL


def test_a_webhook_stays_while_another_task_rests_on_it(
    create: Tracker, tracker: Tracker, forge: FakeForge
) -> None:
    create("--register-webhook", *WITH_TOKEN)
    create("--register-webhook", *WITH_TOKEN, name="worker")
    tracker("task", "delete", "-n", "web", "--yes")
    between = len(forge.hooks)

    tracker("task", "update", "-n", "worker", "--unregister-webhook")

    assert (between, forge.hooks) == (1, {})


def test_a_webhook_that_cannot_be_removed_does_not_keep_the_task(
    create: Tracker, tracker: Tracker, forge: FakeForge
) -> None:
    create("--register-webhook", *WITH_TOKEN)
    forge.tokens.clear()

    done = tracker("task", "delete", "-n", "web", "--yes")

    assert done.status == 0
    assert "warning: the webhook of task web stays" in done.err
    assert "admin:repo_hook" in done.err
    assert tracker("task", "list", "--json").json == []


def test_a_token_without_the_scope_leaves_the_task_and_names_the_scope(
    create: Tracker, tracker: Tracker, forge: FakeForge
) -> None:
    forge.tokens[TOKEN] = frozenset({"status"})

    done = create("--register-webhook", *WITH_TOKEN)

    assert done.status == 1
    assert "task web is saved; its webhook is not registered" in done.err
    assert "admin:repo_hook" in done.err and TOKEN not in done.err
    assert tracker("task", "show", "-n", "web", "--json").json["webhook"] is None


def test_a_task_without_a_token_is_told_how_to_give_one(create: Tracker) -> None:
    done = create("--register-webhook")

    assert done.status == 1
    assert "has no token" in done.err and "--git-access-token" in done.err


@pytest.mark.parametrize(
    ("settings_text", "words", "told"),
    [
        ('[hooks.github]\nsecret = "x"\n', ["--register-webhook"], "serve.public_url"),
        ('[serve]\npublic_url = "https://t.test"\n', ["--register-webhook"], "no hooks of kind github"),
        (
            '[serve]\npublic_url = "https://t.test"\n[hooks.github]\nrequests_per_minute = 5\n',
            ["--register-webhook"], "has no secret",
        ),
        (
            '[serve]\npublic_url = "https://t.test"\n[hooks.github]\nsecret = "x"\n',
            ["--register-webhook=other"], "no hooks.other of kind github",
        ),
        (
            '[serve]\npublic_url = "https://t.test"\n[hooks.github]\nsecret = "x"\n'
            '[hooks.mine]\nkind = "github"\nsecret = "y"\n',
            ["--register-webhook"], "several hooks of kind github",
        ),
    ],
)  # fmt: skip
def test_what_is_missing_is_told_before_anything_is_done(
    here: Tracker, tracker: Tracker, settings: Path, forge: FakeForge,
    settings_text: str, words: list[str], told: str,
) -> None:  # fmt: skip
    kind = f'[forges."{forge.url.removeprefix("http://")}"]\nkind = "github"\n'
    settings.write_text(settings_text + kind)

    done = here(*words, *WITH_TOKEN)

    assert (done.status, told in done.err) == (2, True), done.err
    assert forge.requests == []
    assert tracker("task", "show", "-n", "web").status == 1


@pytest.mark.parametrize(
    ("context", "told"),
    [
        ("/dev/null", "no git repository"),
        ("https://git.unknown.test/team/shop.git", "kind of forge"),
        ("https://bitbucket.org/team/shop.git", "not registered from here"),
    ],
)
def test_who_cannot_be_told_to_call_is_named(create: Tracker, context: str, told: str) -> None:
    done = create("--register-webhook", *WITH_TOKEN, context=context)

    assert (done.status, told in done.err) == (2, True), done.err


def test_what_a_forge_refuses_is_shown_with_the_way_out(
    create: Tracker, tracker: Tracker, tmp_path: Path
) -> None:
    create()
    sql = State(tmp_path / "state").write()
    with immediate(sql):
        task = Tasks(sql).named("web")
        Refusals(sql).note(task.task_id, Refused.STATUSES, "it says no", "the token needs repo:status", now())
    sql.close()

    shown = tracker("task", "show", "-n", "web")

    assert "statuses: it says no" in shown.out and "hint: the token needs repo:status" in shown.out


def test_a_commit_that_is_to_be_tried_again_is_shown_with_its_time(
    create: Tracker, tracker: Tracker, tmp_path: Path
) -> None:
    create()
    sql, at, commit = State(tmp_path / "state").write(), now() + timedelta(hours=1), "2c3d" * 10
    with immediate(sql):
        task, runs = Tasks(sql).named("web"), Runs(sql)
        built = at_revision(task.definition, Revision(commit, branch="main"))
        reason = [{"subject": "heads/main", "commit": commit}]
        run = runs.add(built, Cause.COMMIT, now(), task_id=task.task_id, reason=reason)
        runs.want_commit_again(run, at)
    sql.close()

    shown = " ".join(tracker("task", "show", "-n", "web").out.split())
    told = tracker("task", "show", "-n", "web", "--json").json["tried_again"]

    assert told == [{"subject": "heads/main", "commit": commit, "at": to_text(at)}]
    assert f"waits commit 2c3d2c3d2c3d of heads/main: tried again at {at:%F %T} UTC" in shown


def test_a_repository_that_does_not_answer_is_shown(
    create: Tracker, tracker: Tracker, forge: FakeForge, tmp_path: Path
) -> None:
    create()
    sql = State(tmp_path / "state").write()
    with immediate(sql):
        repositories = Repositories(sql)
        repositories.add(forge.clone_url, now())
        repositories.failed(
            Watched(1, forge.clone_url, ""), "nobody is there", "go and look", is_host_down=True
        )
    sql.close()

    shown = tracker("task", "show", "-n", "web")

    assert "failed 1 time: nobody is there" in shown.out and "hint: go and look" in shown.out
