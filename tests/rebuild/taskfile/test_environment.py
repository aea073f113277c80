"""Environments: closest first, quotes as the shell reads them, and nothing of this machine's."""

from __future__ import annotations

import pytest

from tests.rebuild.taskfile.reading import fault, read, refused


def environment(text: str, **options: object) -> dict[str, str]:
    return dict(read(text, **options).steps[0].environment)


def test_a_step_comes_before_its_task_and_the_task_before_the_run() -> None:
    found = environment(
        "env: [A=task, B=task]\nsteps:\n- {cmd: x, env: [A=step, D=step]}\n",
        environment=["A=run", "B=run", "C=run"],
    )

    assert found == {"A": "step", "D": "step", "B": "task", "C": "run"}
    assert list(found) == ["A", "D", "B", "C"]


def test_a_comma_belongs_to_the_value_in_a_task_too() -> None:
    assert environment("env: ['A=1,2', 'B=x=1,y=2']\nsteps: [{cmd: x}]") == {"A": "1,2", "B": "x=1,y=2"}


def test_only_the_first_equals_sign_ends_the_name() -> None:
    assert environment("steps: [{cmd: x, env: ['A=b=c==', 'E=']}]") == {"A": "b=c==", "E": ""}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("K='a b'", "a b"),
        ('K="a  b"', "a  b"),
        ("K=a b", "a b"),
        (r"K=a\ b", "a b"),
        ("K=http://x/?a=1&b=2|3", "http://x/?a=1&b=2|3"),
        ("K=it\\'s", "it's"),
        ("K='$HOME'", "$HOME"),
        ("K=$HOME/x", "/acb/home/x"),
        ("K=$EARLIER-${TASK}", "1-2"),
        ("K=%{steps.a.outputs.b}", "%{steps.a.outputs.b}"),
    ],
)
def test_a_value_is_read_as_the_shell_reads_it(written: str, value: str) -> None:
    quoted = written.replace("\\", "\\\\").replace('"', '\\"')
    text = f'env: [TASK=2]\nsteps:\n- {{id: a, cmd: x}}\n- cmd: x\n  env: [EARLIER=1, "{quoted}"]\n'

    assert dict(read(text).steps[1].environment)["K"] == value


def test_a_name_may_hold_what_no_shell_would_take() -> None:
    assert environment("steps: [{cmd: x, env: [test-target=web]}]") == {"test-target": "web"}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("A='b", "the value of A opens a quote ' and does not close it"),
        ("A=$(date)", "the value of A needs a shell: a command substitution $(…)"),
        ("A=`date`", "the value of A needs a shell: a command substitution with backticks"),
        ("A=${B:-c}", "the value of A needs a shell: an expansion"),
        ("A=pa$1", "the value of A needs a shell: a parameter of the shell"),
        ("=b", "has no valid name before the '='"),
        ("A B=c", "has no valid name before the '='"),
    ],
)
def test_an_entry_that_is_none_is_refused(entry: str, words: str) -> None:
    assert words in fault(f'steps:\n- cmd: x\n  env:\n  - "{entry}"\n').rule


def test_a_bare_name_is_refused_in_a_task() -> None:
    assert fault("env: [A]\nsteps: []").rule == "environment entry 'A' has no '='"


def test_a_bare_name_is_refused_in_a_step_whose_task_has_an_environment() -> None:
    assert fault("env: [A=1]\nsteps: [{cmd: x, env: [B]}]").rule == "environment entry 'B' has no '='"


def test_a_bare_name_in_another_step_gives_nothing_and_is_told() -> None:
    task = read("steps: [{cmd: x, env: [PATH]}]")

    assert task.steps[0].environment == ()
    assert "nothing of this machine's environment reaches a step" in task.warnings[0].rule


def test_values_are_not_in_messages() -> None:
    (problem,) = refused('steps: [{cmd: x, env: ["PASSWORD=\'hunter2"]}]')

    assert "hunter2" not in f"{problem} {problem.hint}"


def test_values_that_double_and_double_are_refused() -> None:
    entries = ["A0=" + "x" * 1000, *(f"A{n}=$A{n - 1}$A{n - 1}" for n in range(1, 40))]

    problems = refused("steps:\n- cmd: x\n  env:\n" + "".join(f"  - '{entry}'\n" for entry in entries))

    assert "has more than 131,071 characters" in problems[0].rule


def test_many_steps_that_inherit_many_variables_are_refused() -> None:
    text = f"env: [{', '.join(f'A{n}=' for n in range(50_000))}]\nsteps:\n" + "- cmd: a\n" * 900

    assert "expand to more than" in fault(text).rule


def test_many_steps_that_repeat_a_long_value_are_refused() -> None:
    text = f"env: [A={'x' * 100_000}]\nsteps:\n" + "- cmd: a $A\n" * 900

    assert "expand to more than" in fault(text).rule
