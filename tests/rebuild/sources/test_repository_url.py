"""Two URLs of one repository are one, however each is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuild.sources.repository_url import is_same_repository, repository


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://github.com/Example/Web.git", "https://github.com/example/web"),
        ("https://github.com/example/web/", "git@github.com:example/web.git"),
        ("https://user:token@GitHub.com:443/example/web", "ssh://git@github.com/example/web.git"),
        ("https://github.com/example/web.git#main:app", "git://github.com/example/web"),
        ("ssh://git@ssh.github.com:443/example/web.git", "https://github.com/example/web.git"),
        ("https://git.example.com:8443/a/b", "ssh://git@git.example.com:2222/a/b.git"),
        ("https://dev.azure.com/org/proj/_git/repo", "https://org@dev.azure.com/Org/Proj/_git/Repo/"),
        ("https://dev.azure.com/org/proj/_git/repo", "git@ssh.dev.azure.com:v3/org/proj/repo"),
        ("https://dev.azure.com/org/proj/_git/repo", "https://org.visualstudio.com/proj/_git/repo"),
        (
            "https://org.visualstudio.com/DefaultCollection/proj/_git/repo",
            "org@vs-ssh.visualstudio.com:v3/org/proj/repo",
        ),
        ("https://dev.azure.com/org/_git/repo", "https://dev.azure.com/org/repo/_git/repo"),
        ("https://dev.azure.com/org/my%20proj/_git/repo", "https://dev.azure.com/org/my proj/_git/repo"),
        ("https://bits.example.com/scm/prj/app.git", "ssh://git@bits.example.com:7999/prj/app.git"),
        ("file:///srv/git/app.git", "file:///srv/git/app"),
    ],
)
def test_forms_of_one_repository_are_the_same(one: str, other: str) -> None:
    assert is_same_repository(one, other)
    assert is_same_repository(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://github.com/example/web", "https://github.com/example/web2"),
        ("https://github.com/example/web", "https://gitlab.com/example/web"),
        ("http://localhost:3000/a/b", "http://localhost:3001/a/b"),
        ("https://dev.azure.com/org/proj/_git/repo", "https://dev.azure.com/org/other/_git/repo"),
        ("https://github.com.evil.example/example/web", "https://github.com/example/web"),
        ("https://github.com@evil.example/example/web", "https://github.com/example/web"),
        ("file:///srv/git/app", "https://example.com/srv/git/app"),
    ],
)
def test_other_repositories_are_others(one: str, other: str) -> None:
    assert not is_same_repository(one, other)


@pytest.mark.parametrize(
    "text", ["", "web", "https://", "https://host", "ftp://a/b", "https://[::1", "a\nb:c"]
)
def test_what_is_no_url_is_no_repository(text: str) -> None:
    assert repository(text) is None


@given(st.text(max_size=80))
def test_any_text_is_a_repository_or_none(text: str) -> None:
    found = repository(text)

    assert found is None or found.is_same(found)
