"""From the end of runs and waves to messages: none is lost, none comes twice, and no wave sends hundreds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from graph.database import immediate
from rebuild.runs.outbox import Kind, Message, Outbox
from rebuild.runs.table import Cause, Runs, Status
from rebuild.secrets.secret import Secret
from tests.graph_samples import Sample
from tracker.outbound.announce import Announcer
from tracker.outbound.channel import Channel
from tracker.outbound.ended import Unannounced
from tracker.outbound.notice import Notice, Wants
from tracker.outbound.words import Mood, words_of

REASON = [
    {
        "base": "docker.io/library/debian:12",
        "platform": "linux/amd64",
        "from": "sha256:" + "a" * 64,
        "to": "sha256:" + "b" * 64,
        "since": "2026-11-23T09:00:00.000Z",
    }
]


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = Sample.make(tmp_path / "state")
    yield made
    made.sql.close()


def channel(name: str = "ops", wants: Wants | None = None, addresses: int = 1) -> Channel:
    return Channel(name, Kind.APPRISE, (Secret("json://127.0.0.1/"),) * addresses, wants or Wants())


def announced(sample: Sample, *channels: Channel, later: timedelta = timedelta()) -> list[Message]:
    announcer = Announcer({one.name: one for one in channels}, "https://tracker.example.com")
    with immediate(sample.sql):
        announcer.announce(sample.sql, sample.at + later)
    return Outbox(sample.sql).all(1000)


def nothing_is_left(sample: Sample) -> bool:
    unannounced = Unannounced(sample.sql, sample.at + timedelta(days=3))
    return not unannounced.runs() and not unannounced.waves()


def end(
    sample: Sample,
    task: str = "web",
    status: Status = Status.FAILED,
    *,
    wave: int | None = None,
    error: str | None = None,
) -> str:
    saved = sample.task(task, f"localhost:5000/{task}:1")
    with immediate(sample.sql):
        runs = Runs(sample.sql)
        run = runs.add(
            saved.definition, Cause.BASE_IMAGE, sample.at, task_id=saved.task_id, wave_id=wave, reason=REASON
        )
        runs.claim(sample.at, "a process", run_id=run.run_id)
        outputs = [{"reference": f"localhost:5000/{task}:1", "digest": "sha256:" + "c" * 64}]
        runs.finish(
            run,
            status,
            sample.at + timedelta(seconds=42),
            error=error,
            outputs=outputs if status is Status.SUCCEEDED else [],
        )
    return run.run_id


def new_wave(sample: Sample, tasks: int) -> int:
    with immediate(sample.sql):
        return Runs(sample.sql).add_wave([*range(tasks)], 1.0, 1.0, sample.at)


def close(sample: Sample, wave: int) -> None:
    with immediate(sample.sql):
        Runs(sample.sql).finish_wave(wave, sample.at + timedelta(minutes=5))


def test_a_run_that_failed_becomes_one_message_for_each_address(sample: Sample) -> None:
    run_id = end(sample, error="exit status 1: no such file")

    first, second = announced(sample, channel(addresses=2))

    assert (first.lane.target, second.lane.target) == (0, 1)
    assert first.delivery != second.delivery
    run = first.body["data"]["run"]
    assert (first.body["type"], first.body["version"], run["run_id"], run["task"]) == (
        "run.failed", 1, run_id, "web",
    )  # fmt: skip
    assert run["log_url"] == f"https://tracker.example.com/api/v1/runs/{run_id}/log"
    assert (run["reason"], run["duration_s"]) == (REASON, 42.0)


def test_what_was_announced_is_not_announced_again(sample: Sample) -> None:
    end(sample)
    announced(sample, channel())

    assert len(announced(sample, channel())) == 1
    assert nothing_is_left(sample)


def test_where_nobody_is_told_nothing_is_left_to_announce(sample: Sample) -> None:
    end(sample)

    assert announced(sample) == []
    assert nothing_is_left(sample)


def test_what_ended_long_ago_is_no_news(sample: Sample) -> None:
    end(sample)

    assert announced(sample, channel(), later=timedelta(days=2)) == []
    assert nothing_is_left(sample)


def test_a_wave_of_two_hundred_runs_is_one_message(sample: Sample) -> None:
    wave = new_wave(sample, 200)
    for number in range(200):
        end(sample, f"t{number}", Status.FAILED if number == 7 else Status.SUCCEEDED, wave=wave)
    before = announced(sample, channel())
    close(sample, wave)

    (message,) = announced(sample, channel())

    assert before == []
    told = message.body["data"]
    assert message.body["type"] == "wave.finished"
    assert (told["wave"]["tasks_succeeded"], told["wave"]["tasks_failed"]) == (199, 1)
    assert (len(told["runs"]), told["runs_left_out"], told["runs"][0]["task"]) == (100, 100, "t7")


def test_a_task_that_failed_and_then_succeeded_in_a_wave_succeeded(sample: Sample) -> None:
    wave = new_wave(sample, 1)
    end(sample, "web", Status.FAILED, wave=wave)
    end(sample, "web", Status.SUCCEEDED, wave=wave)
    close(sample, wave)

    (message,) = announced(sample, channel())

    assert [run["outcome"] for run in message.body["data"]["runs"]] == ["recovered"]


def test_a_wave_that_waits_for_another_try_tells_of_the_failure(sample: Sample) -> None:
    wave = new_wave(sample, 2)
    end(sample, "base", Status.FAILED, wave=wave)

    at_once = announced(sample, channel(), later=timedelta(seconds=43))
    (message,) = announced(sample, channel(), later=timedelta(seconds=60))

    assert at_once == []
    assert message.body["type"] == "wave.waiting"
    assert [run["outcome"] for run in message.body["data"]["runs"]] == ["failed"]


def test_a_failure_is_told_though_the_next_try_has_failed_too(sample: Sample) -> None:
    wave = new_wave(sample, 1)
    end(sample, "base", Status.FAILED, wave=wave)
    end(sample, "base", Status.FAILED, wave=wave)

    (message,) = announced(sample, channel(), later=timedelta(minutes=5))

    assert message.body["data"]["wave"]["tasks_failed"] == 1


def test_a_wave_goes_on_where_its_last_message_ended(sample: Sample) -> None:
    wave = new_wave(sample, 2)
    end(sample, "web", Status.SUCCEEDED, wave=wave)
    end(sample, "base", Status.FAILED, wave=wave)
    announced(sample, channel(), later=timedelta(minutes=5))
    end(sample, "base", Status.FAILED, wave=wave)
    announced(sample, channel(), later=timedelta(minutes=6))
    end(sample, "base", Status.SUCCEEDED, wave=wave)
    close(sample, wave)

    messages = announced(sample, channel())

    told = [[(run["task"], run["outcome"]) for run in one.body["data"]["runs"]] for one in messages]
    assert told == [[("base", "failed"), ("web", "succeeded")], [("base", "recovered")]]
    assert [one.body["type"] for one in messages] == ["wave.waiting", "wave.finished"]


def test_a_wave_with_a_run_under_way_is_not_told_yet(sample: Sample) -> None:
    wave = new_wave(sample, 2)
    end(sample, "web", Status.FAILED, wave=wave)
    task = sample.task("db", "localhost:5000/db:1")
    with immediate(sample.sql):
        Runs(sample.sql).add(task.definition, Cause.BASE_IMAGE, sample.at, task_id=task.task_id, wave_id=wave)

    assert announced(sample, channel(), later=timedelta(minutes=5)) == []


def test_a_failure_that_repeats_is_told_once_and_the_recovery_after_it(sample: Sample) -> None:
    for status in (Status.SUCCEEDED, Status.FAILED, Status.FAILED, Status.ERROR, Status.SUCCEEDED):
        end(sample, status=status)

    assert [one.body["type"] for one in announced(sample, channel())] == ["run.failed", "run.recovered"]


def test_every_channel_has_its_own_filter(sample: Sample) -> None:
    end(sample, "web")
    end(sample, "db")

    messages = announced(
        sample,
        channel("web-team", Wants(tasks=("web*",))),
        channel("db-team", Wants(tasks=("db*",))),
        channel("nobody", Wants(on=frozenset({Notice.SUCCEEDED}))),
    )

    told = {(one.lane.receiver, one.body["data"]["run"]["task"]) for one in messages}
    assert told == {("web-team", "web"), ("db-team", "db")}


def test_a_message_that_waits_holds_no_address(sample: Sample) -> None:
    end(sample)
    announced(sample, channel())

    (row,) = sample.sql.execute("SELECT * FROM outbox").fetchall()
    assert "json://" not in json.dumps(row)


class TestInWords:
    def told(self, sample: Sample) -> Any:
        (message,) = announced(sample, channel(wants=Wants(on=frozenset(Notice))))
        return words_of(message.body)

    def test_a_failure_says_what_why_how_long_and_where_the_log_is(self, sample: Sample) -> None:
        run_id = end(sample, error="exit status 1: no such file")

        words = self.told(sample)

        assert words.subject == "tracker: web failed"
        assert words.mood is Mood.BAD
        assert words.body.splitlines() == [
            "web failed after 42s.",
            "Why it ran: debian:12 (linux/amd64) moved, aaaaaaaaaaaa → bbbbbbbbbbbb",
            "Error: exit status 1: no such file",
            f"Log of run {run_id}: https://tracker.example.com/api/v1/runs/{run_id}/log",
        ]

    def test_a_success_names_what_was_made(self, sample: Sample) -> None:
        end(sample, status=Status.SUCCEEDED)

        words = self.told(sample)

        assert words.subject == "tracker: web succeeded"
        assert "Made: localhost:5000/web:1@cccccccccccc" in words.body

    def test_a_quick_run_is_called_by_what_it_was_to_make(self, sample: Sample) -> None:
        sample.run(None, Status.FAILED, hours=1, images=["localhost:5000/quick:1"], error="no")
        wants = Wants(causes=frozenset(Cause))

        (message,) = announced(sample, channel(wants=wants))

        assert words_of(message.body).subject == "tracker: localhost:5000/quick:1 failed"

    def test_a_wave_counts_its_tasks_and_names_them(self, sample: Sample) -> None:
        wave = new_wave(sample, 3)
        end(sample, "web", Status.SUCCEEDED, wave=wave)
        end(sample, "db", Status.FAILED, wave=wave, error="exit status 2: oh")
        close(sample, wave)

        words = self.told(sample)

        assert words.subject == "tracker: 1 task rebuilt, 1 failed"
        lines = words.body.splitlines()
        assert lines[0] == "1 task rebuilt, 1 failed, in 5m."
        assert lines[1] == "Because debian:12 (linux/amd64) moved, aaaaaaaaaaaa → bbbbbbbbbbbb."
        assert lines[2] == "1 more task needed no rebuild, or waits for one that failed."
        assert lines[4] == "- db failed after 42s: exit status 2: oh"
        assert lines[5].startswith("  log: https://tracker.example.com/api/v1/runs/")
        assert lines[6] == "- web succeeded after 42s"

    def test_a_wave_of_one_task_is_told_as_its_run(self, sample: Sample) -> None:
        wave = new_wave(sample, 1)
        end(sample, "web", Status.SUCCEEDED, wave=wave)
        close(sample, wave)

        assert self.told(sample).subject == "tracker: web succeeded"

    def test_hostile_text_stays_on_its_line(self, sample: Sample) -> None:
        end(sample, error="exit status 1: \x1b[31mred\nSubject: spoofed\r\n" + "x" * 5000)

        body = self.told(sample).body

        assert "\x1b" not in body
        assert not [line for line in body.splitlines() if line.startswith("Subject:")]
        assert len(body) < 1000
