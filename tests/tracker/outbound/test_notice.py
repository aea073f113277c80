"""What there is to tell of a run or a wave, and who wants to hear it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rebuild.runs.record import Cause, Status
from tracker.outbound.notice import Ended, EndedWave, Notice, Wants, notices_of
from tracker.views.runs import RunRow

MOVED = {
    "base": "docker.io/library/debian:12",
    "platform": "linux/amd64",
    "from": "sha256:a",
    "to": "sha256:b",
}
BAD = [Status.FAILED, Status.ERROR, Status.TIMEOUT]


def run(status: Status = Status.SUCCEEDED, cause: Cause = Cause.BASE_IMAGE, **more: Any) -> RunRow:
    return replace(
        RunRow(
            run_id="a1",
            task="web",
            status=status,
            cause=str(cause),
            reason=[MOVED],
            definition={"step": {"images": []}},
            outputs=[],
            error=None,
            attempt=1,
            created_at="2026-11-23T10:00:00.000Z",
            started_at="2026-11-23T10:00:01.000Z",
            finished_at="2026-11-23T10:00:09.000Z",
        ),
        **more,
    )


def ended(status: Status = Status.SUCCEEDED, before: RunRow | None = None, **more: Any) -> Ended:
    row = run(status, **more)
    return Ended(row, notices_of(row, before))


def wave(*runs: Ended) -> EndedWave:
    return EndedWave(1, "2026-11-23T10:00:00.000Z", "2026-11-23T10:05:00.000Z", len(runs), runs)


class TestThereIsToTell:
    @pytest.mark.parametrize("status", BAD)
    def test_that_a_run_failed(self, status: Status) -> None:
        assert notices_of(run(status), run(Status.SUCCEEDED)) == {Notice.FAILED}

    @pytest.mark.parametrize("status", BAD)
    def test_nothing_of_another_try_on_the_same_bases(self, status: Status) -> None:
        assert notices_of(run(status), run(Status.FAILED)) == frozenset()

    def test_that_a_run_failed_again_on_another_base(self) -> None:
        later = run(Status.FAILED, reason=[{**MOVED, "to": "sha256:c"}])

        assert notices_of(later, run(Status.FAILED)) == {Notice.FAILED}

    def test_not_that_the_same_commit_could_not_be_built_again(self) -> None:
        def of(commit: str) -> RunRow:
            return run(Status.ERROR, Cause.COMMIT, reason=[{"subject": "heads/main", "commit": commit}])

        assert notices_of(of("2c3d"), of("2c3d")) == frozenset()
        assert notices_of(of("2c3d"), of("0a1b")) == {Notice.FAILED}

    @pytest.mark.parametrize("cause", [Cause.MANUAL, Cause.COMMIT, Cause.TIMER])
    def test_that_a_run_failed_again_that_somebody_asked_for(self, cause: Cause) -> None:
        assert notices_of(run(Status.FAILED, cause), run(Status.FAILED, cause)) == {Notice.FAILED}

    @pytest.mark.parametrize("status", BAD)
    def test_that_a_task_works_again(self, status: Status) -> None:
        assert notices_of(run(), run(status)) == {Notice.SUCCEEDED, Notice.RECOVERED}

    @pytest.mark.parametrize("before", [None, run(Status.SUCCEEDED)])
    def test_that_a_run_succeeded_as_usual(self, before: RunRow | None) -> None:
        assert notices_of(run(), before) == {Notice.SUCCEEDED}

    def test_nothing_of_a_run_that_somebody_canceled(self) -> None:
        assert notices_of(run(Status.CANCELED), run(Status.FAILED)) == frozenset()


class TestByDefault:
    def test_a_failure_is_told(self) -> None:
        assert Wants().includes(ended(Status.FAILED))

    def test_an_ordinary_success_is_not_told(self) -> None:
        assert not Wants().includes(ended(Status.SUCCEEDED))

    @pytest.mark.parametrize("cause", [Cause.QUICK, Cause.PULL_REQUEST])
    def test_runs_that_others_watch_are_not_told(self, cause: Cause) -> None:
        assert not Wants().includes(ended(Status.FAILED, cause=str(cause)))

    def test_a_wave_that_rebuilt_something_is_told(self) -> None:
        assert Wants().part_of(wave(ended(), ended()))

    def test_a_wave_of_repeated_failures_is_not_told(self) -> None:
        assert not Wants().part_of(wave(ended(Status.FAILED, run(Status.FAILED))))


class TestAFilter:
    @pytest.mark.parametrize(("pattern", "is_told"), [("we*", True), ("w?b", True), ("db-*", False)])
    def test_goes_by_the_name_of_the_task(self, pattern: str, is_told: bool) -> None:
        assert Wants(tasks=(pattern,)).includes(ended(Status.FAILED)) is is_told

    def test_of_names_leaves_runs_without_a_task_out(self) -> None:
        wants = Wants(tasks=("*b",), causes=frozenset(Cause))

        assert not wants.includes(ended(Status.FAILED, cause="quick", task=None))

    def test_shows_only_its_own_runs_of_a_wave(self) -> None:
        mine, other = ended(), ended(task="db")

        assert Wants(tasks=("web",)).part_of(wave(mine, other)) == (mine,)

    def test_that_wants_failures_alone_hears_nothing_of_a_wave_without_any(self) -> None:
        wants = Wants(on=frozenset({Notice.FAILED}))

        assert wants.part_of(wave(ended())) == ()
        assert len(wants.part_of(wave(ended(), ended(Status.FAILED)))) == 2
