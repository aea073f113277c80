"""Names of images that name their run."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from graph.errors import WrongUse
from rebuild.runs.definition import DockerStep
from rebuild.runs.run_names import as_if_run, filled_in
from rebuild.runs.run_variables import RunVariables

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RUN = RunVariables("c7", NOON, "localhost:5000", commit="abc", task_name="web")


def test_names_arguments_and_target_are_filled_in() -> None:
    step = DockerStep(
        images=("localhost:5000/web:{{.Run.ID}}", "{{.Run.Registry}}/web:{{.Run.Date}}"),
        build_args={"COMMIT": "{{.Run.Commit}}", "PLAIN": "a b"},
        target="{{ .Run.TaskName | upper }}",
    )

    filled = filled_in(step, RUN)

    assert filled.images == ("localhost:5000/web:c7", "localhost:5000/web:20261123-120000z")
    assert filled.build_args == {"COMMIT": "abc", "PLAIN": "a b"}
    assert filled.target == "WEB"


def test_a_name_that_turns_out_to_have_no_registry_gets_the_usual_one() -> None:
    assert filled_in(DockerStep(images=("{{.Run.TaskName}}",)), RUN).images == ("localhost:5000/web:latest",)


def test_a_step_without_templates_stays_as_it_is() -> None:
    step = DockerStep(images=("localhost:5000/web:1",), build_args={"A": "}}"})

    assert filled_in(step, RUN) is step


@pytest.mark.parametrize("name", ["localhost:5000/web:{{.Run.Id}}", "web:{{.Run.ID", "web:{{nothing}}"])
def test_a_template_that_makes_no_name_is_told_before_there_is_a_run(name: str) -> None:
    with pytest.raises(WrongUse):
        as_if_run(DockerStep(images=(name,)), registry="localhost:5000", at=NOON)
