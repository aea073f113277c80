"""From what is asked to a definition: kinds, defaults, what stays, and what does not go together."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.errors import WrongUse
from graph.reference import Platform
from rebuild.runs.definition import Definition, DockerStep, FileStep, InlineStep
from rebuild.tasks.task_edit import Asked, Usual, definition_of, is_task_file, kept_context
from rebuild.tasks.trigger_edit import (
    BaseImageAsked,
    SourceAsked,
    base_image_trigger,
    changed_source_trigger,
    source_trigger,
)
from rebuild.tasks.triggers import BaseImageTrigger, Bases, SourceTrigger

USUAL = Usual("registry.example.com", Platform.parse("linux/amd64"))
GIT = "https://github.com/example/web.git#main"


def made(**asked: object) -> Definition:
    return definition_of(Asked(**{"context": GIT, **asked}), USUAL)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["acb.yaml", "a/b.YML", "task.json"])
def test_yaml_is_a_task_file(name: str) -> None:
    assert is_task_file(name)


@pytest.mark.parametrize("name", ["Dockerfile", "web.Dockerfile", "Dockerfile.yaml", "Containerfile.js", "x"])
def test_everything_else_is_a_dockerfile(name: str) -> None:
    assert not is_task_file(name)


@pytest.mark.parametrize("name", ["build.sh", "a/task.TOML", "x.py"])
def test_a_program_is_neither(name: str) -> None:
    with pytest.raises(WrongUse, match="neither a Dockerfile nor a task file"):
        is_task_file(name)


def test_a_dockerfile_task_has_what_is_usual() -> None:
    definition = made(images=["web:1", "other.example.com/web:{{.Run.ID}}"])

    assert definition == Definition(
        GIT,
        DockerStep(("registry.example.com/web:1", "other.example.com/web:{{.Run.ID}}")),
        Platform.parse("linux/amd64"),
        3600.0,
    )


def test_a_folder_is_kept_as_a_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert kept_context(".") == str(tmp_path)


def test_a_context_that_is_not_there_tomorrow_is_refused() -> None:
    with pytest.raises(WrongUse, match="one run alone"):
        kept_context("-")


@pytest.mark.parametrize(
    ("context", "kept"),
    [
        ("https://user:secret@github.com/example/web.git#v1", "https://github.com/example/web.git#v1"),
        ("https://user:secret@example.com/x.tar?sig=secret", "https://example.com/x.tar?***"),
    ],
)
def test_a_context_is_kept_without_its_secrets(context: str, kept: str) -> None:
    assert kept_context(context) == kept


def test_a_command_needs_no_context() -> None:
    definition = definition_of(Asked(inline="steps: []"), USUAL)

    assert definition.context == "/dev/null"
    assert definition.step == InlineStep("steps: []")


def test_what_is_not_said_stays() -> None:
    old = made(images=["web:1"], build_args={"A": "1"}, target="x", push=False, no_cache=True, timeout_s=9)

    assert definition_of(Asked(), USUAL, old) == old
    assert definition_of(Asked(timeout_s=120), USUAL, old).step == old.step


def test_what_is_empty_is_cleared() -> None:
    old = made(images=["web:1"], build_args={"A": "1"}, target="final", file="x/Dockerfile")

    new = definition_of(Asked(images=[], build_args={}, target="", file=""), USUAL, old)

    assert new.step == DockerStep()


def test_the_timeout_alone_can_be_changed_where_there_is_no_context() -> None:
    old = definition_of(Asked(inline="steps: []"), USUAL)

    assert definition_of(Asked(timeout_s=60), USUAL, old).timeout_s == 60


def test_another_kind_of_file_makes_another_kind_of_task() -> None:
    old = made(images=["web:1"])

    assert definition_of(Asked(file="acb.yaml"), USUAL, old).step == FileStep("acb.yaml")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(), "a task needs a context"),
        (Asked(context="/dev/null"), "without a context there is nothing to do"),
        (Asked(context="/dev/null", file="acb.yaml"), "there is no context to find it in"),
        (Asked(context=GIT, file="acb.yaml", images=["a:1"]), "--image is for a Dockerfile"),
        (Asked(context=GIT, file="acb.yaml", push=False), "--no-push is for a Dockerfile"),
        (Asked(context=GIT, values={"a": "b"}), "--set is for a task file"),
        (Asked(context=GIT, inline="x", file="acb.yaml"), "exclude each other"),
        (Asked(context=GIT, file="../acb.yaml"), "is not inside the context"),
        (Asked(context=GIT, file="/etc/acb.yaml"), "is not inside the context"),
        (Asked(context=GIT, images=[f"a@sha256:{'a' * 64}"]), "has a digest"),
        (Asked(context=GIT, timeout_s=0.5), "timeout 0.5 s is not 1 to"),
        (Asked(context=GIT, timeout_s=float("nan")), "timeout nan s is not"),
        (Asked(inline=" "), "the task file is empty"),
        (Asked(context="~nobody-at-all/app"), "is in nobody's home"),
    ],
)
def test_what_does_not_go_together_is_refused(asked: Asked, said: str) -> None:
    with pytest.raises(WrongUse, match=said) as refused:
        definition_of(asked, USUAL)
    assert refused.value.hint


_TEXTS = st.none() | st.text(max_size=20)


@given(
    context=_TEXTS, file=_TEXTS, inline=_TEXTS, target=_TEXTS, values_file=_TEXTS,
    images=st.none() | st.lists(st.text(max_size=20), max_size=2),
)  # fmt: skip
def test_whatever_is_asked_gives_a_definition_that_survives_or_is_refused(**asked: object) -> None:
    try:
        definition = definition_of(Asked(**asked), USUAL)  # type: ignore[arg-type]
    except WrongUse:
        return
    assert Definition.from_json(definition.to_json()) == definition


def test_the_branch_to_listen_on_is_that_of_the_context() -> None:
    assert source_trigger(GIT, SourceAsked(), None) == SourceTrigger(branch="main")


def test_without_a_branch_it_is_the_default_one_whatever_its_name() -> None:
    found = source_trigger("https://github.com/example/web.git", SourceAsked(), None)

    assert found == SourceTrigger(branch=None)


@pytest.mark.parametrize("context", ["/dev/null", "/srv/app", "oci://registry.example.com/source:1"])
def test_what_is_no_repository_has_no_commits(context: str) -> None:
    assert source_trigger(context, SourceAsked(commits=False), None) is None
    with pytest.raises(WrongUse, match="is no git repository"):
        source_trigger(context, SourceAsked(commits=True), None)


def test_nothing_to_hear_is_no_trigger() -> None:
    assert source_trigger(GIT, SourceAsked(commits=False), None) is None


def test_a_trigger_that_was_taken_away_does_not_come_back_by_itself() -> None:
    assert changed_source_trigger(GIT, SourceAsked(), None, GIT) is None
    back = changed_source_trigger(GIT, SourceAsked(pull_requests=True), None, GIT)
    assert back == SourceTrigger(commits=False, pull_requests=True, branch="main")


def test_a_task_that_moves_to_a_repository_listens_to_it() -> None:
    assert changed_source_trigger(GIT, SourceAsked(), None, "/srv/app") == SourceTrigger(branch="main")


def test_of_a_base_image_trigger_what_is_not_said_stays() -> None:
    old = BaseImageTrigger("mine", enabled=False, bases=Bases.RUNTIME, endpoint="https://example.com/hook")

    assert base_image_trigger(BaseImageAsked(), old) == old
    assert base_image_trigger(BaseImageAsked(endpoint=""), old).endpoint is None


@pytest.mark.parametrize(
    "url", ["ftp://x/y", "https://user:pw@example.com/", "nowhere", "https://a:b/", "https://a b/"]
)
def test_an_endpoint_is_a_url_without_a_password(url: str) -> None:
    with pytest.raises(WrongUse, match="not an http or https URL"):
        base_image_trigger(BaseImageAsked(endpoint=url), BaseImageTrigger())
