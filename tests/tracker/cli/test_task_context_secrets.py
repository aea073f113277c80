"""A login or a query in a task's context is kept apart from it: typed, changed, declared, shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tracker.cli.conftest import Answer, Tracker

HERE = "http://127.0.0.1:1"  # nobody answers there
REPOSITORY = f"{HERE}/app.git"
PRIVATE = "http://user:s3cret@127.0.0.1:1/app.git"
SIGNED = f"{HERE}/x.tar?sig=s3cret"


@pytest.fixture
def create(tracker: Tracker) -> Tracker:
    def made(context: str, *words: str) -> Answer:
        return tracker("task", "create", "-n", "web", "-c", context, "-t", "localhost:5000/web:1", *words)

    return made


def shown(tracker: Tracker, name: str = "web") -> tuple[str, dict[str, str]]:
    """The context, and the sources of secrets by use."""
    plain: dict[str, Any] = tracker("task", "show", "-n", name, "--json").json
    return plain["context"], {secret["use"]: secret["source"] for secret in plain["secrets"]}


def test_a_login_becomes_the_git_token_with_a_warning(create: Tracker, tracker: Tracker) -> None:
    done = create(PRIVATE)

    assert "warning: --context: other users of this machine see a login" in done.err
    assert "s3cret" not in done.err + done.out
    assert shown(tracker) == (REPOSITORY, {"git": "opaque"})


def test_a_query_is_kept_beside_its_url(create: Tracker, tracker: Tracker) -> None:
    create(SIGNED)

    assert shown(tracker) == (f"{HERE}/x.tar?***", {"query": "opaque"})


def test_a_login_and_a_token_exclude_each_other(create: Tracker) -> None:
    done = create(PRIVATE, "--git-access-token", "env:T")

    assert done.status == 2
    assert "error: the URL of the context has a login, and --git-access-token is another" in done.err


@pytest.mark.parametrize(
    ("context", "left"),
    [
        (f"{REPOSITORY}#v2", {"git": "opaque"}),
        (f"{HERE}/x.tar", {"git": "opaque"}),
        ("http://localhost:1/app.git", {}),
        (SIGNED, {"git": "opaque", "query": "opaque"}),
    ],
)
def test_another_context_keeps_a_token_of_the_same_server(
    context: str, left: dict[str, str], create: Tracker, tracker: Tracker
) -> None:
    create(PRIVATE)

    tracker("task", "update", "-n", "web", "-c", context)

    assert shown(tracker)[1] == left


def test_an_update_of_something_else_leaves_both(create: Tracker, tracker: Tracker) -> None:
    create("http://user:s3cret@127.0.0.1:1/x.tar?sig=1")

    tracker("task", "update", "-n", "web", "--timeout", "30m")

    assert shown(tracker) == (f"{HERE}/x.tar?***", {"git": "opaque", "query": "opaque"})


@pytest.mark.parametrize(("context", "key"), [(PRIVATE, "git_access_token"), (SIGNED, "context_query")])
def test_a_declared_context_has_no_secrets_in_it(
    context: str, key: str, tracker: Tracker, tmp_path: Path
) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(f"name: web\ncontext: {context}\n")

    done = tracker("task", "apply", str(file))

    assert done.status == 2
    assert f"hint: take it out, and write {key}: env:NAME" in done.err
    assert "s3cret" not in done.err


def test_a_declared_query_is_a_source(tracker: Tracker, tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    file.write_text(f"name: web\ncontext: {HERE}/x.tar\ncontext_query: env:SIGNATURE\n")
    tracker("task", "apply", str(file))

    again = tracker("task", "apply", str(file))

    assert shown(tracker) == (f"{HERE}/x.tar?***", {"query": "env:SIGNATURE"})
    assert "nothing to do" in again.out
