"""Command lines of `az acr`, with tracker in its place: they run, and say what has no effect."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from rebuild.runs.table import Status
from tests.graph_samples import LONG, Sample
from tests.tracker.cli.conftest import Answer, Tracker
from tracker.cli.main import tracker as group

PLACE = ["--registry", "example", "-g", "rg", "--subscription", "s"]


@pytest.fixture
def create(tracker: Tracker, tmp_path: Path) -> Tracker:
    (tmp_path / "Dockerfile").write_text("FROM alpine:3.20\n")

    def made(*words: str) -> Answer:
        return tracker(
            "task", "create", "-n", "web", "-c", str(tmp_path), "-t", "localhost:5000/web:1", *words
        )

    return made


@pytest.mark.parametrize(
    "words",
    [
        ["--cpu", "4"],
        ["--auth-mode", "none"],
        ["--agent-pool", "big"],
        ["--source-acr-auth-id", "[system]"],
        ["--log-template", "logs:{{.Run.ID}}"],
        ["--assign-identity"],
        ["--assign-identity", "[system]"],
        ["-r", "example"],
        ["--resource-group", "rg"],
        ["--with-secure-properties"],
    ],
)
def test_what_means_nothing_here_is_taken_and_told(create: Tracker, words: list[str]) -> None:
    made = create(*words)

    assert made.status == 0
    assert made.err.count("has no effect: ") == 1


def test_a_credential_without_an_identity_says_what_to_give_in_its_place(
    create: Tracker, tracker: Tracker
) -> None:
    create()

    done = tracker(
        *("task", "credential", "add", "-n", "web", "--login-server", "a.io", "--use-identity", "[system]")
    )

    assert done.status == 2
    assert "--use-identity has no effect: there are no managed identities" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ["task", "list"],
        ["task", "show", "-n", "web"],
        ["task", "list-runs"],
        ["task", "timer", "list", "-n", "web"],
        ["task", "credential", "list", "-n", "web"],
        ["task", "delete", "-n", "web", "-y"],
    ],
)
def test_every_command_on_tasks_takes_a_registry_and_a_group(
    create: Tracker, tracker: Tracker, words: list[str]
) -> None:
    create()

    done = tracker(*words, *PLACE)

    assert done.status == 0
    assert done.err.count("has no effect: ") == 3


@pytest.mark.parametrize("words", [["build", "/nonexistent"], ["run", "/nonexistent"]])
def test_a_quick_build_and_run_take_them_too(tracker: Tracker, words: list[str]) -> None:
    done = tracker(
        *words[:1], *PLACE, "--auth-mode", "Default", "--no-format", *words[1:], "--server", "none"
    )

    assert done.err.count("has no effect: ") == 4
    assert "No such option" not in done.err
    assert "/nonexistent" in done.err


@pytest.mark.parametrize(
    ("words", "on"),
    [([], True), (["--no-push"], False), (["--no-push", "False"], True), (["--no-push=true"], False)],
)
def test_a_switch_stands_alone_or_with_true_or_false(
    create: Tracker, tracker: Tracker, words: list[str], on: bool
) -> None:
    assert create(*words).status == 0

    assert tracker("task", "show", "-n", "web", "--json").json["step"]["push"] is on


def test_a_switch_that_is_neither_true_nor_false_is_refused(create: Tracker) -> None:
    done = create("--commit-trigger-enabled", "perhaps")

    assert done.status == 2
    assert "'perhaps' is neither true nor false" in done.err


@pytest.mark.parametrize(("form", "is_json"), [("json", True), ("JSON", True), ("table", False)])
def test_output_is_json_or_a_table(create: Tracker, tracker: Tracker, form: str, is_json: bool) -> None:
    create()

    assert tracker("task", "list", "-o", form).out.startswith("[") is is_json


@pytest.mark.parametrize("words", [["-o", "yaml"], ["--query", "[0].name"]])
def test_other_forms_of_output_are_refused_with_a_way_out(tracker: Tracker, words: list[str]) -> None:
    done = tracker("task", "list", *words)

    assert done.status == 2
    assert "hint: jq picks what is wanted" in done.err


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("linux", "linux/amd64"),
        ("Linux/ARM/v7", "linux/arm/v7"),
        ("linux/aarch64", "linux/arm64"),
        ("windows", "windows/amd64"),
    ],
)
def test_platforms_are_kept_in_their_normal_form(
    create: Tracker, tracker: Tracker, typed: str, kept: str
) -> None:
    create("--platform", typed)

    assert tracker("task", "show", "-n", "web", "--json").json["platform"] == kept


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("linux/amd46", "did you mean amd64?"),
        ("linus/amd64", "did you mean linux?"),
        ("a/b/c/d", "form"),
        (
            "linux/amd64,linux/arm64",
            "an image is built for one platform at a time",
        ),
    ],
)
def test_a_platform_that_there_is_not_is_refused(create: Tracker, typed: str, said: str) -> None:
    done = create("--platform", typed)

    assert done.status == 2
    assert said in done.err


def test_a_second_platform_is_not_silently_the_only_one(create: Tracker) -> None:
    done = create("--platform", "linux/amd64", "--platform", "arm64")

    assert done.status == 2
    assert "error: platform 'linux/amd64, linux/arm64': an image is built for one" in done.err


def test_the_same_platform_may_be_named_twice(create: Tracker, tracker: Tracker) -> None:
    create("--platform", "arm64", "--platform", "linux/arm64")

    assert tracker("task", "show", "-n", "web", "--json").json["platform"] == "linux/arm64"


@pytest.mark.parametrize("typed", ["0", "8d", "soon", "-1", "1e3"])
def test_a_timeout_is_one_second_to_seven_days(create: Tracker, typed: str) -> None:
    done = create("--timeout", typed)

    assert done.status == 2
    assert "--timeout" in done.err


def test_there_is_no_system_task(tracker: Tracker) -> None:
    done = tracker("task", "create", "-n", "quicktask", "--is-system-task")

    assert done.status == 2
    assert "there is no system task" in done.err


def test_every_option_that_is_shown_says_what_it_does() -> None:
    mute = [
        f"{path} {parameter.opts[0]}"
        for path, command in commands(group, "tracker")
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden and not parameter.help
    ]

    assert mute == []


def commands(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    found = [(path, command)]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            found += commands(inner, f"{path} {name}")
    return found


def test_logs_of_tasks_are_those_of_the_newest_run_and_follow_it(sample: Sample, tracker: Tracker) -> None:
    sample.run(None, Status.SUCCEEDED, hours=2, images=[LONG], log=b"older\n")
    sample.run(None, Status.FAILED, hours=1, images=[LONG], log=b"newer\n")

    printed = tracker("task", "logs")

    assert (printed.status, printed.out) == (0, "newer\n")


def test_without_any_run_there_is_no_log(sample: Sample, tracker: Tracker) -> None:
    printed = tracker("task", "logs")

    assert printed.status == 1
    assert printed.err.startswith("error: there is no run yet\nhint: ")


def test_whatever_prints_json_takes_output_too() -> None:
    one_way = [
        path
        for path, command in commands(group, "tracker")
        if "as_json" in (names := {parameter.name for parameter in command.params}) and "output" not in names
    ]

    assert one_way == []
