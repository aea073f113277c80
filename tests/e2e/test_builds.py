"""What users build, and what becomes of it: options, mistakes, unchanged content, broken bases."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.bases import layered_image, with_shell
from tests.e2e.scenes import scene
from tests.e2e.yard import Yard, assert_recorded_is_used
from tests.real_service import RealService


@pytest.fixture(scope="module")
def polling(shared_yard: Yard) -> Iterator[RealService]:
    with shared_yard.service() as service:
        yield service.start()


@pytest.mark.parametrize("reproducible", [True, False])
def test_a_rebuild_with_unchanged_content_pushes_nothing_and_stops_there(
    shared_yard: Yard, polling: RealService, reproducible: bool
) -> None:
    made = scene(
        shared_yard,
        f"same-{reproducible}".lower(),
        tool="FROM BASE AS made\n\nFROM scratch\nCOPY --from=made /tool /tool\n",
        top="FROM IMAGE_tool\nCOPY f /f\n",
    )
    made.shelf.put(made.base, layered_image("first", files={"tool": b"the same"}))
    made.build(polling, options=("--reproducible",) if reproducible else ())
    built = made.shelf.digest(made.image("tool"))

    made.shelf.put(made.base, layered_image("second", files={"tool": b"the same"}))
    made.wait_until_settled(polling)

    assert [run.status for run in made.rebuilt(polling, "tool")] == ["Succeeded"]
    assert made.shelf.digest(made.image("tool")) == built
    assert made.rebuilt(polling, "top") == []


def test_options_of_a_build_are_kept_for_its_rebuilds(shared_yard: Yard, polling: RealService) -> None:
    made = scene(
        shared_yard,
        "options",
        app="ARG WHICH\nFROM ${WHICH} AS chosen\nARG TEXT\nLABEL text=${TEXT}\n\nFROM BASE-unused AS last\n",
    )
    made.push_base("first")
    other = made.shelf.name("options/app:other")
    chosen = (f"--build-arg=WHICH={made.base_name}", "--build-arg=TEXT=said", "--target=chosen", "-t", other)
    made.build(polling, options=chosen)

    made.push_base("second")
    made.wait_until_settled(polling)

    assert len(made.rebuilt(polling, "app")) == 1
    assert made.shelf.digest(other) == made.shelf.digest(made.image("app"))
    assert made.shelf.config(other)["config"]["Labels"]["text"] == "said"
    assert_recorded_is_used(polling, made.shelf, other)


def test_an_image_that_was_only_tried_out_says_nothing_of_the_pushed_one(
    shared_yard: Yard, polling: RealService
) -> None:
    made = scene(shared_yard, "tried", app="FROM BASE\nCOPY f /f\n")
    made.push_base("first")
    polling.tracker("build", made.projects["app"], "-t", made.image("app"))
    pushed = made.shelf.digest(made.image("app"))

    made.push_base("second")
    polling.tracker("build", made.projects["app"], "-t", made.image("app"), "--no-push")
    polling.tracker("check", made.base_name)

    assert made.shelf.digest(made.image("app")) == pushed
    assert polling.read("deps", made.image("app"))["fresh"] is False


def test_without_a_name_the_image_is_built_and_not_pushed(shared_yard: Yard, polling: RealService) -> None:
    made = scene(shared_yard, "nameless", app="FROM BASE\nCOPY f /f\n")
    made.push_base("first")

    told = json.loads(polling.tracker("build", made.projects["app"], "--json").stdout)

    assert (told["status"], told["pushed"], told["digest"]) == ("Succeeded", False, None)
    assert [base["digest"] for base in told["bases"]] == [str(made.shelf.digest(made.base_name))]


def test_check_asks_now_and_the_service_sees_what_it_found(shared_yard: Yard) -> None:
    made = scene(shared_yard, "check", app="FROM BASE\nCOPY f /f\n")
    made.push_base("first")
    with shared_yard.service({"TRACKER__WATCH__INTERVAL": "1h"}) as service:
        made.build(service)
        service.start()
        made.push_base("second")

        told = json.loads(service.tracker("check", "--json").stdout)
        made.wait_until_settled(service)

        refused = service.tracker("check", "alpine:3", expect=2)

        assert "stands on alpine:3" in refused.stderr
        assert [(row["reference"], row["result"]) for row in told] == [(made.base_name, "changed")]
        assert len(made.rebuilt(service, "app")) == 1


def test_a_base_that_is_nowhere_is_named_with_its_line_before_anything_is_built(
    shared_yard: Yard, polling: RealService
) -> None:
    made = scene(shared_yard, "nowhere", app="# a comment\nFROM BASE\n")

    ended = polling.tracker("build", made.projects["app"], "-t", made.image("app"), expect=1)

    assert f"Dockerfile:2: base '{made.base_name}' cannot be resolved" in ended.stderr
    assert "STEP" not in ended.stderr
    assert made.shelf.digest(made.image("app")) is None


def test_a_mistake_in_the_dockerfile_changes_nothing(shared_yard: Yard, polling: RealService) -> None:
    made = scene(shared_yard, "mistake", app="FROM BASE\nCOPIE f /f\n")
    before = polling.runs()

    command = ("build", made.projects["app"], "-t", made.image("app"), "--task", "mistake")
    ended = polling.tracker(*command, expect=2)

    assert "Dockerfile:2: " in ended.stderr
    assert polling.runs() == before
    assert polling.query("SELECT 1 FROM tasks WHERE name = 'mistake'") == []


def test_a_task_follows_its_dockerfile_to_another_base(shared_yard: Yard, polling: RealService) -> None:
    made = scene(shared_yard, "follow", app="FROM BASE\nCOPY f /f\n")
    made.push_base("first")
    made.build(polling)
    other = made.shelf.push("follow/other", "the other base")

    (made.projects["app"] / "Dockerfile").write_text(f"FROM {other}\nCOPY f /f\n")
    made.push_base("second")
    made.wait_until_settled(polling)
    made.shelf.push("follow/other", "the other base, mended")
    made.wait_until_settled(polling)

    assert [base["reference"] for base in polling.read("deps", made.image("app"))["bases"]] == [other]
    assert len(made.rebuilt(polling, "app")) == 2


def test_a_base_that_is_deleted_leaves_the_image_alone_until_it_is_back(
    shared_yard: Yard, polling: RealService
) -> None:
    made = scene(shared_yard, "deleted", app="FROM BASE\nCOPY f /f\n")
    made.push_base("first")
    made.build(polling)
    built = made.shelf.digest(made.image("app"))

    made.shelf.delete(made.base_name)
    polling.until(lambda: last_error(polling, made.base_name), "a poll to find that the base is gone")
    left_alone = made.rebuilt(polling, "app"), made.shelf.digest(made.image("app"))
    made.push_base("second")
    made.wait_until_settled(polling)

    assert left_alone == ([], built)
    assert len(made.rebuilt(polling, "app")) == 1


def last_error(service: RealService, name: str) -> str | None:
    rows = service.query(
        "SELECT o.error FROM observations o JOIN images i ON i.id = o.image_id WHERE i.name = ?", name
    )
    return rows[0][0] if rows else None


def test_a_base_that_cannot_be_rebuilt_holds_up_what_stands_on_it_and_nothing_else(
    shared_yard: Yard, polling: RealService
) -> None:
    made = scene(
        shared_yard,
        "broken",
        low="FROM BASE\nRUN [ ! -e /breaks ]\n",
        top="FROM IMAGE_low\nCOPY --from=BASE /base.txt /from-base\n",
        beside="FROM BASE\nCOPY f /f\n",
    )
    made.shelf.put(made.base, with_shell("first"))
    made.build(polling)

    made.shelf.put(made.base, with_shell("second", breaks=b""))
    polling.until(
        lambda: [run for run in made.rebuilt(polling, "low") if run.status == "Failed"], "low to fail"
    )
    polling.until(lambda: made.rebuilt(polling, "beside"), "its neighbour to be rebuilt")
    why = polling.read("why", made.image("top"))
    top_meanwhile = made.rebuilt(polling, "top")
    (made.projects["low"] / "Dockerfile").write_text(f"FROM {made.base_name}\nCOPY f /mended\n")
    made.wait_until_settled(polling)

    assert (why["verdict"], why["reason"]) in {("wait", "base-failed"), ("wait", "base-pending")}
    assert top_meanwhile == []
    assert [run.status for run in made.rebuilt(polling, "top")] == ["Succeeded"]
    assert made.rebuilt(polling, "low")[-1].status == "Succeeded"
