"""`--secret` and `--secret-build-arg` as they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.errors import WrongUse
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_source import FromEnvironment, FromFile, FromVault, Opaque, Source
from tracker.cli.secret_options import typed_secrets

HERE = Path("/work")


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("id=npm,src=token.txt", FromFile(HERE / "token.txt")),
        ("type=file,id=npm,source=/run/token", FromFile(Path("/run/token"))),
        ("id=npm,env=NPM_TOKEN", FromEnvironment("NPM_TOKEN")),
        ("id=npm,type=env,src=NPM_TOKEN", FromEnvironment("NPM_TOKEN")),
        ("id=npm", FromEnvironment("npm")),
        ("id=npm,from=vault:secret/npm#token", FromVault("secret/npm", "token")),
        ("id=npm,from=a,b=c", Opaque(Secret("a,b=c"))),
    ],
)
def test_a_secret_is_written_as_docker_and_podman_have_it(text: str, source: Source) -> None:
    assert typed_secrets([text], [], {}, HERE) == {"npm": source}


def test_a_secret_build_argument_is_taken_from_the_environment_or_a_source() -> None:
    found = typed_secrets([], ["A", "B=env:OTHER", "C=typed"], {"A": "mine"}, HERE)

    assert found == {"A": Opaque(Secret("mine")), "B": FromEnvironment("OTHER"), "C": Opaque(Secret("typed"))}


@pytest.mark.parametrize(
    ("secret", "arg", "said"),
    [
        ("npm", None, "none of id, type"),
        ("src=/x", None, "names no id"),
        ("id=a,src=/x,env=B", None, "several sources"),
        ("id=../a,src=/x", None, "is not valid"),
        ("id=a,src=/x", "a=hunter22", "given twice"),
        (None, "NOT_SET", "no variable of that name"),
        (None, "=hunter22", "is not valid"),
    ],
)
def test_what_is_no_secret_is_refused_without_showing_it(
    secret: str | None, arg: str | None, said: str
) -> None:
    with pytest.raises(WrongUse, match=said) as refusal:
        typed_secrets([secret] if secret else [], [arg] if arg else [], {}, HERE)

    assert refusal.value.hint
    assert "hunter22" not in f"{refusal.value} {refusal.value.hint}"


@given(st.one_of(st.text(), st.from_regex(r"id=\w{1,5},(src|env|from|type)=.{0,20}")))
def test_any_text_is_a_secret_or_a_refusal(text: str) -> None:
    try:
        found = typed_secrets([text], [text], {}, HERE)
    except WrongUse:
        return
    assert len(found) == 2
