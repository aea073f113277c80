"""The language of `if`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuild.taskfile import Circumstances, Condition, StepOutcome, StepStatus
from rebuild.taskfile.expression import ExpressionError

STEPS = {
    "good": StepOutcome(StepStatus.SUCCEEDED, 0, {"tag": "v1", "count": "10", "empty": ""}),
    "func-tests": StepOutcome(StepStatus.FAILED, 3),
    "left.out": StepOutcome(StepStatus.SKIPPED),
}
WELL = Circumstances(STEPS, environment={"MODE": "release"})
FAILED = Circumstances(STEPS, failed=True)
CANCELED = Circumstances(STEPS, canceled=True)


def holds(text: str, around: Circumstances = WELL) -> bool:
    return Condition.parse(text).holds(around)


@pytest.mark.parametrize(
    ("text", "well", "failed", "canceled"),
    [
        ("success()", True, False, False),
        ("failure()", False, True, False),
        ("always()", True, True, True),
        ("canceled()", False, False, True),
        ("cancelled()", False, False, True),
        ("not failure()", True, False, True),
        ("!success()", False, True, True),
        ("failure() or canceled()", False, True, True),
        ("true", True, False, False),
        ("env.MODE == 'release'", True, False, False),
        ("steps.good.outputs.tag == 'v1'", True, False, False),
        ("steps.good.status == 'succeeded'", True, True, True),
        ("steps.good.exitCode == 0", True, True, True),
        ("always() and steps.good.outputs.tag == 'v1'", True, True, True),
    ],
)
def test_when_a_step_runs(text: str, well: bool, failed: bool, canceled: bool) -> None:
    assert (holds(text), holds(text, FAILED), holds(text, CANCELED)) == (well, failed, canceled)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("steps.func-tests.status == 'failed'", True),
        ('steps.func-tests.status == "failed"', True),
        ("steps.func-tests.exitCode == 3", True),
        ("steps.func-tests.exitCode >= 3 && steps.func-tests.exitCode < 4", True),
        ("steps.left.out.status == 'skipped'", True),
        ("steps['left.out'].status == 'skipped'", True),
        ("steps.left.out.exitCode == null", True),
        ("steps.left.out.exitCode", False),
        ("steps.good.exitCode", False),
        ("steps.good.outputs.tag != ''", True),
        ("steps.good.outputs['tag'] == 'v1'", True),
        ("steps.good.outputs.empty != ''", False),
        ("steps.good.outputs.nothing == ''", True),
        ("steps.good.outputs.nothing == null", True),
        ("steps.good.outputs.count == 10", True),
        ("steps.good.outputs.count > 9", True),
        ("steps.good.outputs.count > '9'", False),
        ("steps.good.outputs.tag > 1", True),
        ("1 == 1.0", True),
        ("-1 < 0", True),
        ("'10' == '10.0'", False),
        ("true == 'true'", True),
        ("'it''s' == \"it's\"", True),
        ("not true or true", True),
        ("not (true or true)", False),
        ("true || false && false", True),
        ("(true || false) && false", False),
        ("! ! true", True),
        ("contains(env.MODE, 'lea') and startsWith(env.MODE, 're') and endsWith(env.MODE, 'se')", True),
        ("contains(env.NONE, '')", True),
        ("''", False),
        ("'0'", True),
        ("0", False),
        ("null", False),
    ],
)
def test_what_an_expression_says(text: str, expected: bool) -> None:
    assert holds(text) is expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  ", "the expression is empty"),
        ("true true", "'true' is one too many"),
        ("(true", "')' is missing"),
        ("true)", "')' is one too many"),
        ("== 1", "a value is missing before '=='"),
        ("1 ==", "it ends too early"),
        ("1 == 2 == 3", "'==' is one too many"),
        ("a = b", "is not understood"),
        ("failure", "'failure' is unknown"),
        ("failed()", "there is no function failed(); there are success, failure, always, canceled"),
        ("success(1)", "')' is missing"),
        ("contains('a')", "',' is missing"),
        ("steps", "write steps.ID.status"),
        ("steps.a", "write steps.ID.status"),
        ("steps.a.state", "write steps.ID.status"),
        ("steps.a.outputs", "write steps.ID.status"),
        ("steps.", "it ends too early"),
        ("steps[a].status", "stands in quotes"),
        ("env", "write steps.ID.status"),
        ("'open", "is not understood"),
        ("${{ success() }}", "'${{' is unknown"),
        ("(" * 40 + "true" + ")" * 40, "nested more than 30 deep"),
        ("!" * 40 + "true", "nested more than 30 deep"),
        ("true or " * 300 + "true", "more than 2000 characters"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Condition.parse(text)

    assert words in str(caught.value)


def test_the_steps_that_it_asks_about_are_known() -> None:
    assert Condition.parse("steps.a.status == 'x' or steps.b.c.outputs.d == env.E").steps == {"a", "b.c"}


def test_equal_texts_are_equal_conditions() -> None:
    assert Condition.parse("success()") == Condition.parse("success()")


PARTS = ["(", ")", "not", "!", "and", "||", "==", "<", "'a'", "1", "true", "steps.a.status", "env.X",
         "always()", ".", "[", "]", ",", "contains(", "steps", "''", "\"", "1.", "&"]  # fmt: skip


@given(st.lists(st.sampled_from(PARTS), max_size=12).map(" ".join) | st.text(max_size=60))
def test_any_text_is_a_condition_or_an_error(text: str) -> None:
    try:
        condition = Condition.parse(text)
    except ExpressionError:
        return

    assert condition.holds(FAILED) in (True, False)
