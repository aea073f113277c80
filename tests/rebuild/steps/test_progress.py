"""Which steps start, wait, are skipped or stopped. No container is needed to decide that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rebuild.steps.progress import Progress, Trouble
from rebuild.taskfile import StepOutcome, StepStatus
from rebuild.taskfile.order import ancestors
from tests.rebuild.taskfile.reading import read

SIDE_BY_SIDE = "{id: aa, when: ['-'], cmd: x}, {id: bb, when: ['-'], cmd: x}"
OK, BAD = StepOutcome(StepStatus.SUCCEEDED, 0), StepOutcome(StepStatus.FAILED, 7)


def progress(text: str) -> Progress:
    return Progress(read(text).steps)


def test_a_step_waits_for_the_one_above() -> None:
    at_first = progress("steps: [{id: aa, cmd: x}, {id: bb, cmd: x}]")

    assert at_first.turn().start == ("aa",)
    assert at_first.started("aa").turn().start == ()
    assert at_first.started("aa").ended("aa", OK).turn().start == ("bb",)


def test_a_step_without_when_does_not_wait_for_two_above() -> None:
    both = progress(f"steps: [{SIDE_BY_SIDE}, {{id: cc, cmd: x}}]")

    one_ended = both.started("aa").started("bb").ended("bb", OK)

    assert one_ended.turn().start == ("cc",)


def test_a_step_waits_for_all_that_it_names() -> None:
    text = f"steps: [{SIDE_BY_SIDE}, {{id: cc, when: [aa, bb], cmd: x}}]"

    one_ended = progress(text).started("aa").started("bb").ended("bb", OK)

    assert one_ended.turn().start == ()
    assert one_ended.ended("aa", OK).turn().start == ("cc",)


def test_those_higher_up_start_first_where_not_all_may() -> None:
    three = progress("steps: [" + ", ".join(f"{{id: s{n}, when: ['-'], cmd: x}}" for n in range(3)) + "]")

    assert three.turn(2).start == ("s0", "s1")
    assert three.started("s0").turn(2).start == ("s1",)
    assert three.started("s0").started("s1").turn(2).start == ()


def test_a_failure_stops_what_runs_and_skips_what_waits() -> None:
    text = f"steps: [{SIDE_BY_SIDE}, {{id: cc, cmd: x}}]"

    failed = progress(text).started("aa").started("bb").ended("aa", BAD)

    assert failed.turn().stop == ("bb",)
    assert failed.turn().skip == ("cc",)
    assert failed.told_to_stop("bb").turn().stop == ()


def test_a_step_whose_condition_does_not_hold_is_in_nobodys_way() -> None:
    text = "steps: [{id: aa, if: 'false', cmd: x}, {id: bb, cmd: x}]"

    assert progress(text).turn().skip == ("aa",)
    assert progress(text).skipped("aa").turn().start == ("bb",)


def test_a_step_for_failures_runs_after_one_and_not_otherwise() -> None:
    text = "steps: [{id: aa, cmd: x}, {id: bb, if: failure(), cmd: x}]"
    running = progress(text).started("aa")

    assert running.ended("aa", BAD).turn().start == ("bb",)
    assert running.ended("aa", OK).turn().skip == ("bb",)


def test_a_step_for_failures_is_not_stopped_by_another_failure() -> None:
    text = """
        steps:
        - {id: aa, cmd: x}
        - {id: bb, if: failure(), cmd: x}
        - {id: cc, if: failure(), cmd: x, when: [aa]}
    """

    failed = progress(text).started("aa").ended("aa", BAD).started("bb").started("cc").ended("bb", BAD)

    assert failed.turn().stop == ()


def test_a_step_for_failures_waits_for_those_that_are_before_a_skipped_one() -> None:
    text = """
        steps:
        - {id: aa, cmd: x}
        - {id: bb, if: always(), cmd: x}
        - {id: cc, cmd: x}
        - {id: dd, if: failure() and steps.bb.status == 'succeeded', cmd: x}
    """

    failed = progress(text).started("aa").ended("aa", BAD).skipped("cc")

    assert failed.turn().start == ("bb",)
    assert failed.started("bb").turn().start == ()
    assert failed.started("bb").ended("bb", OK).turn().start == ("dd",)


def test_last_steps_run_after_a_cancellation_which_is_no_failure() -> None:
    text = """
        steps:
        - {id: aa, cmd: x}
        - {id: bb, finally: true, if: failure(), cmd: x}
        - {id: cc, finally: true, if: canceled(), cmd: x}
    """

    canceled = progress(text).started("aa").interrupted(Trouble.CANCELED)

    assert canceled.turn().stop == ("aa",)
    stopped = canceled.ended("aa", StepOutcome(StepStatus.CANCELED))
    assert stopped.turn().skip == ("bb",)
    assert stopped.skipped("bb").turn().start == ("cc",)
    assert stopped.trouble is Trouble.CANCELED


def test_a_closed_run_starts_nothing_and_stops_everything() -> None:
    text = "steps: [{id: aa, finally: true, cmd: x}, {id: bb, finally: true, cmd: x}]"

    closed = progress(text).started("aa").closed()

    assert (closed.turn().stop, closed.turn().skip) == (("aa",), ("bb",))


@st.composite
def _task_texts(draw: st.DrawFn) -> str:
    lines = ["steps:"]
    for number in range(draw(st.integers(1, 8))):
        above = [f"s{n}" for n in range(number)]
        when = draw(
            st.one_of(st.none(), st.just(["-"]), st.sets(st.sampled_from(above)) if above else st.none())
        )
        condition = draw(st.sampled_from([None, "success()", "failure()", "always()", "'x' == 'y'"]))
        lines.append(f"- {{id: s{number}, cmd: x")
        lines[-1] += f", when: [{', '.join(repr(one) for one in sorted(when))}]" if when else ""
        lines[-1] += f', if: "{condition}"' if condition else ""
        lines[-1] += "}"
    return "\n".join(lines)


@given(_task_texts(), st.data())
def test_every_run_comes_to_an_end_and_no_step_starts_before_those_it_waits_for(
    text: str, data: st.DataObject
) -> None:
    at = progress(text)
    before = ancestors({step.id: step.depends_on for step in at.steps})
    for _ in range(200):
        turn = at.turn(3)
        for step_id in turn.skip:
            at = at.skipped(step_id)
        for step_id in turn.stop:
            at = at.told_to_stop(step_id).ended(step_id, StepOutcome(StepStatus.CANCELED))
        for step_id in turn.start:
            assert before[step_id] <= at.outcomes.keys()
            at = at.started(step_id)
        if at.is_over:
            break
        if at.running and not turn:
            step_id = data.draw(st.sampled_from(sorted(at.running)))
            at = at.ended(step_id, data.draw(st.sampled_from([OK, BAD])))

    assert at.is_over
