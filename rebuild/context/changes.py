"""What one commit says, and what changed since another, without a checkout. Knows no trigger."""

from __future__ import annotations

import os
from pathlib import Path

from graph.record import dataclass
from rebuild.context.fault import ContextError
from rebuild.context.git_command import GitCommand

MESSAGE_MOST = 64 * 1024
_FETCH = ("fetch", "--quiet", "--no-tags", "--depth=1", "--no-recurse-submodules", "--no-auto-gc")
_PATHS_BYTES_MOST = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Change:
    """A commit's message, and the paths that differ from another commit; None where that is not known."""

    message: str = ""
    paths: frozenset[str] | None = None


async def look_at_change(git: GitCommand, new: str, old: str | None, folder: Path) -> Change:
    """Fetch the commits alone, files left out where the server can, into an empty folder, and compare.

    `old` None leaves the paths out. A server that has forgotten it, as after a forced push, leaves them
    unknown. Raises `ContextError` where the new commit cannot be had either.
    """
    await git.run("init", "--quiet", "--bare", str(folder))
    has_both = old is not None and await _has_fetched(git, folder, new, old)
    if not has_both:
        await _fetch(git, folder, "tree:0", f"+{new}:refs/new")
    said = await git.run("log", "-1", "--format=%B", "refs/new", folder=folder)
    message = said.decode(errors="replace")[:MESSAGE_MOST].strip()
    return Change(message, await _paths(git, folder) if has_both else None)


async def _has_fetched(git: GitCommand, folder: Path, new: str, old: str) -> bool:
    try:
        await _fetch(git, folder, "blob:none", f"+{new}:refs/new", f"+{old}:refs/old")
    except ContextError:
        return False
    return True


async def _fetch(git: GitCommand, folder: Path, leaving_out: str, *commits: str) -> None:
    await git.run(*_FETCH, f"--filter={leaving_out}", "--", git.source.url, *commits, folder=folder)


async def _paths(git: GitCommand, folder: Path) -> frozenset[str] | None:
    """None for a change that is too large to list: that is one of everything."""
    listed = await git.run(
        "diff-tree", "-r", "-z", "--name-only", "--no-renames", "refs/old", "refs/new",
        folder=folder, limit_bytes=_PATHS_BYTES_MOST,
    )  # fmt: skip
    if len(listed) >= _PATHS_BYTES_MOST:
        return None
    return frozenset(os.fsdecode(path) for path in listed.split(b"\0") if path)
