"""Commits and pull requests by real git: pushed, told of by a hook, cloned and built by the real service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.forge import SETTINGS, ZERO, Forge, forge, post, push_payload
from tests.e2e.yard import NO_POLL, Yard
from tests.real_service import RealService, RunRow

OUR_SETTINGS = {**NO_POLL, **SETTINGS}
PLAIN = "FROM scratch\nCOPY f /f\n"


@pytest.fixture
def service(shared_yard: Yard) -> Iterator[RealService]:
    with shared_yard.service(OUR_SETTINGS) as made:
        yield made


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Forge]:
    with forge(tmp_path, Dockerfile=PLAIN, f="first") as made:
        yield made


def create(service: RealService, name: str, context: str, image: str, *more: str) -> None:
    service.tracker("task", "create", "-n", name, "-c", context, "-f", "Dockerfile", "-t", image, *more)


def settled(service: RealService, runs: int) -> list[RunRow]:
    service.until(lambda: len(service.runs()) >= runs and service.is_idle(), f"{runs} runs that are over")
    return service.runs()


def is_read(service: RealService) -> bool:
    return service.query("SELECT count(*) FROM hook_inbox") == [(0,)]


def test_a_pushed_commit_is_built_and_pushed_as_it_is(
    shared_yard: Yard, service: RealService, app: Forge
) -> None:
    image = shared_yard.shelf.name("hooked/app:latest")
    create(service, "hooked", f"{app.url}#main", image)
    service.start()
    app.tell(service)

    commit = app.commit(f="second")
    app.push()

    (run,) = settled(service, 1)
    assert (run.cause, run.status) == ("commit", "Succeeded")
    assert shared_yard.shelf.digest(image) is not None
    told = " ".join(service.tracker("task", "show-run", "--run-id", run.run_id).stdout.split())
    assert f"{app.url}#{commit}" in told
    assert f"commit {commit[:12]} of branch main in {app.url} (github, delivery {commit[:8]})" in told
    assert f"branch main at commit {commit}" in service.tracker("logs", run.run_id).stdout
    assert "commit main" in service.tracker("runs").stdout


def test_the_same_delivery_again_changes_nothing(shared_yard: Yard, service: RealService, app: Forge) -> None:
    create(service, "again", app.url, shared_yard.shelf.name("again/app:latest"))
    service.start()
    app.tell(service)
    before = app.work.git("rev-parse", "HEAD")
    commit = app.commit(f="second")
    app.push()
    settled(service, 1)

    assert post(service, push_payload(app.url, commit, before)) == 202
    assert post(service, push_payload(app.url, before, ZERO)) == 202
    service.until(lambda: is_read(service), "both to be read")

    assert len(settled(service, 1)) == 1


def test_an_event_that_was_taken_outlives_a_kill(shared_yard: Yard, service: RealService, app: Forge) -> None:
    create(service, "killed", f"{app.url}#main", shared_yard.shelf.name("killed/app:latest"))
    service.start()
    commit = app.commit(f="second")
    app.push()

    assert post(service, push_payload(app.url, commit, ZERO)) == 202
    service.kill()
    service.start()

    (run,) = settled(service, 1)
    assert (run.cause, run.status) == ("commit", "Succeeded")


def test_a_pull_request_is_tried_out_and_leaves_the_image_alone(
    shared_yard: Yard, service: RealService, app: Forge
) -> None:
    image = shared_yard.shelf.name("pulled/app:latest")
    create(service, "pulled", f"{app.url}#main", image, "--pull-request-trigger-enabled", "true")
    service.start()
    app.tell(service)
    app.commit(f="second")
    app.push()
    settled(service, 1)
    digest, builds = shared_yard.shelf.digest(image), service.query("SELECT count(*) FROM builds")

    commit = app.commit(f="proposed")
    app.push("refs/pull/7/head")
    _, trial = sorted(settled(service, 2), key=lambda run: run.run_id)

    assert (trial.cause, trial.status) == ("pull-request", "Succeeded")
    assert shared_yard.shelf.digest(image) == digest
    assert service.query("SELECT count(*) FROM builds") == builds
    assert (
        f"pull request 7 at commit {commit}; nothing is pushed"
        in service.tracker("logs", trial.run_id).stdout
    )


def test_a_pull_request_whose_commit_says_so_is_not_tried_out_though_its_webhook_does_not_tell(
    shared_yard: Yard, service: RealService, app: Forge
) -> None:
    image = shared_yard.shelf.name("unwanted/app:latest")
    create(service, "unwanted", f"{app.url}#main", image, "--pull-request-trigger-enabled", "true")
    service.start()
    app.tell(service)

    app.commit("draft [skip ci]", f="proposed")
    app.push("refs/pull/10/head")
    wanted = app.commit("ready", f="mended")
    app.push("refs/pull/10/head")

    (run,) = settled(service, 1)
    assert f"pull request 10 at commit {wanted}" in service.tracker("logs", run.run_id).stdout


def test_a_pull_request_of_a_stranger_is_tried_out_only_where_the_task_says_so(
    shared_yard: Yard, service: RealService, app: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBE", "do not tell")
    app.commit(Dockerfile=f"{PLAIN}RUN --mount=type=secret,id=PROBE,required=true true\n")
    app.push()
    pulls = ("--pull-request-trigger-enabled", "true", "--commit-trigger-enabled", "false")
    image = shared_yard.shelf.name("strange/app:latest")
    create(service, "wary", app.url, image, *pulls)
    create(
        service, "open", app.url, image, *pulls, "--trigger-forks", "true", "--secret-arg", "PROBE=env:PROBE"
    )
    service.start()
    app.tell(service, head_id=2)

    app.commit(f="strange")
    app.push("refs/pull/8/head")

    (run,) = settled(service, 1)
    assert (run.task, run.cause, run.status) == ("open", "pull-request", "Failed")
    assert "from a fork: without credentials and secrets" in service.tracker("logs", run.run_id).stdout


def test_only_changes_of_its_paths_start_a_task(shared_yard: Yard, service: RealService, app: Forge) -> None:
    image = shared_yard.shelf.name("paths/app:latest")
    create(service, "paths", f"{app.url}#main", image, "--trigger-path", "f", "--trigger-path", "src/**")
    service.start()
    app.tell(service)

    app.commit(docs__page="words")
    app.push()
    app.commit("[skip ci] not now", f="third")
    app.push()
    wanted = app.commit(src__a="code")
    app.push()

    (run,) = settled(service, 1)
    assert wanted in service.tracker("task", "show-run", "--run-id", run.run_id).stdout


def test_one_commit_to_a_base_and_to_what_stands_on_it_is_one_wave_in_order(
    shared_yard: Yard, service: RealService, app: Forge
) -> None:
    base, top = (shared_yard.shelf.name(f"plan/{name}:latest") for name in ("base", "app"))
    app.commit(base__Dockerfile=PLAIN, base__f="1", app__Dockerfile=f"FROM {base}\nCOPY f /g\n", app__f="1")
    app.push()
    create(service, "plan-app", f"{app.url}#main:app", top)
    create(service, "plan-base", f"{app.url}#main:base", base)
    service.start()
    app.tell(service)

    app.commit(base__f="2", app__f="2")
    app.push()

    first, second = sorted(settled(service, 2), key=lambda run: run.run_id)
    assert [(run.task, run.cause, run.status) for run in (first, second)] == [
        ("plan-base", "commit", "Succeeded"),
        ("plan-app", "commit", "Succeeded"),
    ]
    assert service.query("SELECT count(DISTINCT wave_id), count(wave_id) FROM runs") == [(1, 2)]

    app.commit(base__f="3", app__f="3")
    app.push()

    assert [run.task for run in sorted(settled(service, 4), key=lambda run: run.run_id)][2:] == [
        "plan-base",
        "plan-app",
    ]


def test_a_task_file_of_a_pull_request_pushes_nothing_whatever_its_steps_say(
    shared_yard: Yard, service: RealService, app: Forge
) -> None:
    image = shared_yard.shelf.name("steps/app:latest")
    (app.work.folder / "acb.yaml").write_text(f"steps:\n  - build: -t {image} .\n  - push: [{image}]\n")
    app.commit()
    app.push()
    words = ("task", "create", "-n", "steps", "-c", app.url, "-f", "acb.yaml")
    service.tracker(*words, "--commit-trigger-enabled", "false", "--pull-request-trigger-enabled", "true")
    service.start()
    app.tell(service)

    app.commit(f="proposed")
    app.push("refs/pull/9/head")

    (run,) = settled(service, 1)
    assert (run.cause, run.status) == ("pull-request", "Succeeded")
    assert f"Not pushed: {image}" in service.tracker("logs", run.run_id).stdout
    assert service.query("SELECT count(*) FROM builds") == [(0,)]
    assert shared_yard.shelf.digest(image) is None
