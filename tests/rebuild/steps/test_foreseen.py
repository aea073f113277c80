"""Plans of task files that lack values: of any file, nothing else than what a run has to say of it."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from graph.errors import WrongUse
from rebuild.runs.run_variables import RunVariables
from rebuild.steps.foreseen import Foreseen, foresee
from rebuild.steps.task_work import Work, Written, finish_work, prepare_work
from rebuild.taskfile import Build, Push
from rebuild.template import Surroundings

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

BLANK = "{{.Values.x}}"
LINES = st.lists(
    st.sampled_from([
        "  - build: -t app .", f"  - build: -t {BLANK}/app {BLANK}", f"  - push: [{BLANK}]",
        f"  - cmd: {BLANK}", "  - cmd: >-", f"      {BLANK}", "    # a comment", "",
        f"    timeout: {BLANK}", f"    id: {BLANK}", f"    when: ['{BLANK}']", "    retries: -1",
        "  - id: a", f"    push: ['{BLANK}/app']", f"  - build: '{BLANK}{{{{.Values.y}}}}'", "\t- x",
        f"volumes: [{{name: v, secret: {{f: '{BLANK}'}}}}]",
    ]),
    max_size=6,
)  # fmt: skip


def written(text: str) -> Written:
    return Written("acb.yaml", text, {"y": "."})


def foreseen(text: str) -> Foreseen:
    file = written(text)
    prepared = prepare_work(file, RunVariables("1", NOON), Surroundings(NOON, Random(0)), context=None)
    return foresee(prepared, file, {})


def carried_out(text: str) -> Work:
    file = written(text)
    prepared = prepare_work(file, RunVariables("1", NOON), Surroundings(NOON, Random(0)), context=None)
    return finish_work(prepared, file, {})


@given(LINES)
def test_what_a_run_takes_is_planned_as_it_is_and_what_it_refuses_lacks_something(lines: list[str]) -> None:
    text = "\n".join(["steps:", *lines, ""])
    try:
        plan = foreseen(text)
    except WrongUse:
        return  # and nothing else

    try:
        work = carried_out(text)
    except WrongUse:
        assert plan.refusals
        assert plan.names
    else:
        assert plan == Foreseen(work)


def test_only_the_step_that_is_refused_has_something_in_the_place_of_nothing() -> None:
    plan = foreseen(
        "steps:\n"
        f"  - build: >-\n      -t {BLANK}/app\n# not indented\n      {BLANK}\n"
        f"  - push: [other]\n    timeout: {BLANK}\n"
    )

    build, push = (step.action for step in plan.work.taskfile.steps)
    assert isinstance(build, Build)
    assert plan.restored(build.line.tags[0]) == "<.Values.x>/app"
    assert plan.restored(build.line.context) == "<.Values.x>"
    assert push == Push(("other",))
    assert [(problem.line, problem.path) for problem in plan.refusals] == [(2, "acb.yaml")]
