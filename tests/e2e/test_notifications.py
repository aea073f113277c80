"""The real service tells others how it goes: nothing is lost by a kill, and no secret is shown by it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e.scenes import Scene, Seed, scene
from tests.e2e.yard import QUICK, Yard
from tests.real_receiver import KEY, Receiver
from tests.real_service import RealService

HIDDEN = "s3cret-part-of-the-address"
TOKEN = "t0ken-of-the-deployer"


@pytest.fixture(scope="module")
def app(shared_yard: Yard) -> Seed:
    """One image on a base."""
    return Seed.plant(scene(shared_yard, "told", app="FROM BASE\nCOPY f /f\n"))


def webhook(receiver: Receiver, path: str, **more: str) -> dict[str, str]:
    section = "TRACKER__NOTIFY__OPS__"
    named = {f"{section}{name.upper()}": value for name, value in more.items()}
    address = receiver.url(f"{path}/{HIDDEN}")
    return {f"{section}WEBHOOK": address, f"{section}SECRET": KEY, f"{section}TIMEOUT": "5m", **named}


def told_by(receiver: Receiver, path: str) -> list[Mapping[str, Any]]:
    return [json.loads(request.body) for request in receiver.at(f"{path}/{HIDDEN}")]


def start_and_move_the_base(service: RealService, made: Scene, **variables: str) -> None:
    service.start(**variables)
    made.push_base("moved")


def test_a_message_that_a_kill_cut_off_arrives_after_the_next_start(app: Seed, receiver: Receiver) -> None:
    with app.service(QUICK) as service:
        start_and_move_the_base(service, app.scene, **webhook(receiver, "/hang"))
        service.until(lambda: receiver.got, "the message to be sent")

        service.kill()
        service.start(**webhook(receiver, "/ok"))
        service.until(lambda: told_by(receiver, "/ok"), "the message to be sent again")
        service.until(lambda: service.query("SELECT count(*) FROM outbox") == [(0,)], "it to be settled")

        first, again = receiver.got
        assert first.delivery == again.delivery
        assert again.is_signed_with(KEY)
        told = json.loads(again.body)
        assert told["type"] == "wave.finished"
        (run,) = told["data"]["runs"]
        assert (run["task"], run["cause"], run["outcome"]) == (
            app.scene.task("app"),
            "base-image",
            "succeeded",
        )
        assert run["reason"][0]["base"].startswith(app.scene.base_name)


def test_a_run_that_ended_while_no_service_ran_is_told_by_the_next(app: Seed, receiver: Receiver) -> None:
    with app.service() as service:
        (app.scene.projects["app"] / "f").write_text("built without a service")
        app.scene.build(service)
        built = service.runs()[-1].run_id

        service.start(**webhook(receiver, "/ok", on='["succeeded"]'))
        service.until(
            lambda: built in [told["data"]["run"]["run_id"] for told in told_by(receiver, "/ok")],
            "the run to be told",
        )


def test_a_failure_that_is_tried_again_and_again_is_told_once(shared_yard: Yard, receiver: Receiver) -> None:
    made = scene(shared_yard, "fails", app="FROM BASE\nCOPY f /f\n")
    with Seed.plant(made).service({**QUICK, "TRACKER__REBUILD__RETRY_DELAYS": '["5s"]'}) as service:
        service.hook("before-build", "exit 9\n")
        start_and_move_the_base(service, made, **webhook(receiver, "/ok"))
        service.until(
            lambda: len([run for run in made.rebuilt(service, "app") if run.finished_at]) >= 2,
            "two tries",
        )
        service.unhook("before-build")
        made.wait_until_settled(service)
        service.until(lambda: len(told_by(receiver, "/ok")) >= 2, "failure and recovery to be told")

        outcomes = [told["data"]["runs"][0]["outcome"] for told in told_by(receiver, "/ok")]
        assert outcomes == ["failed", "recovered"]


def test_the_endpoint_of_a_base_image_trigger_gets_the_update_and_the_token(
    app: Seed, receiver: Receiver
) -> None:
    made = app.scene
    with app.service() as service:
        name = ("-n", made.task("app"))
        service.tracker("task", "update", *name, "--update-trigger-endpoint", receiver.url("/ok/update"))
        service.tracker("task", "run", *name, "--update-trigger-token", "env:TOKEN", TOKEN=TOKEN)
        start_and_move_the_base(service, made)
        made.wait_until_settled(service)
        service.until(lambda: receiver.at("/ok/update"), "the endpoint to be told")

        (request,) = receiver.at("/ok/update")
        told = json.loads(request.body)
        (rebuilt,) = made.rebuilt(service, "app")
        assert (told["updateTriggerToken"], told["runId"]) == (TOKEN, rebuilt.run_id)
        assert [f"{i['registry']}/{i['repository']}:{i['tag']}" for i in told["images"]] == [made.base_name]
        assert TOKEN not in service.log


def test_addresses_are_shown_nowhere(app: Seed, receiver: Receiver) -> None:
    with app.service() as service:
        address = webhook(receiver, "/echo")
        start_and_move_the_base(service, app.scene, **address)
        service.until(lambda: "message failed" in service.log, "the message to be refused")

        shown = service.tracker("config", "show", **address).stdout
        waiting = service.tracker("notify", "waiting").stdout
        tested = service.tracker("notify", "test", expect=1, **address)

        assert "HTTP 500" in waiting
        texts = (shown, waiting, tested.stdout, tested.stderr, service.log, service.get("/metrics")[1])
        assert [text for text in texts if HIDDEN in text or KEY in text] == []
