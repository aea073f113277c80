"""Killed at any moment, the service comes back, finishes what was due, and does nothing twice."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest

from tests.e2e.bases import Shelf, with_shell
from tests.e2e.scenes import Scene, Seed, diamond, scene
from tests.e2e.yard import NO_POLL, QUICK, Yard
from tests.faulty_registry import faulty_registry
from tests.hostile_registry import Reply
from tests.real_service import RealService, processes_with

KILLS = 20
SEED = 20261123


@pytest.fixture(scope="module")
def app(shared_yard: Yard) -> Seed:
    """One image on a base."""
    return Seed.plant(scene(shared_yard, "crash", app="FROM BASE\nCOPY f /f\n"))


@pytest.fixture(scope="module")
def planted_diamond(shared_yard: Yard) -> Seed:
    return Seed.plant(diamond(shared_yard, "crash-diamond"))


@pytest.fixture
def service(app: Seed) -> Iterator[RealService]:
    with app.service() as made:
        yield made


def assert_done_again_once(made: Scene, service: RealService, *, name: str = "app") -> None:
    (run,) = made.rebuilt(service, name)
    assert (run.status, run.attempt) == ("Succeeded", 2), service.log


def test_a_build_that_is_killed_leaves_no_process_and_is_done_again_once(shared_yard: Yard) -> None:
    made = scene(shared_yard, "orphan", app="FROM BASE\nRUN [ ! -e /slow ] || /bin/sh -c 'sleep 86399'\n")
    made.shelf.put(made.base, with_shell("first"))
    with shared_yard.service() as service:
        made.build(service)
        service.start()
        made.shelf.put(made.base, with_shell("slow", slow=b""))
        service.until(lambda: processes_with("sleep 86399"), "the step to run")

        service.kill()
        service.until(lambda: not processes_with("sleep 86399"), "the step to end with the service")
        service.until(
            lambda: not processes_with(str(shared_yard.storage)), "the engine to end with the service"
        )
        made.shelf.put(made.base, with_shell("second"))
        service.start()
        made.wait_until_settled(service)

        assert_done_again_once(made, service)


def test_a_push_that_was_not_recorded_is_recorded_and_not_repeated(app: Seed, service: RealService) -> None:
    made = app.scene
    service.hook("after-push")
    service.start()
    made.push_base("second, pushed and not recorded")
    service.wait_until_held()
    pushed = made.shelf.digest(made.image("app"))

    service.kill()
    service.unhook("after-push")
    service.hook("before-push", "exit 9\n")  # a second push would fail
    service.start()
    made.wait_until_settled(service)

    assert_done_again_once(made, service)
    assert made.shelf.digest(made.image("app")) == pushed != app.tags[made.image("app")]


def test_a_push_of_a_task_file_that_was_not_recorded_is_not_repeated(shared_yard: Yard) -> None:
    made = scene(shared_yard, "filed", app="FROM BASE\nRUN echo $RANDOM$RANDOM > /unlike-any-other\n")
    made.shelf.put(made.base, with_shell("first"))
    name = made.image("app")
    steps = f"steps: [{{build: --no-cache -t {name} .}}, {{id: out, push: [{name}]}}]\n"
    (made.projects["app"] / "acb.yaml").write_text(steps)
    with shared_yard.service(NO_POLL) as service:
        service.tracker("task", "create", "-n", "filed", "-c", made.projects["app"], "-f", "acb.yaml")
        service.hook("after-push")
        service.start()
        service.tracker("task", "run", "-n", "filed", "--no-wait")
        service.wait_until_held()
        pushed = made.shelf.digest(name)

        service.kill()
        service.unhook("after-push")
        service.start()
        service.until(service.is_idle, "the run to be done again")

        (run,) = service.runs("filed")
        assert (run.status, run.attempt) == ("Succeeded", 2), service.log
        assert made.shelf.digest(name) == pushed
        assert f"The interrupted attempt had pushed {name}" in service.tracker("logs", run.run_id).stdout


def test_a_build_that_was_killed_before_its_push_is_built_on_what_is_newest_then(
    app: Seed, service: RealService
) -> None:
    made = app.scene
    service.hook("before-push")
    service.start()
    made.push_base("second, built on and not pushed")
    service.wait_until_held()

    service.kill()
    made.push_base("third, pushed while the service was down")
    service.unhook("before-push")
    service.start()
    made.wait_until_settled(service)

    assert_done_again_once(made, service)


def test_an_event_that_was_acknowledged_is_dealt_with_after_a_kill(shared_yard: Yard) -> None:
    with faulty_registry(shared_yard.registry) as proxy:
        made = scene(
            shared_yard, "letter", Shelf(shared_yard.registry, proxy.host), app="FROM BASE\nCOPY f /f\n"
        )
        made.push_base("first")
        with shared_yard.service(NO_POLL, events=True) as service:
            made.build(service)
            service.start()
            proxy.fault = lambda seen: Reply(hang=True) if seen.method == "HEAD" else None
            made.push_base("second")
            service.until(
                lambda: service.query("SELECT count(*) FROM inbox") == [(1,)], "the event to be stored"
            )

            service.kill()
            proxy.heal()
            service.start()
            made.wait_until_settled(service)

            assert len(made.rebuilt(service, "app")) == 1
            assert service.query("SELECT count(*) FROM inbox") == [(0,)]


def test_the_service_goes_on_with_the_run_of_a_command_that_was_killed(
    app: Seed, service: RealService
) -> None:
    made = app.scene
    (made.projects["app"] / "f").write_text("built by a command, with a service")
    service.start()
    service.hook("before-push")
    command = (
        "build",
        str(made.projects["app"]),
        "-t",
        made.image("app"),
        "--task",
        made.task("app"),
        "--server=none",
    )
    building = service.launch(*command, log="build.log")
    service.wait_until_held()

    building.kill()
    building.wait()
    service.unhook("before-push")
    service.until(service.is_idle, "the run to be done by the service")

    run = made.runs(service, "app")[-1]
    assert (run.cause, run.status, run.attempt) == ("manual", "Succeeded", 2)


def test_a_command_that_was_killed_holds_up_no_other_where_no_service_runs(
    app: Seed, service: RealService
) -> None:
    made = app.scene
    (made.projects["app"] / "f").write_text("built by a command, without a service")
    service.hook("before-push")
    command = (
        "build",
        str(made.projects["app"]),
        "-t",
        made.image("app"),
        "--task",
        made.task("app"),
    )
    building = service.launch(*command, log="build.log")
    service.wait_until_held()

    building.kill()
    building.wait()
    service.unhook("before-push")
    made.build(service, "app")

    assert service.is_idle()
    assert made.runs(service, "app")[-1].status == "Succeeded"


def test_several_runs_that_are_cut_off_at_once_are_all_done_again(shared_yard: Yard) -> None:
    made = scene(shared_yard, "several", **{name: f"FROM BASE\nCOPY f /{name}\n" for name in "xyz"})
    seed = Seed.plant(made)
    with seed.service({**QUICK, "TRACKER__REBUILD__WORKERS": "3"}) as service:
        service.hook("before-push")
        service.start()
        made.push_base("second")
        service.wait_until_held(times=3)

        service.kill()
        service.unhook("before-push")
        service.start()
        made.wait_until_settled(service)

        for name in "xyz":
            assert_done_again_once(made, service, name=name)


def test_sigterm_hands_runs_back_and_the_next_start_does_them(app: Seed, service: RealService) -> None:
    made = app.scene
    service.hook("before-push")
    service.start()
    made.push_base("second, and then SIGTERM")
    service.wait_until_held()

    status = service.stop()
    (handed_back,) = made.rebuilt(service, "app")
    service.unhook("before-push")
    service.start()
    made.wait_until_settled(service)

    assert (status, handed_back.status, handed_back.attempt) == (0, "Queued", 2)
    assert_done_again_once(made, service)


def test_a_wave_that_is_killed_again_and_again_ends_like_any_other(planted_diamond: Seed) -> None:
    chance, made = random.Random(SEED), planted_diamond.scene
    with planted_diamond.service() as service:
        for kill in range(KILLS):
            if kill % 4 == 0:
                made.push_base(f"base {kill}, in the middle of kills")
            service.start()
            time.sleep(chance.uniform(0.0, 1.2))  # where exactly the kill falls is left to chance
            service.kill()
        service.start()
        made.wait_until_settled(service)

        ends = {run.status for run in service.runs()}
        assert ends <= {"Succeeded", "Failed", "Error"}, service.log
        assert {made.rebuilt(service, name)[-1].status for name in "bcd"} == {"Succeeded"}
        assert service.query("SELECT count(*) FROM inbox") == [(0,)]
        assert [*(service.state / "scratch").iterdir()] == []
