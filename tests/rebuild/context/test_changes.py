"""What a commit says and what it changed, without a checkout, by real servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from rebuild.context.changes import Change, look_at_change
from rebuild.context.fault import ContextError
from rebuild.context.git_command import GitCommand
from rebuild.context.limits import Limits, Meter
from rebuild.context.where import Git
from tests.rebuild.context.repositories import Repository, git_daemon, git_over_http

pytestmark = pytest.mark.anyio

NEVER = "1" * 40


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository.made(
        tmp_path / "served" / "shop.git", {"app/Dockerfile": "FROM scratch\n", "docs/a": "1"}
    )
    made.git("config", "uploadpack.allowFilter", "true")
    return made


async def look(url: str, tmp_path: Path, new: str, old: str | None) -> Change:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    git = GitCommand(Git(url), None, None, Meter(Limits(timeout_s=60)), scratch)
    return await look_at_change(git, new, old, tmp_path / "commits")


async def test_the_paths_between_two_commits_are_told(repository: Repository, tmp_path: Path) -> None:
    old = repository.git("rev-parse", "HEAD")
    repository.commit({"docs/a": "2"})
    repository.git("mv", "docs/a", "docs/b")
    new = repository.commit({"app/new file\n": "3"})

    with git_over_http(tmp_path / "served") as server:
        change = await look(f"{server.url}/shop.git", tmp_path, new, old)

    assert change.paths == {"docs/a", "docs/b", "app/new file\n"}


async def test_no_file_is_fetched_where_the_server_can_leave_files_out(
    repository: Repository, tmp_path: Path
) -> None:
    old = repository.git("rev-parse", "HEAD")
    new = repository.commit({"app/large": "x" * 100_000})

    with git_over_http(tmp_path / "served") as server:
        await look(f"{server.url}/shop.git", tmp_path, new, old)

    listed = Repository(tmp_path / "commits").git(
        "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"
    )
    assert set(listed.split()) == {"commit", "tree"}


async def test_the_message_is_that_of_the_new_commit(repository: Repository, tmp_path: Path) -> None:
    (repository.folder / "a").write_text("1")
    repository.git("add", "a")
    repository.git("commit", "--quiet", "-m", "Explain it [skip ci]\n\nat length: ä")
    new = repository.git("rev-parse", "HEAD")

    with git_daemon(tmp_path / "served") as server:
        change = await look(f"{server.url}/shop.git", tmp_path, new, None)

    assert change == Change("Explain it [skip ci]\n\nat length: ä", None)


async def test_a_commit_that_the_server_has_forgotten_leaves_the_paths_unknown(
    repository: Repository, tmp_path: Path
) -> None:
    new = repository.git("rev-parse", "HEAD")

    with git_daemon(tmp_path / "served") as server:
        change = await look(f"{server.url}/shop.git", tmp_path, new, NEVER)

    assert change == Change("change", None)


async def test_a_new_commit_that_is_not_there_is_told(repository: Repository, tmp_path: Path) -> None:
    with git_daemon(tmp_path / "served") as server, pytest.raises(ContextError):
        await look(f"{server.url}/shop.git", tmp_path, NEVER, None)


async def test_a_server_that_leaves_nothing_out_gives_the_same_answer(
    repository: Repository, tmp_path: Path
) -> None:
    repository.git("config", "uploadpack.allowFilter", "false")
    old = repository.git("rev-parse", "HEAD")
    new = repository.commit({"docs/a": "2"})

    change = await look(repository.url, tmp_path, new, old)

    assert change.paths == {"docs/a"}
