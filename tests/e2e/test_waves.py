"""A base moves, and what stands on it is rebuilt: each image once, bases first, by event and by poll."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.bases import layered_image
from tests.e2e.scenes import Scene, diamond, scene
from tests.e2e.yard import NO_POLL, Yard, assert_recorded_is_used
from tests.real_service import RealService


@pytest.fixture(scope="module")
def told(shared_yard: Yard) -> Iterator[RealService]:
    """A service that hears of pushes, and would poll only after an hour."""
    with shared_yard.service(NO_POLL, events=True) as service:
        yield service.start()


@pytest.fixture(scope="module")
def polling(shared_yard: Yard) -> Iterator[RealService]:
    """A service that hears of nothing, and asks every second."""
    with shared_yard.service() as service:
        yield service.start()


def assert_one_wave(made: Scene, service: RealService) -> None:
    """b, c and d once each in one wave, d after both."""
    b, c, d = (made.rebuilt(service, name) for name in ("b", "c", "d"))
    assert [len(runs) for runs in (b, c, d)] == [1, 1, 1], service.log
    assert {run[0].status for run in (b, c, d)} == {"Succeeded"}
    assert len({run[0].wave for run in (b, c, d)}) == 1
    assert [run[0].cause for run in (b, c, d)] == ["base-image", "base-image", "upstream"]
    assert d[0].created_at >= max(str(b[0].finished_at), str(c[0].finished_at))


def test_a_diamond_is_rebuilt_in_one_wave_when_an_event_tells_of_the_base(
    shared_yard: Yard, told: RealService
) -> None:
    made = diamond(shared_yard, "by-event")
    made.push_base("first")
    made.build(told)

    made.push_base("second")
    made.wait_until_settled(told)

    assert_one_wave(made, told)


def test_a_diamond_is_rebuilt_in_one_wave_by_polling_alone(shared_yard: Yard, polling: RealService) -> None:
    made = diamond(shared_yard, "by-poll")
    made.push_base("first")
    made.build(polling)

    made.push_base("second")
    made.wait_until_settled(polling)

    assert_one_wave(made, polling)


def test_a_base_that_podman_pushes_moves_a_chain_of_three(shared_yard: Yard, told: RealService) -> None:
    made = scene(
        shared_yard, "chain", x="FROM BASE\nCOPY f /x\n", y="FROM IMAGE_x\nCOPY f /y\n", z="FROM IMAGE_y\n"
    )
    project = shared_yard.project("FROM scratch\nCOPY f /base.txt\n", f="first")
    told.tracker("build", project, "-t", made.base_name)
    made.build(told)

    (project / "f").write_text("second")
    push_with_podman(shared_yard, project, made.base_name)
    made.wait_until_settled(told)

    runs = [made.rebuilt(told, name) for name in "xyz"]
    assert [len(of_task) for of_task in runs] == [1, 1, 1]
    assert len({of_task[0].wave for of_task in runs}) == 1


def push_with_podman(yard: Yard, project: object, name: str) -> None:
    podman = ["podman", "--root", str(yard.storage), "--runroot", f"{yard.storage}-run"]
    subprocess.run(
        [*podman, "build", "--isolation=chroot", "-t", name, str(project)], check=True, capture_output=True
    )
    subprocess.run([*podman, "push", "--tls-verify=false", name], check=True, capture_output=True)


def test_two_bases_that_move_at_once_rebuild_an_image_on_both(shared_yard: Yard, told: RealService) -> None:
    tools = shared_yard.shelf.name("two/tools")
    made = scene(shared_yard, "two", app=f"FROM BASE\nCOPY --from={tools} /base.txt /tools.txt\n")
    made.push_base("first")
    made.shelf.push("two/tools", "first tools")
    made.build(told)

    made.push_base("second")
    made.shelf.push("two/tools", "second tools")
    made.wait_until_settled(told)

    assert 1 <= len(made.rebuilt(told, "app")) <= 2  # the second push may come while the first is built on


def test_a_change_for_a_foreign_platform_rebuilds_nothing(shared_yard: Yard, told: RealService) -> None:
    made = scene(shared_yard, "foreign", app="FROM BASE\nCOPY f /f\n")
    ours, theirs = layered_image("ours"), layered_image("theirs", architecture="arm64")
    made.shelf.put_index(made.base, amd64=ours, arm64=theirs)
    made.build(told)
    built = made.shelf.digest(made.image("app"))

    made.shelf.put_index(made.base, amd64=ours, arm64=layered_image("theirs, mended", architecture="arm64"))
    told.until(
        lambda: observed(told, made.base_name) == str(made.shelf.digest(made.base_name)), "the new index"
    )

    assert made.rebuilt(told, "app") == []
    assert made.shelf.digest(made.image("app")) == built
    assert told.read("deps", made.image("app"))["fresh"] is True

    made.shelf.put_index(made.base, amd64=layered_image("ours, mended"), arm64=theirs)
    told.until(lambda: len(made.rebuilt(told, "app")) == 1 and told.is_idle(), "the rebuild")
    layers = made.shelf.layers(made.image("app"))
    assert layers[0] == made.shelf.layers(made.base, digest=layered_image("ours, mended").digest)[0]


def observed(service: RealService, name: str) -> str | None:
    rows = service.query(
        "SELECT d.value FROM observations o JOIN images i ON i.id = o.image_id"
        " JOIN digests d ON d.id = o.digest_id WHERE i.name = ?",
        name,
    )
    return str(rows[0][0]) if rows else None


def test_our_own_pushes_come_back_as_events_and_change_nothing(shared_yard: Yard, told: RealService) -> None:
    made = scene(shared_yard, "own", x="FROM BASE\nCOPY f /x\n", y="FROM IMAGE_x\nCOPY f /y\n")
    made.push_base("first")
    made.build(told)
    before = len(told.runs())

    made.build(told, "x", options=("--no-cache",))
    made.wait_until_settled(told)
    told.until(lambda: told.query("SELECT count(*) FROM inbox") == [(0,)], "the inbox to be empty")

    pushes = len(told.runs()) - before
    moved = len(made.rebuilt(told, "y"))
    assert pushes == 1 + moved  # y follows only if the rebuild of x gave other layers


def test_an_event_that_comes_ten_times_rebuilds_once(shared_yard: Yard, told: RealService) -> None:
    made = scene(shared_yard, "ten", app="FROM BASE\nCOPY f /f\n")
    made.push_base("first")
    made.build(told)

    made.push_base("second")
    target = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": str(made.shelf.digest(made.base_name)),
        "repository": made.base,
        "tag": "latest",
    }
    event = {"action": "push", "target": target, "request": {"host": made.shelf.host}}
    statuses = [
        told.post("/events/distribution", json.dumps({"events": [event]}).encode()) for _ in range(10)
    ]
    made.wait_until_settled(told)

    assert statuses == [202] * 10
    assert len(made.rebuilt(told, "app")) == 1


def test_a_base_that_moves_during_the_wave_is_not_lost(shared_yard: Yard, told: RealService) -> None:
    made = scene(shared_yard, "again", app="FROM BASE\nCOPY f /f\n")
    made.push_base("first")
    made.build(told)
    told.hook("before-push")

    made.push_base("second")
    told.wait_until_held()
    made.push_base("third")
    told.until(lambda: observed(told, made.base_name) == str(made.shelf.digest(made.base_name)), "the third")
    told.unhook("before-push")
    made.wait_until_settled(told)

    assert len(made.rebuilt(told, "app")) == 2
    assert_recorded_is_used(told, made.shelf, made.image("app"))
