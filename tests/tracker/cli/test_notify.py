"""`tracker notify`: who is told hears a test, and what waits is listed."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from graph.clock import now
from graph.database import immediate
from rebuild.runs.outbox import Kind, Lane, Outbox
from tests.graph_samples import Sample
from tests.real_receiver import KEY, Receiver
from tests.tracker.cli.conftest import Tracker
from tests.tracker.remote.desk_service import desk_service
from tracker.outbound.document import of_test


@pytest.fixture
def settings(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "tracker.toml"
    path.write_text(
        f'[notify.good]\nwebhook = "{receiver.url("/ok")}"\nsecret = "{KEY}"\n'
        f'[notify.bad]\nwebhook = "{receiver.url("/status/500")}"\nsecret = "{KEY}"\n'
    )
    monkeypatch.setenv("TRACKER_CONFIG", str(path))
    return path


def test_a_test_says_what_the_receiver_answered(tracker: Tracker, settings: Path, receiver: Receiver) -> None:
    answer = tracker("notify", "test", "good")

    host = f"http://127.0.0.1:{receiver.port}/…"
    assert (answer.status, answer.out, answer.err) == (0, f'good: {host}: HTTP 200: {{"taken": true}}\n', "")
    (request,) = receiver.got
    assert request.is_signed_with(KEY)
    assert isinstance(request.json, dict)
    assert request.json["type"] == "test"


def test_a_test_of_everybody_fails_where_one_does_not_take_it(
    tracker: Tracker, settings: Path, receiver: Receiver
) -> None:
    answer = tracker("notify", "test", "--json")

    assert answer.status == 1
    assert {one["channel"]: one["delivered"] for one in answer.json} == {"good": True, "bad": False}
    assert len(receiver.got) == 2


def test_a_name_that_nobody_has_is_refused_with_those_that_there_are(
    tracker: Tracker, settings: Path
) -> None:
    answer = tracker("notify", "test", "nobody")

    assert answer.status == 2
    assert answer.err == (
        "error: there is no section notify.nobody in the settings\nhint: there are: bad, good\n"
    )


def test_without_any_section_there_is_a_hint(tracker: Tracker) -> None:
    answer = tracker("notify", "test")

    assert answer.status == 2
    assert "docs/notifications.md" in answer.err


@pytest.mark.parametrize("place", ["here", "there"])
def test_what_waits_is_listed_with_its_last_error(
    tracker: Tracker, sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    with immediate(sample.sql):
        Outbox(sample.sql).put(Lane(Kind.WEBHOOK, "ops"), of_test("ops", now()), now())
        (message,) = Outbox(sample.sql).all(1)
        Outbox(sample.sql).put_off(message, now(), "HTTP 500: no")

    with contextlib.ExitStack() as stack:
        if place == "there":
            service = stack.enter_context(desk_service(tmp_path))
            monkeypatch.setenv("TRACKER_SERVER", service.socket)
        answer, (plain,) = tracker("notify", "waiting"), tracker("notify", "waiting", "--json").json

    assert answer.lines[1].split()[:3] == ["ops", "webhook", "test"]
    assert answer.lines[2].strip() == "HTTP 500: no"
    assert (plain["to"], plain["tries"], plain["error"]) == ("ops", 1, "HTTP 500: no")


def test_that_nothing_waits_is_said(tracker: Tracker, sample: Sample) -> None:
    assert tracker("notify", "waiting").err == "nothing waits to go out\n"
