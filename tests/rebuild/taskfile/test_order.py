"""Which steps wait for which."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rebuild.taskfile.reading import fault, read, refused


def order(*steps: str) -> dict[str, tuple[str, ...]]:
    text = "steps:\n" + "".join(f"- {{cmd: x, {step}}}\n" for step in steps)
    return {step.id: step.depends_on for step in read(text).steps}


def test_steps_wait_for_the_one_above() -> None:
    assert order("id: a", "id: b", "id: c") == {"a": (), "b": ("a",), "c": ("b",)}


def test_a_dash_starts_a_step_at_once() -> None:
    assert order("id: a", "id: b, when: ['-']") == {"a": (), "b": ()}


def test_a_step_without_when_waits_for_the_one_above_and_no_other() -> None:
    assert order("id: a, when: ['-']", "id: b, when: ['-']", "id: c") == {"a": (), "b": (), "c": ("b",)}


def test_a_step_waits_for_all_that_it_names_each_once() -> None:
    assert order("id: a", "id: b, when: ['-']", "id: c, when: [a, b, a]")["c"] == ("a", "b")


def test_ids_that_nobody_gave_can_be_named() -> None:
    assert order("keep: on", "keep: on, when: ['-']", "when: [acb_step_0]")["acb_step_2"] == ("acb_step_0",)


@pytest.mark.parametrize(
    ("steps", "words", "hint"),
    [
        (["id: a", "id: b, when: ['-', a]"], "has '-' and other ids", "'-' starts the step at once"),
        (["id: a, when: [a]"], "step 'a' waits for itself", "None"),
        (["id: a, when: [b]", "id: b"], "names 'b', defined below in line 3", "move that step up"),
        (["id: build", "id: b, when: [biuld]"], "names 'biuld': no such step", "did you mean 'build'?"),
        (["id: a, when: ['']"], "names '': no such step", "that of a step above"),
        (
            ["id: f, finally: true", "id: a, when: [f]"],
            "names 'f', which runs last of all",
            "a finally step too",
        ),
    ],
)
def test_a_wrong_when_is_refused(steps: Sequence[str], words: str, hint: str) -> None:
    problem = fault("steps:\n" + "".join(f"- {{cmd: x, {step}}}\n" for step in steps))

    assert words in problem.rule
    assert hint in str(problem.hint)


def test_a_step_that_is_wrong_does_not_make_those_that_wait_for_it_wrong() -> None:
    (problem,) = refused(
        "steps:\n- {id: a, cmd: x, retries: -1}\n- {id: b, push: x}\n- {cmd: y, when: [a]}\n"
    )[:1]

    assert problem.line == 2
    assert len(refused("steps:\n- {id: a, cmd: 'x&y'}\n- {cmd: y, when: [a]}\n")) == 1


def test_a_finally_step_waits_for_the_ends_of_all_others() -> None:
    found = order("id: f, finally: true", "id: a", "id: b", "id: c, when: [a]", "id: d, when: ['-']")

    assert found["f"] == ("b", "c", "d")
    assert found["a"] == ()


def test_finally_steps_follow_one_another() -> None:
    found = order(
        "id: a", "id: f, finally: true", "id: g, finally: true", "id: h, finally: true, when: ['-']"
    )

    assert found == {"a": (), "f": ("a",), "g": ("a", "f"), "h": ("a",)}


def test_a_finally_step_may_name_any_other() -> None:
    found = order("id: f, finally: true, when: [a]", "id: a", "id: g, finally: true, when: [f, a]")

    assert found == {"f": ("a",), "a": (), "g": ("a", "f")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "- {id: a, cmd: x}\n- {cmd: y, if: steps.b.status == 'failed'}",
            "asks about step 'b': no such step",
        ),
        (
            "- {id: a, cmd: x}\n- {cmd: y, when: ['-'], if: steps.a.exitCode}",
            "need not have ended when it starts",
        ),
        ("- {id: a, cmd: 'x %{steps.a.outputs.b}'}", "need not have ended when it starts"),
        ("- {cmd: x, env: ['A=%{steps.later.outputs.b}']}\n- {id: later, cmd: x}", "need not have ended"),
        ("- {push: ['a:%{steps.b.outputs.c}']}", "asks about step 'b': no such step"),
        ("- {build: '-t a:%{steps.b.outputs.c} .'}", "asks about step 'b': no such step"),
    ],
)
def test_a_step_asks_only_about_steps_that_have_ended(text: str, words: str) -> None:
    assert words in fault(f"steps:\n{text}\n").rule


def test_a_step_may_ask_about_any_step_that_ends_before_it() -> None:
    text = """
        steps:
          - {id: a.b, cmd: x}
          - {cmd: y}
          - {cmd: 'z %{steps.a.b.outputs.tag}', if: steps.a.b.outputs.tag != ''}
          - {cmd: w, finally: true, if: steps.a.b.status == 'failed'}
    """

    assert [step.condition is not None for step in read(text).steps] == [False, False, True, True]


@given(st.data())
def test_no_order_has_a_circle(data: st.DataObject) -> None:
    ids = [f"s{number}" for number in range(data.draw(st.integers(1, 8)))]
    steps = []
    for number, name in enumerate(ids):
        when = data.draw(
            st.none() | st.just(["-"]) | st.lists(st.sampled_from(ids[:number] or ["-"]), max_size=3)
        )
        last = data.draw(st.booleans()) if number == len(ids) - 1 else False
        steps.append(f"id: {name}, when: {'~' if when is None else when}, finally: {str(last).lower()}")
        if when and "-" in when and len(when) > 1:
            steps[-1] = f"id: {name}"

    waits_for = order(*steps)

    ended: set[str] = set()
    while len(ended) < len(ids):
        ready = {name for name in ids if name not in ended and set(waits_for[name]) <= ended}
        assert ready
        ended |= ready


def test_two_steps_of_one_name_are_told_even_in_one_line() -> None:
    """Taken for one, it would wait for itself for ever."""
    assert fault("steps: [{id: a, cmd: x}, {id: a, cmd: y}]").rule == (
        "there are two steps 'a'; the first is in line 1"
    )
