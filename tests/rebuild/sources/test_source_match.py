"""Which events of a repository a source trigger wants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.errors import WrongUse
from graph.reference import Platform
from rebuild.runs.definition import Definition, DockerStep, FileStep, Revision
from rebuild.sources.event import Happening, Provider, PullRequest, SourceEvent
from rebuild.sources.match import check_filters, follows, is_of, needs_default_branch, revision_of, wants
from rebuild.sources.requests import at_revision
from rebuild.tasks.triggers import SourceFilters, SourceTrigger

A, B = "a" * 40, "b" * 40
PUSH = SourceEvent(
    provider=Provider.GITHUB,
    delivery="d",
    urls=("https://github.com/example/web.git",),
    happening=Happening.PUSH,
    ref="main",
    commit=B,
    old_commit=A,
    paths=frozenset({"app/main.go"}),
    default_branch="main",
)
TAG = replace(PUSH, happening=Happening.TAG, ref="v1.2", paths=None)
PULL = replace(
    PUSH,
    happening=Happening.PULL_REQUEST,
    ref="feature",
    paths=None,
    pull=PullRequest(number=7, action="opened", head="feature", base="main", from_fork=False),
)
FORK = replace(PULL, pull=PullRequest(number=7, action="opened", head="feature", base="main", from_fork=True))
PULLS = SourceTrigger(pull_requests=True)


def trigger(branch: str | None = None, **filters: Any) -> SourceTrigger:
    return SourceTrigger(pull_requests=True, branch=branch, filters=replace(SourceFilters(), **filters))


def test_an_event_is_of_the_repository_of_any_of_its_urls() -> None:
    event = replace(PUSH, urls=("git@github.com:example/web.git", "https://github.com/example/web"))

    assert is_of(event, "https://github.com/example/web.git#main:app")
    assert not is_of(event, "https://github.com/example/other.git")
    assert not is_of(event, "/srv/web")


@pytest.mark.parametrize(
    ("event", "looked_at_by"),
    [
        (PUSH, trigger()),
        (PUSH, trigger("main")),
        (PUSH, trigger("refs/heads/main")),
        (replace(PUSH, ref="release/1"), trigger(branches=("main", "release/*"))),
        (replace(PUSH, ref="release/1/x"), trigger(branches=("release/**",))),
        (replace(PUSH, ref="any"), trigger(branches=("!main",))),
        (TAG, trigger(tags=("v*",))),
        (PULL, trigger()),
        (PULL, trigger("dev", targets=("main",))),
        (FORK, trigger(forks=True)),
    ],
)
def test_a_trigger_looks_at(event: SourceEvent, looked_at_by: SourceTrigger) -> None:
    assert follows(event, looked_at_by) is None


@pytest.mark.parametrize(
    ("event", "left_alone_by", "why"),
    [
        (PUSH, trigger("dev"), "branch main is not dev"),
        (replace(PUSH, ref="dev"), trigger(), "branch dev is not main"),
        (replace(PUSH, default_branch=None), trigger(), "default branch of the repository is not known"),
        (replace(PUSH, ref="release/1/x"), trigger(branches=("release/*",)), "none of its branches"),
        (PUSH, trigger(branches=("**", "!main")), "none of its branches"),
        (PUSH, SourceTrigger(commits=False), "commits do not start it"),
        (TAG, trigger(), "tags do not start it"),
        (TAG, trigger(tags=("v2*",)), "none of its tags"),
        (PULL, SourceTrigger(), "pull requests do not start it"),
        (FORK, trigger(), "pull requests from forks do not start it"),
        (PULL, trigger("dev"), "target branch main is not dev"),
        (PULL, trigger(targets=("release/*",)), "none of its branches"),
    ],
)
def test_a_trigger_leaves_alone(event: SourceEvent, left_alone_by: SourceTrigger, why: str) -> None:
    refusal = follows(event, left_alone_by)

    assert refusal is not None
    assert why in refusal.reason


@pytest.mark.parametrize(
    ("paths", "changed", "is_wanted"),
    [
        ((), {"anything"}, True),
        (("app/",), {"app/deep/main.go"}, True),
        (("app/**",), {"app/deep/main.go"}, True),
        (("app/*.go",), {"app/main.go"}, True),
        (("*.md",), {"docs/a.md"}, False),
        (("**/*.md",), {"docs/a.md"}, True),
        (("app", "!app/docs"), {"app/docs/page"}, False),
        (("!docs/",), {"docs/page"}, False),
        (("!docs/",), {"docs/page", "main.go"}, True),
        (("app",), None, True),
        (("app",), set(), False),
    ],
)
def test_paths_that_changed_are_asked_for(
    paths: tuple[str, ...], changed: set[str] | None, is_wanted: bool
) -> None:
    event = replace(PUSH, paths=None if changed is None else frozenset(changed))

    assert (wants(event, trigger(paths=paths)) is None) == is_wanted


@pytest.mark.parametrize("message", ["[skip ci]", "work\n\n[CI SKIP]", "docs [skip-ci]"])
def test_a_commit_may_say_that_it_is_to_be_skipped(message: str) -> None:
    assert wants(replace(PUSH, message=message), trigger()) is not None
    assert wants(replace(PUSH, message="skip ci"), trigger()) is None


def test_the_default_branch_is_asked_for_only_where_nothing_else_tells() -> None:
    untold = replace(PUSH, default_branch=None)

    assert needs_default_branch(untold, trigger())
    assert not needs_default_branch(untold, trigger("main"))
    assert not needs_default_branch(untold, trigger(branches=("*",)))
    assert not needs_default_branch(PUSH, trigger())
    assert not needs_default_branch(replace(TAG, default_branch=None), trigger(tags=("*",)))


def test_a_context_is_pinned_to_the_commit_with_its_folder() -> None:
    context = "https://github.com/example/web.git#main:app"
    task = Definition(
        context, DockerStep(images=("r.io/web:1",), no_cache=True), Platform.parse("linux/amd64")
    )

    pinned = at_revision(task, revision_of(PUSH))

    assert pinned.context == f"https://github.com/example/web.git#{B}:app"
    assert pinned.revision == Revision(B, branch="main")
    assert pinned.step == DockerStep(images=("r.io/web:1",))
    assert Definition.from_json(pinned.to_json()) == pinned


def test_what_a_pull_request_proposes_has_no_names_to_be_pushed_under() -> None:
    task = Definition(
        "https://github.com/example/web.git",
        DockerStep(images=("r.io/web:1",)),
        Platform.parse("linux/amd64"),
    )

    tried = at_revision(task, revision_of(FORK))

    assert tried.step == DockerStep(images=(), push=False)
    assert tried.is_trial
    assert tried.is_foreign
    assert at_revision(replace(task, step=FileStep("acb.yaml")), revision_of(PULL)).is_trial


@pytest.mark.parametrize("pattern", ["[", "", "x" * 501, "a\\"])
def test_a_pattern_that_is_none_is_refused_when_it_is_written(pattern: str) -> None:
    with pytest.raises(WrongUse):
        check_filters(SourceFilters(paths=(pattern,)))


@given(
    st.lists(st.text(min_size=1, max_size=20), max_size=4), st.frozensets(st.text(max_size=30), max_size=5)
)
def test_any_patterns_are_refused_or_answer_for_any_paths(patterns: list[str], paths: frozenset[str]) -> None:
    try:
        filters = check_filters(SourceFilters(paths=tuple(patterns)))
    except WrongUse:
        return

    wants(replace(PUSH, paths=paths), SourceTrigger(filters=filters))
