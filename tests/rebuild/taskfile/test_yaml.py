"""YAML as text: anchors, merges, duplicates, bombs, and whatever else somebody may send."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rebuild.steps.step_place import PlanSetting, RunPlace
from rebuild.steps.step_plan import plan_steps
from rebuild.steps.step_rules import StepRules
from rebuild.steps.task_work import command_file
from rebuild.taskfile import Cmd, TaskFile, TaskFileError, read_taskfile
from tests.rebuild.taskfile.reading import fault, read, refused


def test_anchors_and_merges_share_properties() -> None:
    steps = read("""
        steps:
          - &base {id: a, cmd: x, retries: 3, env: &env [A=1]}
          - {<<: *base, id: b, timeout: 5}
          - {<<: [{user: one, id: c}, {user: two, cmd: y}], env: *env}
    """).steps

    assert [(step.id, step.retries, step.timeout_s, step.user) for step in steps] == [
        ("a", 3, 600, None),
        ("b", 3, 5, None),
        ("c", 0, 600, "one"),
    ]
    assert [dict(step.environment) for step in steps] == [{"A": "1"}] * 3


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("steps: []\nsteps: []", 2, "key 'steps' is here twice; it is in line 1 already"),
        ("steps:\n- cmd: a\n  cmd: b", 3, "key 'cmd' is here twice"),
        ("", 0, "the task file is empty"),
        ("# only this\n", 0, "the task file is empty"),
        ("- cmd: a", 1, "a task file is a map of properties"),
        ("hello", 1, "a task file is a map of properties"),
        ("a: 1\n---\nb: 2", 2, "a second YAML document begins here"),
        ("steps: [", 2, "not valid YAML"),
        ("steps:\n\t- cmd: a", 2, "not valid YAML"),
        ("steps:\n- cmd: a: b", 2, "not valid YAML"),
        ("? [a]\n: b", 1, "a key is a list or a map"),
        ("<<: 5", 1, "'<<' takes a map"),
        ("steps: *none", 1, "alias *none stands for nothing"),
        ("steps: &a [*a]", 1, "alias *a stands for nothing"),
        ("a: \x07", 1, "the character U+0007 is not allowed"),
        ("a:\n  \ud800", 2, "the character U+D800 is not allowed"),
        ('steps: [{cmd: "a\\0"}]', 1, "holds a zero byte"),
        ("a: " + "[" * 60 + "]" * 60, 1, "nested more than 40 deep"),
        ("- " * 100_000, 1, "nested more than 40 deep"),
        ("a: " + "x" * (1 << 20), 0, "the file has more than 1,048,576 characters"),
        ("a: [" + "x," * 200_000 + "]", 1, "more than 100,000 values"),
    ],
)
def test_what_is_no_task_file_is_refused_at_its_line(text: str, line: int, words: str) -> None:
    problem = refused(text)[0]

    assert words in problem.rule
    assert problem.line == line


def test_a_bomb_of_aliases_is_refused() -> None:
    layers = "".join(f"l{n + 1}: &l{n + 1} [{', '.join([f'*l{n}'] * 10)}]\n" for n in range(20))

    assert "more than 100,000 values" in fault(f"l0: &l0 [x, x, x]\n{layers}").rule


def test_a_long_text_used_often_is_refused() -> None:
    text = f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 100)}]\n"

    assert "with its aliases" in fault(text).rule


def test_a_template_that_was_not_rendered_is_hinted_at() -> None:
    assert "template" in str(refused("steps:\n- push: [{{.Run.Registry}}/a]\n")[0].hint)


KEYS = [
    "steps",
    "cmd",
    "build",
    "push",
    "when",
    "env",
    "id",
    "if",
    "version",
    "networks",
    "volumes",
    "secrets",
    "<<",
    "retries",
    "detach",
    "finally",
    "platforms",
    "name",
    "secret",
    "volumeMounts",
    "ports",
    "shell",
]
SCALARS = ["on", "-1", "~", "'-'", "a b", "alpine", "-t a .", "A=1", "v1.1.0", "always()", "!x y", "&a b"]
SCALARS += ["*a", "x | y", "%{steps.a.outputs.b}", "022", "1e400", '"\\x41"', "[a, b]", "{a: b}", "$A"]


ALL = StepRules(privileged=True, host_network=True)


def yaml_texts() -> st.SearchStrategy[str]:
    entry = st.tuples(st.sampled_from(KEYS), st.sampled_from(SCALARS)).map(
        lambda pair: f"{pair[0]}: {pair[1]}"
    )
    step = st.lists(entry, min_size=1, max_size=4).map(lambda entries: "- " + "\n  ".join(entries))
    steps = st.lists(step, max_size=4).map(lambda lines: "\n".join(["steps:", *lines]))
    return st.lists(entry | steps, max_size=4).map("\n".join)


@settings(max_examples=300, deadline=None)
@given(yaml_texts() | st.text(max_size=100))
@example("steps:\n- {cmd: a, retries: 1e400}")
@example("steps:\n- {cmd: a, if: '\x00'}")
def test_any_text_is_a_task_file_or_an_error(text: str) -> None:
    try:
        task = read_taskfile(text, path="fuzz.yaml")
    except TaskFileError as error:
        assert error.problems
        assert error.message.startswith("fuzz.yaml")
        return

    assert isinstance(task, TaskFile)
    assert len(plan_steps(task, PlanSetting(RunPlace("ca1", "/runs/ca1"), rules=ALL))) == len(task.steps)
    assert all(set(step.depends_on) <= {other.id for other in task.steps} for step in task.steps)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\n\t"), max_size=40))
def test_whatever_is_typed_as_one_command_is_its_text(typed: str) -> None:
    (step,) = read_taskfile(command_file(f"alpine {shlex.quote(typed)}", 5.0), path="--cmd").steps

    assert isinstance(step.action, Cmd)
    assert (step.action.arguments, step.timeout_s) == ((typed,), 5)
