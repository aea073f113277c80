"""What opens a context is taken out of its text, and given to nobody but the context's own server."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from graph.errors import WrongUse
from rebuild.context.where import TOKEN_USER, Source
from rebuild.runs.run_variables import RunVariables
from rebuild.secrets.context_secrets import ContextSecrets, kept_with_task, typed_with
from rebuild.secrets.login import Login
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_source import FromEnvironment, Opaque
from rebuild.secrets.task_secrets import SecretUse
from rebuild.steps.task_work import Written, finish_work, prepare_work
from rebuild.template import Surroundings

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ARCHIVE = "https://example.com/x.tar"


def of(text: str) -> ContextSecrets:
    return ContextSecrets.of(Source.parse(text))


@pytest.mark.parametrize(
    ("text", "login"),
    [
        ("https://t0ken@example.com/r.git#main:x", Login(TOKEN_USER, Secret("t0ken"))),
        ("https://user:w%3Ard@example.com/r.git", Login("user", Secret("w:rd"))),
        ("https://a%3Ab@example.com/r.git", Login(TOKEN_USER, Secret("a:b"))),
        ("https://:word@example.com/r.git", Login("", Secret("word"))),
        ("https://org:pat@dev.azure.com/org/p/_git/r", Login("org", Secret("pat"))),
        ("https://u:w@example.com/x.tar", Login("u", Secret("w"))),
        ("https://example.com/r.git", None),
        (".", None),
    ],
)
def test_a_login_comes_out_as_it_was_written(text: str, login: Login | None) -> None:
    assert of(text).login == login


def test_a_query_is_whole_and_each_long_value_of_it_is_hidden() -> None:
    found = of(f"{ARCHIVE}?se=2030&sig=abc%2Bdefghijklmno")

    assert found.query == Secret("se=2030&sig=abc%2Bdefghijklmno")
    assert {"abc%2Bdefghijklmno", "abc+defghijklmno"} <= {secret.reveal() for secret in found.hidden}
    assert "2030" not in {secret.reveal() for secret in found.hidden}


def test_the_password_is_hidden_alone_and_with_its_user() -> None:
    hidden = {secret.reveal() for secret in of("https://user:s3cret@example.com/r.git").hidden}

    assert hidden == {"user:s3cret", "s3cret"}


def test_a_token_by_an_option_and_one_in_the_url_exclude_each_other() -> None:
    source = Source.parse("https://t0ken@example.com/r.git")

    with pytest.raises(WrongUse, match="--git-access-token is another"):
        typed_with(source, {SecretUse.GIT: FromEnvironment("T")})


def test_a_task_that_gets_another_url_loses_the_query_of_the_old_one() -> None:
    assert kept_with_task(ARCHIVE, {}) == {SecretUse.QUERY: {}}


def test_a_task_that_gets_its_url_back_as_it_was_shown_keeps_the_query() -> None:
    assert kept_with_task(f"{ARCHIVE}?***", {}) == {}


def test_a_login_becomes_the_token_of_the_task() -> None:
    token = Opaque(Secret("t0ken"))

    assert kept_with_task("https://example.com/r.git", {SecretUse.GIT: token}) == {
        SecretUse.GIT: {"": token},
        SecretUse.QUERY: {},
    }


def test_a_login_in_the_context_of_a_step_is_a_secret_of_the_run() -> None:
    text = "version: v1.1.0\nsteps:\n  - build: -t a:1 https://t0ken@example.com/r.git#main\n"
    run = RunVariables("r1", NOW, "localhost:5000")
    written = Written("acb.yaml", text, {})
    prepared = prepare_work(written, run, Surroundings(NOW, Random(0)), context=None)

    assert Secret("t0ken") in finish_work(prepared, written, {}).secrets
