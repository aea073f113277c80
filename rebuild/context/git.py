"""Fetches one commit of a git repository, with its submodules, into a folder. Knows nothing of builds.

Nothing is checked out before its size is known: the commit's files are listed and counted first.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import re
import shutil
import stat
from collections.abc import Awaitable, Callable
from dataclasses import field, replace
from pathlib import Path
from typing import TypeVar

import tenacity

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.context.fault import ContextError, TooLarge, Unsafe, masked
from rebuild.context.git_command import GitCommand
from rebuild.context.limits import Meter
from rebuild.context.reach import SshFiles
from rebuild.context.refs import is_of_host, pull_refs
from rebuild.context.where import Git, parse_repository
from rebuild.secrets.login import Login

_Answer = TypeVar("_Answer")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_WHOLE_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ENTRY = re.compile(
    rb"(?P<mode>\d{6}) (?P<kind>\w+) (?P<object>[0-9a-f]+) +(?P<size>\d+|-)\t(?P<path>.+)", re.DOTALL
)
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?size (\d{1,18})\n")
_POINTER_BYTES_MOST = 1024
_FETCH = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-gc")
_LFS = {
    "filter.lfs.clean": "git-lfs clean -- %f",
    "filter.lfs.smudge": "git-lfs smudge -- %f",
    "filter.lfs.process": "git-lfs filter-process",
    "filter.lfs.required": "true",
    "lfs.transfer.maxretries": "3",  # of 8, with up to 10 s between them
    "lfs.transfer.maxretrydelay": "1",
}


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """A commit's files in a folder; all of them have the commit's time."""

    commit: str
    branch: str | None  # None where a tag, a commit or another ref was asked for
    commit_time: int  # seconds since 1970


@dataclass(frozen=True, slots=True)
class _Found:
    """What the server calls what was asked for: a full ref, HEAD, or the commit itself, maybe abbreviated."""

    name: str
    branch: str | None = None
    is_commit: bool = False

    @property
    def is_short(self) -> bool:
        return self.is_commit and _WHOLE_COMMIT.fullmatch(self.name) is None


@dataclass(slots=True)
class Checkout:
    """One fetch: the logins that may be used, and what it has cost so far."""

    login: Login | None
    ssh: SshFiles | None
    meter: Meter
    scratch: Path
    log: Callable[[bytes], None]
    pull: int | None = None  # the pull request that the commit is of, where one is known
    _folders: list[Path] = field(default_factory=list)

    async def fetch(self, source: Git, into: Path, *, keep_git: bool = False) -> CheckedOut:
        """Check the source's commit out into an empty folder, submodules and LFS files with it."""
        git = self._command(source)
        found = await self._patiently(lambda: _find(git, source))
        commit = await self._check_out(git, found, into, self.pull)
        self._say(f"{source.url}: {found.name} is {commit}")
        time = int(await git.run("log", "-1", "--format=%ct", commit, folder=into))
        for folder in [] if keep_git else self._folders:
            await asyncio.to_thread(shutil.rmtree, folder / ".git")
        await asyncio.to_thread(_settle, into, time, self.meter)
        return CheckedOut(commit, found.branch, time)

    async def _patiently(self, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """A host that is down for a moment is asked again, as those of archives and artifacts are."""
        limits = self.meter.limits
        async for attempt in tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(limits.attempts),
            wait=tenacity.wait_exponential(multiplier=limits.first_pause_s),
            retry=tenacity.retry_if_exception(_may_pass),
            reraise=True,
        ):
            with attempt:
                answer = await ask()
        return answer

    def _command(self, source: Git) -> GitCommand:
        return GitCommand(source, source.login or self.login, self.ssh, self.meter, self.scratch)

    async def _check_out(self, git: GitCommand, found: _Found, into: Path, pull: int | None = None) -> str:
        self._folders.append(into)
        if len(self._folders) > self.meter.limits.repositories:
            raise TooLarge(f"the context has more than {self.meter.limits.repositories} submodules")
        await git.run("init", "--quiet", str(into))
        commit = await self._patiently(lambda: _transfer(git, found, into, pull))
        tree = _Tree(self.meter)
        await git.lines("ls-tree", "-r", "-t", "-l", "-z", "--full-tree", commit, folder=into, take=tree.take)
        await git.run("checkout", "--quiet", "--force", "--detach", commit, folder=into)
        await self._fill_lfs(git, into)
        for path, pinned in tree.submodules:
            await self._submodule(git, into, path, pinned)
        return commit

    async def _submodule(self, git: GitCommand, parent: Path, path: str, commit: str) -> None:
        url = await _submodule_url(git, parent, path)
        if url is None:
            self._say(f"{git.source.url}: {path} is a submodule without a URL; its folder stays empty")
            return
        source = _submodule_source(git.source, path, url)
        same = _host_of(source) == _host_of(git.source)
        login = source.login or (git.login if same else None)
        below = replace(git, source=source, login=login, ssh=git.ssh if same else None)
        place = await asyncio.to_thread(_place_of, git.source, parent, path)
        await self._check_out(below, _Found(commit, is_commit=True), place)

    async def _fill_lfs(self, git: GitCommand, folder: Path) -> None:
        """Replace LFS's pointers by what they point to, once it is known to fit."""
        listed = await git.run("ls-files", "-z", ":(attr:filter=lfs)", folder=folder)
        sizes = [
            size for name in listed.split(b"\0") if name and (size := _pointed(folder, name)) is not None
        ]
        if not sizes:
            return
        if shutil.which("git-lfs", path=git.path) is None:
            raise ContextError(
                f"context {git.source.url} keeps {len(sizes)} files in Git LFS, and git-lfs is not installed",
                hint="install git-lfs on the machine that fetches",
            )
        for size in sizes:
            self.meter.transfer(size)
            self.meter.unpack(size)
        await _check_lfs_servers(git, folder)
        await git.run("config", "remote.origin.url", git.source.url, folder=folder)
        settings = [part for key, value in _LFS.items() for part in ("-c", f"{key}={value}")]
        await git.run(*settings, "lfs", "pull", "origin", folder=folder)

    def _say(self, text: str) -> None:
        self.log(f"{masked(text)}\n".encode())


class _Tree:
    """Counts what a commit would check out, before it does."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.submodules: list[tuple[str, str]] = []

    def take(self, line: bytes) -> None:
        found = _ENTRY.fullmatch(line)
        if found is None:
            raise ContextError(f"git lists something that is no file: {line[:100]!r}")
        path = os.fsdecode(found["path"])
        self._meter.add(path)
        if found["size"] != b"-":
            self._meter.unpack(int(found["size"]))
        if found["mode"] == b"160000":
            self.submodules.append((path, found["object"].decode()))


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ContextError) and not isinstance(error, TooLarge) and is_of_host(error)


async def _find(git: GitCommand, source: Git) -> _Found:
    """What the server calls the ref, in git's own order: as it is, then tags, then branches."""
    listed = await git.run("ls-remote", "--symref", "--", source.url, source.ref or "HEAD")
    lines = listed.decode(errors="replace").splitlines()
    if source.ref is None:
        return _default(source, lines)
    names = {line.partition("\t")[2] for line in lines}
    for name in (source.ref, f"refs/{source.ref}", f"refs/tags/{source.ref}", f"refs/heads/{source.ref}"):
        if name in names:
            return _Found(name, branch=_branch(name))
    commit = source.ref.lower()
    if _COMMIT.fullmatch(commit):
        return _Found(commit, is_commit=True)
    raise ContextError(
        f"context {source.url} has no branch, tag or ref {source.ref!r}",
        hint=f"'git ls-remote {source.url}' shows those that it has",
    )


def _branch(name: str) -> str | None:
    return name.removeprefix("refs/heads/") if name.startswith("refs/heads/") else None


def _default(source: Git, lines: list[str]) -> _Found:
    named = next((line[5:].partition("\t")[0] for line in lines if line.startswith("ref: ")), "HEAD")
    if not any(line.endswith("\tHEAD") and not line.startswith("ref: ") for line in lines):
        raise ContextError(
            f"context {source.url} has no default branch: it is empty, or its HEAD leads nowhere",
            hint="name a branch: …#BRANCH",
        )
    return _Found(named, branch=_branch(named))


async def _transfer(git: GitCommand, found: _Found, into: Path, pull: int | None) -> str:
    """Fetch the commit alone where the server allows that, and all that it has where not."""
    alone = f"+{found.name}:refs/context"
    if not found.is_short:
        answer = await git.capture(*_FETCH, "--depth=1", "--", git.source.url, alone, folder=into)
        if answer.exit_code == 0:
            return await _commit(git, "refs/context", into)
        failure = git.failure(answer.stderr)
        if isinstance(failure, TooLarge):
            raise failure
    if found.is_commit and pull is not None and (commit := await _of_pull(git, found.name, pull, into)):
        return commit
    everything = ["+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*"]
    if not found.is_commit:
        everything = [alone]
    await git.run(*_FETCH, "--", git.source.url, *everything, folder=into)
    return await _commit(git, found.name if found.is_commit else "refs/context", into)


async def _of_pull(git: GitCommand, commit: str, number: int, into: Path) -> str | None:
    """Fetch the pull request with its history; None where the commit is not, or no longer, in it."""
    refs = await pull_refs(git, number)
    if not refs:
        return None
    await git.run(
        *_FETCH,
        "--",
        git.source.url,
        *(f"+{ref}:refs/all/{ref.removeprefix('refs/')}" for ref in refs),
        folder=into,
    )
    return await _known(git, commit, into)


async def _known(git: GitCommand, name: str, folder: Path) -> str | None:
    answer = await git.capture(
        "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", folder=folder
    )
    return answer.stdout.decode().strip() if answer.exit_code == 0 else None


async def _commit(git: GitCommand, name: str, folder: Path) -> str:
    commit = await _known(git, name, folder)
    if commit is None:
        raise ContextError(
            f"context {git.source.url} has no commit {name!r}", hint="name a branch or tag that holds it"
        )
    return commit


async def _check_lfs_servers(git: GitCommand, folder: Path) -> None:
    """A repository may name other servers of LFS; git-lfs would take a folder of this machine for one."""
    for _, url in await _settings_in(git, folder, ".lfsconfig", r"url$"):
        _named_by(git.source, ".lfsconfig", url)


async def _settings_in(git: GitCommand, folder: Path, file: str, names: str) -> list[tuple[str, str]]:
    """Names and values in a file of the commit; none where there is no such file, or it is broken."""
    answer = await git.capture("config", "--blob", f"HEAD:{file}", "-z", "--get-regexp", names, folder=folder)
    entries = os.fsdecode(answer.stdout).split("\0")
    return [(name, value) for name, newline, value in (entry.partition("\n") for entry in entries) if newline]


async def _submodule_url(git: GitCommand, parent: Path, path: str) -> str | None:
    """What `.gitmodules` says; git's own commands would also take what it says to run."""
    pairs = await _settings_in(git, parent, ".gitmodules", r"^submodule\..*\.(path|url)$")
    said = dict(pairs)
    name = next(
        (key[: -len(".path")] for key, value in pairs if key.endswith(".path") and value == path), None
    )
    return said.get(f"{name}.url") if name else None


def _place_of(source: Git, parent: Path, path: str) -> Path:
    """Where a submodule goes. A forged tree may have a link under the same name as a folder of it."""
    place = parent / path
    if place.resolve() != parent.resolve() / path or (place.exists() and any(place.iterdir())):
        raise Unsafe(f"context {source.url}: submodule {path!r} has something else in its place")
    return place


def _submodule_source(parent: Git, path: str, url: str) -> Git:
    if url.startswith(("./", "../")):
        url = _relative(parent.url, url)
    return _named_by(parent, f"submodule {path!r}", url)


def _named_by(parent: Git, what: str, url: str) -> Git:
    """A URL that a repository names: of a protocol of git's, and no folder here for one from elsewhere."""
    try:
        source = parse_repository(url)
    except WrongUse as error:
        raise Unsafe(f"context {parent.url}: {what}: {error.message}") from None
    if source.scheme == "file" and parent.scheme != "file":
        raise Unsafe(f"context {parent.url}: {what} names a folder of this machine")
    return source


def _relative(base: str, url: str) -> str:
    """A submodule's URL against its parent's: each `../` takes a part away."""
    scheme, mark, rest = base.partition("://") if "://" in base else base.partition(":")
    host, slash, path = rest.partition("/") if mark == "://" else ("", "", rest)
    joined = posixpath.normpath(posixpath.join("/", path.rstrip("/"), url)).lstrip("/")
    return f"{scheme}{mark}{host}{slash}{joined}"


def _host_of(source: Git) -> str:
    """Scheme, user, host and port: who is asked, and as whom."""
    scheme, mark, rest = source.url.partition("://")
    return f"{scheme}{mark}{rest.partition('/')[0]}" if mark else source.url.partition(":")[0]


def _pointed(folder: Path, name: bytes) -> int | None:
    """The size that an LFS pointer names, None for a file that is none."""
    path = folder / os.fsdecode(name)
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > _POINTER_BYTES_MOST:
        return None
    found = _POINTER.match(path.read_bytes())
    return int(found[1]) if found else None


def _settle(folder: Path, time: int, meter: Meter) -> None:
    """Times and modes that depend on the commit alone, not on the moment or the umask."""
    for _, folders, files, descriptor in os.fwalk(folder, topdown=False):
        meter.check_time()
        for name in (*files, *folders):
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if not stat.S_ISLNK(status.st_mode):
                mode = 0o755 if stat.S_ISDIR(status.st_mode) or status.st_mode & 0o100 else 0o644
                os.chmod(name, mode, dir_fd=descriptor)
            os.utime(name, (time, time), dir_fd=descriptor, follow_symlinks=False)
    folder.chmod(0o755)
    os.utime(folder, (time, time))
