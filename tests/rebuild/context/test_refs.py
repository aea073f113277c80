"""What the refs of a repository point to, asked of real servers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from rebuild.context.fault import ContextError
from rebuild.context.git_command import GitCommand
from rebuild.context.limits import Limits, Meter
from rebuild.context.refs import RefKind, default_branch, is_of_host, is_too_often, list_refs, pull_number
from rebuild.context.where import Git
from rebuild.secrets.login import Login
from rebuild.secrets.secret import Secret
from tests.real_registry import free_port
from tests.rebuild.context.repositories import PASSWORD, USER, Repository, git_daemon, git_over_http
from tests.rebuild.context.web import body, serving

pytestmark = pytest.mark.anyio

BRANCHES = frozenset({RefKind.BRANCHES})
ALL = frozenset(RefKind)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.made(tmp_path / "served" / "shop.git", {"Dockerfile": "FROM scratch\n"})


@contextlib.contextmanager
def git(url: str, tmp_path: Path, login: Login | None = None) -> Iterator[GitCommand]:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    yield GitCommand(Git(url), login, None, Meter(Limits(timeout_s=30)), scratch)


async def test_branches_are_told_with_their_commits(repository: Repository, tmp_path: Path) -> None:
    repository.git("branch", "feature/one")
    commit = repository.git("rev-parse", "HEAD")

    with git_daemon(tmp_path / "served") as server, git(f"{server.url}/shop.git", tmp_path) as asked:
        heads = await list_refs(asked, BRANCHES)

    assert heads == {"refs/heads/trunk": commit, "refs/heads/feature/one": commit}


async def test_an_annotated_tag_is_the_commit_that_it_names(repository: Repository, tmp_path: Path) -> None:
    repository.git("tag", "-a", "v1", "-m", "first")
    repository.git("tag", "light")
    commit = repository.git("rev-parse", "HEAD")

    with git(repository.url, tmp_path) as asked:
        heads = await list_refs(asked, frozenset({RefKind.TAGS}))

    assert heads == {"refs/tags/v1": commit, "refs/tags/light": commit}


async def test_pull_requests_come_with_all_else_where_they_are_wanted(
    repository: Repository, tmp_path: Path
) -> None:
    commit = repository.git("rev-parse", "HEAD")
    for ref in ("refs/pull/7/head", "refs/pull/7/merge", "refs/merge-requests/8/head", "refs/notes/commits"):
        repository.git("update-ref", ref, commit)

    with git(repository.url, tmp_path) as asked:
        heads = await list_refs(asked, ALL)

    assert set(heads) == {"refs/heads/trunk", "refs/pull/7/head", "refs/merge-requests/8/head"}


async def test_a_private_repository_is_opened_by_its_token_alone(
    repository: Repository, tmp_path: Path
) -> None:
    login = Login(USER, Secret(PASSWORD))
    with git_over_http(tmp_path / "served", private=True) as server:
        with git(f"{server.url}/shop.git", tmp_path, login) as asked:
            heads = await list_refs(asked, BRANCHES)
        with git(f"{server.url}/shop.git", tmp_path) as stranger, pytest.raises(ContextError) as told:
            await list_refs(stranger, BRANCHES)

    assert set(heads) == {"refs/heads/trunk"}
    assert not is_of_host(told.value)


async def test_the_default_branch_is_what_head_names(repository: Repository, tmp_path: Path) -> None:
    with git(repository.url, tmp_path) as asked:
        assert await default_branch(asked) == "trunk"


async def test_a_head_that_names_no_branch_is_no_default(repository: Repository, tmp_path: Path) -> None:
    repository.git("checkout", "--quiet", "--detach")

    with git(repository.url, tmp_path) as asked:
        assert await default_branch(asked) is None


async def test_an_empty_repository_has_no_refs(tmp_path: Path) -> None:
    empty = tmp_path / "empty.git"
    empty.mkdir()
    repository = Repository(empty)
    repository.git("init", "--quiet", "--bare")

    with git(repository.url, tmp_path) as asked:
        assert await list_refs(asked, ALL) == {}


async def test_a_host_that_is_not_there_is_told_from_a_repository_that_is_not(tmp_path: Path) -> None:
    nowhere = f"git://127.0.0.1:{free_port()}/shop.git"
    with git(nowhere, tmp_path) as asked, pytest.raises(ContextError) as nobody:
        await list_refs(asked, BRANCHES)
    with git(f"file://{tmp_path}/gone.git", tmp_path) as asked, pytest.raises(ContextError) as gone:
        await list_refs(asked, BRANCHES)

    assert (is_of_host(nobody.value), is_of_host(gone.value)) == (True, False)


@pytest.mark.parametrize(("status", "too_often"), [(429, True), (503, False)])
async def test_a_host_says_when_it_is_asked_too_often(tmp_path: Path, status: int, too_often: bool) -> None:
    with serving() as web:
        web.gives("/shop.git/info/refs?service=git-upload-pack", body(b"no", status=status))
        with git(f"{web.url}/shop.git", tmp_path) as asked, pytest.raises(ContextError) as told:
            await list_refs(asked, BRANCHES)

    assert (is_of_host(told.value), is_too_often(told.value)) == (True, too_often)


@pytest.mark.parametrize(
    ("ref", "number"),
    [
        ("refs/pull/12/head", 12),
        ("refs/merge-requests/3/head", 3),
        ("refs/pull/12/merge", None),
        ("refs/pull/x/head", None),
        ("refs/heads/pull/12/head", None),
        ("refs/pull/99999999999/head", None),
    ],
)
def test_the_head_of_a_pull_request_has_its_number(ref: str, number: int | None) -> None:
    assert pull_number(ref) == number
