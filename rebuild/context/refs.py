"""What the refs of a repository point to, by asking its server. Fetches no commit and keeps nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from enum import StrEnum

from rebuild.context.fault import ContextError, TooLarge
from rebuild.context.git_command import GitCommand

REFS_MOST = 100_000
_LISTING_BYTES_MOST = 16 * 1024 * 1024
_LINE = re.compile(r"(?P<commit>[0-9a-f]{40}|[0-9a-f]{64})\t(?P<ref>refs/[\x21-\x7e\x80-\U0010ffff]{1,1000})")
_PEELED = "^{}"  # after the name of an annotated tag: the commit that it names
_HOST_IS_DOWN = re.compile(
    r"Could not resolve host|Couldn't connect|Failed to connect|unable to connect|"
    r"Connection (?:refused|reset)|timed out|No route to host|is unreachable|returned error: (?:429|5\d\d)|"
    r"early EOF|hung up|RPC failed|longer than|kex_exchange|closed by remote",
    re.IGNORECASE,
)
_TOO_OFTEN = re.compile(r"returned error: 429|rate limit|too many requests", re.IGNORECASE)


class RefKind(StrEnum):
    """The refs that a source trigger may look at. Pull requests are refs with some forges alone."""

    BRANCHES = "branches"
    TAGS = "tags"
    PULLS = "pulls"

    @property
    def prefixes(self) -> tuple[str, ...]:
        return _PREFIXES[self]


_PREFIXES: Mapping[RefKind, tuple[str, ...]] = {
    RefKind.BRANCHES: ("refs/heads/",),
    RefKind.TAGS: ("refs/tags/",),
    RefKind.PULLS: ("refs/pull/", "refs/merge-requests/"),
}
_OF_PULL = (
    "refs/pull/{}/head",
    "refs/pull/{}/merge",
    "refs/merge-requests/{}/head",
    "refs/pull-requests/{}/from",
)
_PULL = re.compile(r"refs/(?:pull|merge-requests)/(\d{1,9})/head")


async def list_refs(git: GitCommand, kinds: Set[RefKind]) -> dict[str, str]:
    """Full names of refs, with the commits that they point to. Raises `ContextError`.

    Of branches and tags the server tells nothing else; for pull requests it has to list all that it has.
    """
    if RefKind.PULLS in kinds:
        arguments = ["--", git.source.url, *(f"{prefix}*" for kind in kinds for prefix in kind.prefixes)]
    else:
        options = {RefKind.BRANCHES: "--heads", RefKind.TAGS: "--tags"}
        arguments = [*(options[kind] for kind in sorted(kinds)), "--", git.source.url]
    listed = await git.run("ls-remote", *arguments, limit_bytes=_LISTING_BYTES_MOST)
    lines = listed.decode(errors="replace").splitlines()
    if len(lines) > REFS_MOST or len(listed) >= _LISTING_BYTES_MOST:
        raise TooLarge(
            f"repository {git.source.url} has more than {REFS_MOST} refs",
            hint="let its forge send webhooks, and switch sources.poll off if nothing else is polled",
        )
    return _heads(lines, kinds)


async def default_branch(git: GitCommand) -> str | None:
    """The branch that HEAD names on the server; None where it leads nowhere. Raises `ContextError`."""
    listed = await git.run("ls-remote", "--symref", "--", git.source.url, "HEAD")
    for line in listed.decode(errors="replace").splitlines():
        name, tab, what = line.partition("\t")
        if tab and what == "HEAD" and name.startswith("ref: refs/heads/"):
            return name.removeprefix("ref: refs/heads/")
    return None


def pull_number(ref: str) -> int | None:
    """The number of the pull request whose head a ref is."""
    found = _PULL.fullmatch(ref)
    return int(found[1]) if found else None


async def pull_refs(git: GitCommand, number: int) -> list[str]:
    """The refs under which the server keeps the code of a pull request, whatever its forge calls them; none
    where it keeps none. Raises `ContextError`."""
    listed = await git.run("ls-remote", "--", git.source.url, *(ref.format(number) for ref in _OF_PULL))
    refs = (line.partition("\t")[2] for line in listed.decode(errors="replace").splitlines())
    return [ref for ref in refs if ref in {name.format(number) for name in _OF_PULL}]


def is_of_host(error: ContextError) -> bool:
    """Whether the fault is one of the host or the way to it, so that its other repositories have it, too."""
    return _HOST_IS_DOWN.search(error.message) is not None


def is_too_often(error: ContextError) -> bool:
    """Whether the host says that it is asked too often."""
    return _TOO_OFTEN.search(error.message) is not None


def _heads(lines: list[str], kinds: Set[RefKind]) -> dict[str, str]:
    heads: dict[str, str] = {}
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        ref = found["ref"].removesuffix(_PEELED)  # it comes after the tag itself, and takes its place
        if any(_is_of(ref, kind) for kind in kinds):
            heads[ref] = found["commit"]
    return heads


def _is_of(ref: str, kind: RefKind) -> bool:
    if kind is RefKind.PULLS:
        return pull_number(ref) is not None
    return ref.startswith(kind.prefixes)
