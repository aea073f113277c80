"""A task file from what was written to what is carried out: the whole way, in order."""
# ruff: noqa: E501 - task files, one a line

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.errors import WrongUse
from rebuild.aliases import AliasSources
from rebuild.rendering import Rendered, prepare_task, render_task
from rebuild.runs.run_variables import RunVariables
from rebuild.secrets.secret import Secret
from rebuild.taskfile import SecretSource, TaskFileError, read_taskfile
from rebuild.template import Surroundings, TemplateError

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
RUN = RunVariables(
    id="ca3",
    date=NOW.astimezone(timezone(timedelta(hours=2))),
    registry="myregistry.azurecr.io",
    commit="0123abc",
    branch="main",
    task_name="nightly",
    shared_volume="vol",
)
SURROUNDINGS = Surroundings(NOW, Random(1))
SECRETS = "secrets:\n  - id: db\n    keyvault: https://v.example/secrets/{{.Values.name}}\n"


def rendered(text: str, **options: Any) -> Rendered:
    return render_task(text, path="acb.yaml", run=RUN, surroundings=SURROUNDINGS, **options)


def test_the_variables_of_the_run_are_filled_in() -> None:
    names = "ID Registry RegistryName Date OS Architecture Commit Branch TaskName SharedVolume GitTag Nothing"
    task = " ".join(f"{{{{.Run.{name}}}}}" for name in names.split()) + " {{.Build.ID}}"

    done = rendered(task)

    assert done.text.rstrip("\n") == (
        "ca3 myregistry.azurecr.io myregistry 20240506-070809z linux amd64 0123abc main nightly vol   ca3"
    )


def test_run_and_values_come_as_json_that_a_shell_takes_as_one_word() -> None:
    done = rendered("{{.RunJSON}}\n{{.ValuesJSON}}", values={"b": "it's", "a": {"n": [1, True]}})

    run, values = (shlex.split(line) for line in done.text.splitlines())
    assert json.loads(run[0])["RegistryName"] == "myregistry"
    assert values == ['{"a":{"n":[1,true]},"b":"it\'s"}']


def test_lines_that_are_comments_are_dropped_before_anything_else() -> None:
    done = rendered("# {{ broken\r\nsteps:\r\n  # {{ broken\r\n  - cmd: bash # stays\r\n")

    assert done.text == "steps:\n  - cmd: bash # stays\n"
    assert [done.original_line(line) for line in (1, 2)] == [2, 4]


@pytest.mark.parametrize(
    ("head", "version"),
    [
        ("version: v1.1.0", "v1.1.0"),
        ("version : V1.1.0", "v1.1.0"),
        ("version: 'v1.1.0'  # first with aliases", "v1.1.0"),
        ("steps: []\nversion: v1.1.0", "v1.1.0"),
    ],
)
def test_aliases_are_on_from_version_1_1_0(head: str, version: str) -> None:
    done = rendered(f"{head}\nx: $Registry/app:$ID")

    assert done.version == version
    assert done.text.endswith("x: myregistry.azurecr.io/app:ca3\n")


@pytest.mark.parametrize(
    "head", ["version: v1.0.0", "version: 1.0-preview-1", "version: 1.1.0", "a:\n  version: v1.1.0", ""]
)
def test_without_that_version_a_directive_is_a_plain_character(head: str) -> None:
    done = rendered(f"{head}\nx: $Registry/app:$ID")

    assert "x: $Registry/app:$ID" in done.text
    assert done.expand_image("bash") == "bash"


def test_the_alias_part_is_rendered_by_itself_and_not_in_the_text() -> None:
    task = (
        "version: v1.1.0\n"
        "alias:\n"
        "  values:\n"
        "    image: '{{.Run.Registry}}/{{.Values.app}}:$ID'\n"
        "steps:\n"
        "  - push: [$image]\n"
    )

    done = rendered(task, values={"app": "web"})

    assert done.text == "version: v1.1.0\nsteps:\n  - push: [myregistry.azurecr.io/web:$ID]\n"


def test_a_step_made_of_aliases_and_templates_knows_its_line() -> None:
    task = "version: v1.1.0\nalias:\n  values:\n    two: |-\n      cmd: a\n          id: b\nsteps:\n  - $two\n  - cmd: c\n"

    done = rendered(task)

    assert done.text.splitlines() == ["version: v1.1.0", "steps:", "  - cmd: a", "    id: b", "  - cmd: c"]
    assert [done.original_line(line) for line in range(1, 6)] == [1, 7, 8, 8, 9]


def test_the_first_word_of_a_command_is_an_image_by_alias() -> None:
    done = rendered(
        "version: v1.1.0\nalias:\n  values:\n    mine: '{{.Run.Registry}}/mine'\n    run: '$ID'\nsteps: []\n",
        images={"bash": "mirror.example/bash:1"},
    )

    assert done.expand_image("bash") == "mirror.example/bash:1"
    assert done.expand_image("mine") == "myregistry.azurecr.io/mine"
    assert done.expand_image("ID") == "ca3"
    assert done.expand_image("alpine:3") == "alpine:3"


def test_a_source_of_aliases_is_read_from_the_context(tmp_path: Path) -> None:
    (tmp_path / "names.yaml").write_text("base: alpine:3\n")

    done = rendered(
        "version: v1.1.0\nalias:\n  src: [names.yaml]\nx: $base\n", sources=AliasSources(tmp_path)
    )

    assert done.text == "version: v1.1.0\nx: alpine:3\n"


def test_secrets_are_asked_for_by_what_the_file_says_and_put_in() -> None:
    asked: list[tuple[SecretSource, ...]] = []

    def resolve(wanted: tuple[SecretSource, ...]) -> Mapping[str, Secret]:
        asked.append(wanted)
        return {"db": Secret("p4ssw0rd")}

    done = rendered(SECRETS + "env: [P={{.Secrets.db | b64enc}}]\n", values={"name": "prod"}, resolve=resolve)

    assert asked == [(SecretSource("db", "https://v.example/secrets/prod"),)]
    assert done.text.endswith("env: [P=cDRzc3cwcmQ=]\n")
    assert done.secrets == (Secret("p4ssw0rd"),)
    assert "p4ss" not in repr(done)


def test_nobody_is_asked_where_a_file_names_no_secret() -> None:
    def resolve(wanted: tuple[SecretSource, ...]) -> Mapping[str, Secret]:
        raise AssertionError("asked")

    assert rendered("steps: [] # secrets\n", resolve=resolve).text == "steps: [] # secrets\n"


def test_who_cannot_wait_prepares_first_and_gives_the_secrets_later() -> None:
    prepared = prepare_task(SECRETS + "x: {{.Secrets.db}}\n", path="t", run=RUN, surroundings=SURROUNDINGS)

    assert [source.id for source in prepared.wanted] == ["db"]
    assert prepared.rendered({"db": Secret("one")}).text.endswith("x: one\n")


def test_a_secret_that_was_not_resolved_stops_the_run() -> None:
    with pytest.raises(WrongUse, match=r"acb\.yaml: secret 'db' was not resolved"):
        rendered(SECRETS)


def test_a_secret_value_is_put_in_like_any_other() -> None:
    done = rendered("x: {{.Values.token}}\n", values={"token": Secret("t0ken")})

    assert done.text == "x: t0ken\n"
    assert done.secrets == (Secret("t0ken"),)


def test_no_error_tells_a_secret() -> None:
    with pytest.raises(TemplateError) as caught:
        rendered("{{ fail .Values.token }}", values={"token": Secret("t0ken-of-mine")})

    assert caught.value.message == "acb.yaml:1: ***"


def test_an_error_names_the_line_of_the_file_as_written() -> None:
    task = "# one\nversion: v1.1.0\nalias:\n  values: {x: |\n    y}\n\nsteps:\n  # comment\n  - cmd: {{ .Values.a.b }}\n"

    with pytest.raises(WrongUse) as caught:
        rendered(task.replace("{x: |\n    y}", "\n    x: |-\n      y\n      z"), values={})

    assert caught.value.message.startswith("acb.yaml:11: .Values.a has no value")


@pytest.mark.parametrize("task", ["", "# only\n", "{{ if .Values.x }}steps: []{{ end }}", " \n\n"])
def test_a_file_of_which_nothing_is_left_is_refused(task: str) -> None:
    with pytest.raises(TemplateError, match=r"^acb\.yaml:1: nothing is left"):
        rendered(task)


def test_a_file_of_more_than_a_mebibyte_is_refused() -> None:
    with pytest.raises(TemplateError, match="more than 1,048,576 characters"):
        rendered("x" * ((1 << 20) + 1))


def test_a_rendered_file_reads_as_a_task_whose_faults_name_the_line_as_written() -> None:
    done = rendered(
        "version: v1.1.0\n# c\nalias:\n  values:\n    r: '3'\nsteps:\n  - cmd: bash x\n    retries: $r\n"
    )

    task = read_taskfile(
        done.text,
        path="acb.yaml",
        original_line=done.original_line,
        expand_image=done.expand_image,
        secrets=done.secrets,
    )

    assert task.steps[0].retries == 3
    with pytest.raises(WrongUse, match=r"^acb\.yaml:3: "):
        faulty = rendered(
            "# c\nsteps:\n  - cmd: a\n    retries: -1\n".replace("  - cmd", "  - id: a b\n    cmd")
        )
        read_taskfile(faulty.text, path="acb.yaml", original_line=faulty.original_line)


def test_a_fault_that_names_a_second_line_names_it_as_written() -> None:
    done = rendered("# c\n# d\nsteps:\n  - {id: ab, cmd: a}\n# e\n  - {id: ab, cmd: a, env: [], env: []}\n")

    with pytest.raises(TaskFileError) as caught:
        read_taskfile(done.text, path="acb.yaml", original_line=done.original_line)

    rules = [(fault.line, fault.rule) for fault in caught.value.problems]
    assert rules == [
        (6, "key 'env' is here twice; it is in line 6 already"),
        (6, "there are two steps 'ab'; the first is in line 4"),
    ]


def test_a_step_knows_its_line_as_written() -> None:
    done = rendered("# c\nsteps:\n# d\n  - cmd: a\n")

    assert read_taskfile(done.text, path="x", original_line=done.original_line).steps[0].line == 4


@given(
    st.text(max_size=80)
    | st.lists(
        st.sampled_from(
            ["version: v1.1.0\n", "alias:\n", "  values:\n", "    a: b\n", "  directive: ^\n", "steps:\n", "$a", "$ID",
             "secrets:\n", "  - id: x\n", "{{.Secrets.x}}", "{{.Values.y}}", "# c\n", "\n", "^a", "{{", "}}", "- cmd: "]
        ),
        max_size=15,
    ).map("".join)
)  # fmt: skip
def test_any_text_is_rendered_or_refused(text: str) -> None:
    try:
        done = rendered(text, resolve=lambda wanted: {source.id: Secret("s") for source in wanted})
    except WrongUse as error:
        assert error.message.startswith("acb.yaml")
    else:
        assert all(
            1 <= done.original_line(line) <= text.count("\n") + 1 for line in range(1, done.text.count("\n"))
        )
