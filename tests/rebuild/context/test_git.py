"""A commit of a real repository comes out of every kind of server, and nothing of the repository acts."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import socket
import stat
import subprocess
import sys
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rebuild.context.fault import ContextError, TooLarge, Unsafe
from rebuild.context.fetch import Access, Fetched, fetch
from rebuild.context.limits import Limits
from rebuild.context.reach import Reach, SshFiles, SshHosts
from rebuild.context.where import TOKEN_USER, Source
from rebuild.secrets.login import Login
from rebuild.secrets.secret import Secret
from tests.rebuild.context.repositories import (
    PASSWORD,
    TIME_S,
    USER,
    Repository,
    git_daemon,
    git_over_http,
    ssh_server,
)

LOGIN = Login(USER, Secret(PASSWORD))
FILES = {"Dockerfile": "FROM scratch\n", "app/main.py": "print()\n"}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.made(tmp_path / "served" / "app.git", FILES)


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "into"


def fetched(text: str, into: Path, **more: Any) -> Fetched:
    return asyncio.run(fetch(Source.parse(text), into, log=lambda piece: None, **more))


def content(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_the_default_branch_is_the_servers_own(repository: Repository, into: Path) -> None:
    found = fetched(repository.url, into)

    assert content(into) == FILES
    assert found == Fetched(into, repository.git("rev-parse", "HEAD"), "trunk", TIME_S)


def test_every_ref_names_its_commit(repository: Repository, tmp_path: Path) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.git("tag", "v1")
    repository.git("tag", "-a", "-m", "x", "v1-signed")
    repository.git("update-ref", "refs/pull/7/head", first)
    repository.git("checkout", "--quiet", "-b", "feature/x")
    second = repository.commit({"new": "x"})

    for number, (ref, commit, branch) in enumerate(
        [
            ("v1", first, None),
            ("v1-signed", first, None),
            ("pull/7/head", first, None),
            ("refs/pull/7/head", first, None),
            ("trunk", first, "trunk"),
            ("feature/x", second, "feature/x"),
            ("refs/heads/feature/x", second, "feature/x"),
            (first, first, None),
            (first[:10], first, None),
            (second.upper(), second, None),
        ]
    ):
        found = fetched(f"{repository.url}#{ref}", tmp_path / f"into{number}")

        assert (ref, found.commit, found.branch) == (ref, commit, branch)


def test_one_commit_is_transferred_and_no_history(repository: Repository, into: Path) -> None:
    repository.commit({"new": "x"})

    fetched(repository.url, into, keep_git=True)

    assert Repository(into).git("rev-list", "--count", "HEAD") == "1"


def test_the_same_commit_gives_the_same_files_whatever_the_moment_and_umask(
    repository: Repository, tmp_path: Path
) -> None:
    (repository.folder / "program").write_text("x")
    (repository.folder / "program").chmod(0o700)
    (repository.folder / "link").symlink_to("program")
    repository.commit({})
    seen = []
    for umask in (0o022, 0o077):
        before = os.umask(umask)
        try:
            into = (fetched(repository.url, tmp_path / f"into{umask}")).folder
        finally:
            os.umask(before)
        paths = [into, *sorted(into.rglob("*"))]
        seen.append(
            [
                (path.name if path != into else "", path.lstat().st_mode, path.lstat().st_mtime)
                for path in paths
            ]
        )

    assert seen[0] == seen[1]
    assert {mtime for _, _, mtime in seen[0]} == {TIME_S}
    assert stat.S_IMODE((tmp_path / "into18" / "program").stat().st_mode) == 0o755


def test_git_stays_in_the_folder_only_where_it_is_asked_for(repository: Repository, tmp_path: Path) -> None:
    assert not (fetched(repository.url, tmp_path / "a")).folder.joinpath(".git").exists()
    assert (fetched(repository.url, tmp_path / "b", keep_git=True)).folder.joinpath(".git").exists()


def test_a_folder_of_the_repository_is_the_context(repository: Repository, into: Path) -> None:
    assert (fetched(f"{repository.url}#:app", into)).folder == into / "app"


@pytest.mark.parametrize("target", ["/etc", "../..", "../served"])
def test_a_folder_that_leads_out_is_refused(target: str, repository: Repository, into: Path) -> None:
    (repository.folder / "out").symlink_to(target)
    repository.commit({})

    with pytest.raises(Unsafe, match="leads out"):
        fetched(f"{repository.url}#:out", into)
    assert not into.exists()


@pytest.mark.parametrize("ref", ["gone", "refs/pull/9/head", "deadbeef", "0" * 40, ":gone"])
def test_what_is_not_there_is_named(ref: str, repository: Repository, into: Path) -> None:
    with pytest.raises(ContextError, match=ref.strip(":")):
        fetched(f"{repository.url}#{ref}", into)
    assert not into.exists()


def test_a_repository_that_is_not_there_is_named(into: Path, tmp_path: Path) -> None:
    with pytest.raises(ContextError, match=r"gone.*does not") as raised:
        fetched(f"file://{tmp_path}/gone.git", into)
    assert raised.value.hint and "check the name" in raised.value.hint


def test_an_empty_repository_has_no_default_branch(tmp_path: Path, into: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "empty")], check=True)

    with pytest.raises(ContextError, match="no default branch"):
        fetched(f"file://{tmp_path}/empty", into)


def test_the_git_protocol_is_spoken(repository: Repository, into: Path) -> None:
    with git_daemon(repository.folder.parent) as server:
        found = fetched(f"{server.url}/app.git#trunk", into)

    assert content(found.folder) == FILES


def test_http_is_spoken(repository: Repository, into: Path) -> None:
    with git_over_http(repository.folder.parent) as server:
        found = fetched(f"{server.url}/app.git#trunk:app", into)

    assert content(found.folder) == {"main.py": "print()\n"}


IN_HASTE = Limits(first_pause_s=0.001)


@pytest.mark.parametrize("faults", [[503], [0, 0, 502, 502], [429, 500]], ids=["refs", "commit", "twice"])
def test_a_server_that_is_down_for_a_moment_is_asked_again(
    faults: list[int], repository: Repository, into: Path
) -> None:
    with git_over_http(repository.folder.parent) as server:
        server.faults = faults
        found = fetched(f"{server.url}/app.git#trunk", into, limits=IN_HASTE)

    assert content(found.folder) == FILES
    assert server.faults == []


def test_a_server_that_stays_down_is_asked_no_more_often_than_the_limits_say(
    repository: Repository, into: Path
) -> None:
    with git_over_http(repository.folder.parent) as server:
        server.faults = [503] * 9
        with pytest.raises(ContextError, match="503"):
            fetched(f"{server.url}/app.git#trunk", into, limits=IN_HASTE)

    assert len(server.paths) == IN_HASTE.attempts


def test_a_server_that_refuses_is_not_asked_again(repository: Repository, into: Path) -> None:
    with git_over_http(repository.folder.parent) as server:
        server.faults = [403]
        with pytest.raises(ContextError, match="403"):
            fetched(f"{server.url}/app.git#trunk", into, limits=IN_HASTE)

    assert len(server.paths) == 1


@pytest.mark.parametrize("ref", ["pull/7/head", "merge-requests/7/head", "pull-requests/7/from"])
def test_an_older_commit_of_a_pull_request_is_found_where_none_is_given_by_its_id(
    ref: str, repository: Repository, into: Path
) -> None:
    proposed = _propose(repository, ref)

    with git_over_http(repository.folder.parent, is_old=True) as server:
        url = f"{server.url}/app.git#{proposed}"
        found = fetched(url, into, access=Access(pull=7))

        with pytest.raises(ContextError, match=f"has no commit '{proposed}'"):
            fetched(url, into.with_name("without"), access=Access())
    assert (found.commit, found.branch) == (proposed, None)
    assert content(into) == {**FILES, "proposed": "first"}


def test_a_commit_that_is_no_longer_in_its_pull_request_is_missed(repository: Repository, into: Path) -> None:
    gone = _propose(repository, "pull/8/head")
    repository.git("update-ref", "refs/pull/8/head", "trunk")

    with (
        git_over_http(repository.folder.parent, is_old=True) as server,
        pytest.raises(ContextError, match=f"has no commit '{gone}'"),
    ):
        fetched(f"{server.url}/app.git#{gone}", into, access=Access(pull=8))


def test_a_commit_of_a_pull_request_that_is_merged_and_gone_is_found_in_its_branch(
    repository: Repository, into: Path
) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.commit({"new": "x"})
    _refuse_ids(repository)

    with git_over_http(repository.folder.parent, is_old=True) as server:
        found = fetched(f"{server.url}/app.git#{first}", into, access=Access(pull=9))

    assert found.commit == first


def _propose(repository: Repository, ref: str) -> str:
    """Two commits that no branch has; answers the first. The server gives none by its id."""
    repository.git("checkout", "--quiet", "--detach")
    first = repository.commit({"proposed": "first"})
    repository.commit({"proposed": "second"})
    repository.git("update-ref", f"refs/{ref}", "HEAD")
    repository.git("checkout", "--quiet", "trunk")
    _refuse_ids(repository)
    return first


def _refuse_ids(repository: Repository) -> None:
    for allowed in ("AnySHA1InWant", "ReachableSHA1InWant", "TipSHA1InWant"):
        repository.git("config", f"uploadpack.allow{allowed}", "false")


def test_a_server_of_plain_files_gives_all_that_it_has(repository: Repository, into: Path) -> None:
    """The dumb protocol knows no depth."""
    repository.commit({"new": "x"})
    bare = repository.folder.parent / "plain.git"
    repository.git("clone", "--quiet", "--bare", ".", str(bare))
    Repository(bare).git("update-server-info")
    command = [
        sys.executable,
        "-u",
        "-m",
        "http.server",
        "0",
        "--bind",
        "127.0.0.1",
        "--directory",
        str(bare.parent),
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split()[5].decode()
        found = fetched(f"http://127.0.0.1:{port}/plain.git#trunk", into)
    finally:
        server.kill()
        server.communicate()

    assert content(found.folder) == {**FILES, "new": "x"}


def test_a_login_goes_to_its_server_and_shows_nowhere(repository: Repository, into: Path) -> None:
    with git_over_http(repository.folder.parent, private=True) as server:
        with pytest.raises(ContextError) as raised:
            fetched(f"{server.url}/app.git", into)
        fetched(f"{server.url}/app.git", into, access=Access(login=LOGIN), keep_git=True)

    assert raised.value.hint and "private" in raised.value.hint
    kept = b"".join(path.read_bytes() for path in (into / ".git").rglob("*") if path.is_file())
    assert PASSWORD.encode() not in kept


def test_a_login_in_the_url_goes_before_the_tasks_own(repository: Repository, into: Path) -> None:
    with git_over_http(repository.folder.parent, private=True) as server:
        url = server.url.replace("://", f"://{USER}:{PASSWORD.replace('@', '%40')}@")
        found = fetched(f"{url}/app.git", into, access=Access(login=Login("x", Secret("y"))))

    assert content(found.folder) == FILES


def test_a_lone_user_is_a_token_and_no_error_shows_it(repository: Repository, into: Path) -> None:
    with git_over_http(repository.folder.parent, private=True) as server:
        url = server.url.replace("://", "://t0ken@")
        with pytest.raises(ContextError) as raised:
            fetched(f"{url}/app.git", into)

    assert f"Basic {b64encode(f'{TOKEN_USER}:t0ken'.encode()).decode()}" in server.authorizations
    assert "t0ken" not in f"{raised.value.message} {raised.value.hint}"


def test_a_login_does_not_follow_a_redirect_to_another_server(repository: Repository, into: Path) -> None:
    with (
        git_over_http(repository.folder.parent, private=True) as other,
        git_over_http(repository.folder.parent, redirect_to=other.url) as server,
        pytest.raises(ContextError),
    ):
        fetched(f"{server.url}/app.git", into, access=Access(login=LOGIN))

    assert set(other.authorizations) == {None}


def by_ssh(key_file: Path, known_hosts: Path) -> Access:
    return Access(reach=Reach(ssh=SshHosts(SshFiles(key_file, known_hosts))))


def test_ssh_opens_with_the_key_that_was_given_and_no_other(
    repository: Repository, into: Path, tmp_path: Path
) -> None:
    with ssh_server(tmp_path / "keys of ssh") as server:
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{server.port}{repository.folder}"
        found = fetched(url, into, access=by_ssh(server.key_file, server.known_hosts))
        stranger = by_ssh(server.key_file.with_name("stranger"), server.known_hosts)
        with pytest.raises(ContextError, match="denied") as denied:
            fetched(url, tmp_path / "other", access=stranger)

    assert content(found.folder) == FILES
    assert denied.value.hint and "--git-ssh-key" in denied.value.hint


def test_a_key_that_came_with_the_context_goes_before_that_of_the_host_and_stays_nowhere(
    repository: Repository, tmp_path: Path
) -> None:
    with ssh_server(tmp_path / "ssh") as server:
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{server.port}{repository.folder}"
        usual = by_ssh(server.key_file.with_name("stranger"), server.known_hosts)
        text = server.key_file.read_text().strip().replace("\n", "\r\n")
        into = tmp_path / "run/into"
        into.parent.mkdir()
        found = fetched(url, into, access=replace(usual, ssh_key=Secret(text)))

    assert content(found.folder) == FILES
    left = [path for path in into.parent.rglob("*") if path.is_file()]
    assert not [path for path in left if b"PRIVATE" in path.read_bytes()]


def test_a_host_of_ssh_may_have_a_key_of_its_own(repository: Repository, into: Path, tmp_path: Path) -> None:
    with ssh_server(tmp_path / "ssh") as server:
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{server.port}{repository.folder}"
        own = {"127.0.0.1": SshFiles(server.key_file)}
        hosts = SshHosts(SshFiles(server.key_file.with_name("stranger"), server.known_hosts), own)
        found = fetched(url, into, access=Access(reach=Reach(ssh=hosts)))

    assert content(found.folder) == FILES


def test_a_host_that_nobody_knows_is_refused_with_its_fingerprint(
    repository: Repository, into: Path, tmp_path: Path
) -> None:
    with ssh_server(tmp_path / "ssh") as server:
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{server.port}{repository.folder}"
        fingerprint = server.fingerprint()
        with pytest.raises(ContextError) as unknown:
            fetched(url, into, access=by_ssh(server.key_file, tmp_path / "no-hosts"))
        stranger = server.key_file.with_name("stranger.pub").read_text()
        (tmp_path / "others").write_text(f"[127.0.0.1]:{server.port} {stranger}")
        with pytest.raises(ContextError) as changed:
            fetched(url, into, access=by_ssh(server.key_file, tmp_path / "others"))

    assert f"does not know the host [127.0.0.1]:{server.port}" in unknown.value.message
    assert f"its ssh-ed25519 key is {fingerprint}" in unknown.value.message
    assert unknown.value.hint is not None
    assert f"ssh-keyscan -p {server.port} 127.0.0.1 >> {tmp_path}/no-hosts" in unknown.value.hint
    assert "has another key than" in changed.value.message and fingerprint in changed.value.message
    assert changed.value.hint is not None and "somebody may be in between" in changed.value.hint
    assert not (tmp_path / "no-hosts").exists()


@pytest.mark.parametrize("text", ["no key at all", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@here"])
def test_what_is_no_private_key_is_said_to_be_none(
    text: str, repository: Repository, into: Path, tmp_path: Path
) -> None:
    with pytest.raises(ContextError, match="is no private key"):
        fetched("ssh://git@127.0.0.1:1/app.git", into, access=Access(ssh_key=Secret(text)))


def test_a_key_that_others_may_read_is_refused_by_its_name(
    repository: Repository, into: Path, tmp_path: Path
) -> None:
    with ssh_server(tmp_path / "ssh") as server:
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{server.port}{repository.folder}"
        server.key_file.chmod(0o644)
        with pytest.raises(ContextError, match=r"Permissions 0644 for .* are too open") as raised:
            fetched(url, into, access=by_ssh(server.key_file, server.known_hosts))

    assert raised.value.hint and "chmod 600" in raised.value.hint


def test_without_a_key_nobody_is_asked_for_one(repository: Repository, into: Path, tmp_path: Path) -> None:
    with ssh_server(tmp_path / "ssh") as server:
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{server.port}{repository.folder}"
        known = Access(reach=Reach(ssh=SshHosts(SshFiles(None, server.known_hosts))))
        with pytest.raises(ContextError, match="denied") as raised:
            fetched(url, into, access=known)

    assert raised.value.hint and "give a key that the host knows" in raised.value.hint


def test_a_key_with_a_passphrase_is_said_to_be_of_no_use(
    repository: Repository, into: Path, tmp_path: Path
) -> None:
    with ssh_server(tmp_path / "ssh") as server:
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{server.port}{repository.folder}"
        subprocess.run(
            ["ssh-keygen", "-q", "-p", "-N", "word", "-f", str(server.key_file)], check=True, timeout=30
        )
        with pytest.raises(ContextError) as raised:
            fetched(url, into, access=by_ssh(server.key_file, server.known_hosts))

    assert raised.value.hint and "without a passphrase" in raised.value.hint


def test_hooks_filters_and_settings_of_a_repository_do_not_act(
    repository: Repository, into: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "acted"
    script = f"#!/bin/sh\ntouch {mark}\n"
    for name in ("post-checkout", "post-merge", "reference-transaction", "pre-auto-gc"):
        hook = repository.folder / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(script)
        hook.chmod(0o755)
    repository.git("config", "uploadpack.packObjectsHook", f"touch {mark}; git pack-objects")
    repository.commit({".gitattributes": "* filter=evil diff=evil\n"})
    mark.unlink(missing_ok=True)

    fetched(repository.url, into)

    assert not mark.exists()


def test_submodules_come_with_it_at_their_pinned_commit(tmp_path: Path, into: Path) -> None:
    inner = Repository.made(tmp_path / "served/inner", {"deep": "1"})
    middle = Repository.made(tmp_path / "served/libs/middle.git", {"file": "1"})
    middle.add_submodule("inner", "../../inner", inner.git("rev-parse", "HEAD"))
    outer = Repository.made(tmp_path / "served/outer.git", FILES)
    outer.add_submodule("vendor/middle", "../libs/middle.git", middle.git("rev-parse", "HEAD"))
    inner.commit({"deep": "2"})

    with git_over_http(tmp_path / "served") as server:
        found = fetched(f"{server.url}/outer.git", into)

    vendored = content(found.folder / "vendor")
    assert vendored.pop("middle/.gitmodules")
    assert vendored == {"middle/file": "1", "middle/inner/deep": "1"}
    assert list(into.rglob(".git")) == []
    assert not Path("/tmp/owned").exists()


@pytest.mark.parametrize(
    "url", ["ext::sh -c touch% /tmp/owned", "-u./x", "ssh://-oProxy=touch/x", "/srv/x", "fd::3"]
)
def test_a_submodule_with_an_odd_url_is_refused(url: str, repository: Repository, into: Path) -> None:
    repository.add_submodule("sub", url, repository.git("rev-parse", "HEAD"))

    with pytest.raises(Unsafe, match="submodule 'sub'"):
        fetched(repository.url, into)
    assert not Path("/tmp/owned").exists()


def test_a_submodule_of_a_server_is_no_folder_of_this_machine(repository: Repository, into: Path) -> None:
    repository.add_submodule("sub", repository.url, repository.git("rev-parse", "HEAD"))

    with (
        git_over_http(repository.folder.parent) as server,
        pytest.raises(Unsafe, match="names a folder of this machine"),
    ):
        fetched(f"{server.url}/app.git", into)


def test_a_submodule_elsewhere_is_not_told_the_login(tmp_path: Path, into: Path) -> None:
    inner = Repository.made(tmp_path / "other/inner.git", {"file": "1"})
    outer = Repository.made(tmp_path / "served/outer.git", FILES)
    with (
        git_over_http(tmp_path / "other") as other,
        git_over_http(tmp_path / "served", private=True) as server,
    ):
        outer.add_submodule("sub", f"{other.url}/inner.git", inner.git("rev-parse", "HEAD"))
        fetched(f"{server.url}/outer.git", into, access=Access(login=LOGIN))

    assert set(other.authorizations) == {None}
    assert content(into / "sub") == {"file": "1"}


def test_submodules_without_end_are_bounded(repository: Repository, into: Path) -> None:
    commit = repository.git("rev-parse", "HEAD")
    for number in range(5):
        repository.add_submodule(f"sub{number}", repository.url, commit)

    with pytest.raises(TooLarge, match="more than 3 submodules"):
        fetched(repository.url, into, limits=Limits(repositories=3))


def test_a_submodule_of_the_same_server_comes_with_the_same_login(tmp_path: Path, into: Path) -> None:
    inner = Repository.made(tmp_path / "inner.git", {"file": "1"})
    outer = Repository.made(tmp_path / "outer.git", FILES)
    with git_over_http(tmp_path, private=True) as server:
        outer.add_submodule("near", "../inner.git", inner.git("rev-parse", "HEAD"))
        outer.add_submodule("whole", f"{server.url}/inner.git", inner.git("rev-parse", "HEAD"))
        fetched(f"{server.url}/outer.git", into, access=Access(login=LOGIN))

    assert content(into / "near") == content(into / "whole") == {"file": "1"}


def test_files_in_lfs_come_over_http_with_the_login(repository: Repository, into: Path) -> None:
    repository.commit_lfs({"large.bin": "x" * 5000})
    with git_over_http(repository.folder.parent, private=True) as server:
        fetched(f"{server.url}/app.git", into, access=Access(login=LOGIN))

    assert (into / "large.bin").read_text() == "x" * 5000


def test_lfs_objects_elsewhere_are_fetched_without_the_login(repository: Repository, into: Path) -> None:
    repository.commit_lfs({"large.bin": "x" * 5000})
    with (
        git_over_http(repository.folder.parent) as other,
        git_over_http(repository.folder.parent, private=True, lfs_objects=other.url) as server,
    ):
        fetched(f"{server.url}/app.git", into, access=Access(login=LOGIN))

    assert (into / "large.bin").read_text() == "x" * 5000
    assert set(other.authorizations) == {None}


def test_a_server_of_lfs_that_the_repository_names_is_not_told_the_login(
    repository: Repository, into: Path
) -> None:
    with (
        git_over_http(repository.folder.parent, private=True) as other,
        git_over_http(repository.folder.parent, private=True) as server,
    ):
        lfs = f"[lfs]\n\turl = {other.url}/app.git/info/lfs\n"
        repository.commit_lfs({"large.bin": "x" * 5000, ".lfsconfig": lfs})
        with pytest.raises(ContextError):
            fetched(f"{server.url}/app.git", into, access=Access(login=LOGIN))

    assert set(other.authorizations) == {None}


def test_lfs_does_not_follow_a_redirect_with_the_login(repository: Repository, into: Path) -> None:
    with (
        git_over_http(repository.folder.parent, private=True) as other,
        git_over_http(repository.folder.parent, redirect_to=other.url) as turned,
        git_over_http(repository.folder.parent, private=True, lfs_objects=turned.url) as server,
    ):
        repository.commit_lfs({"large.bin": "x" * 5000})
        with pytest.raises(ContextError):
            fetched(f"{server.url}/app.git", into, access=Access(login=LOGIN))

    assert set(other.authorizations) == {None}


@pytest.mark.parametrize(
    "url", ["file:///srv/r.git", "/srv/r.git", "ssh://-oProxyCommand=x/r", "ext::sh -c id"]
)
def test_lfs_of_a_server_is_no_folder_of_this_machine(url: str, repository: Repository, into: Path) -> None:
    repository.commit_lfs({"large.bin": "x" * 5000, ".lfsconfig": f"[lfs]\n\turl = {url}\n"})
    with git_over_http(repository.folder.parent) as server, pytest.raises(Unsafe, match="lfsconfig"):
        fetched(f"{server.url}/app.git", into)


def test_a_repository_cannot_have_errors_of_lfs_passed_over(repository: Repository, into: Path) -> None:
    repository.commit_lfs({"large.bin": "x" * 5000, ".lfsconfig": "[lfs]\n\tskipdownloaderrors = true\n"})
    shutil.rmtree(repository.folder / ".git/lfs")
    with git_over_http(repository.folder.parent) as server, pytest.raises(ContextError):
        fetched(f"{server.url}/app.git", into)


def test_files_in_lfs_are_filled_in(repository: Repository, into: Path) -> None:
    repository.commit_lfs({"large.bin": "x" * 5000})

    found = fetched(repository.url, into)

    assert (found.folder / "large.bin").read_text() == "x" * 5000


def test_files_in_lfs_count_before_they_come(repository: Repository, into: Path) -> None:
    repository.commit_lfs({"large.bin": "x" * 50_000})

    with pytest.raises(TooLarge, match="20000 bytes unpacked"):
        fetched(repository.url, into, limits=Limits(unpacked_bytes=20_000))


def test_lfs_is_missed_only_where_it_is_needed(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("git", "prlimit", "setpriv", "sh"):
        (programs / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(programs))
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    repository_git = Repository(repository.folder)
    repository_git.commit({".gitattributes": "*.bin filter=lfs\n", "plain.bin": "no pointer"})
    fetched(repository.url, tmp_path / "a")
    repository_git.commit({"large.bin": pointer})

    with pytest.raises(ContextError, match="1 files in Git LFS"):
        fetched(repository.url, tmp_path / "b")


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        (Limits(files=3), "more than 3 files"),
        (Limits(unpacked_bytes=10_000), "10000 bytes unpacked"),
        (Limits(transfer_bytes=50_000), "50000 bytes to transfer"),
        (Limits(depth=3), "more than 3 folders"),
    ],
)
def test_a_repository_is_bounded(limits: Limits, rule: str, repository: Repository, into: Path) -> None:
    repository.commit({"a/b/c/d": "x", "large": os.urandom(200_000).hex()})

    with pytest.raises(TooLarge, match=rule):
        fetched(repository.url, into, limits=limits)
    assert not into.exists()


def test_a_tree_that_multiplies_itself_is_not_checked_out(repository: Repository, into: Path) -> None:
    """Ten names a folder for one and the same folder, ten deep: ten thousand million files in 3 kB."""
    blob = repository.git("hash-object", "-w", "Dockerfile")
    tree, kind, mode = blob, "blob", "100644"
    for _ in range(10):
        listing = "".join(f"{mode} {kind} {tree}\tx{number}\n" for number in range(10))
        made = subprocess.run(
            ["git", "mktree"], input=listing, cwd=repository.folder, capture_output=True, text=True
        )
        tree, kind, mode = made.stdout.strip(), "tree", "040000"
    commit = repository.git("commit-tree", "-m", "bomb", tree)
    repository.git("update-ref", "refs/heads/bomb", commit)

    with pytest.raises(TooLarge, match="more than 1000 files"):
        fetched(f"{repository.url}#bomb", into, limits=Limits(files=1000))


def test_a_server_that_never_answers_is_left_and_its_git_ended(into: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/app.git"
        with pytest.raises(TooLarge, match="longer than 1 s"):
            fetched(url, into, limits=Limits(timeout_s=1))

    running = subprocess.run(["pgrep", "-f", url], capture_output=True, text=True).stdout
    assert running == ""
    assert not into.exists()
