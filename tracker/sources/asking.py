"""Asks one repository what has happened in it since the last look. Writes nothing down."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

import structlog

from graph.errors import TrackerError
from graph.record import dataclass
from rebuild.context.changes import Change, look_at_change
from rebuild.context.fault import ContextError
from rebuild.context.git_command import GitCommand
from rebuild.context.refs import RefKind, default_branch, list_refs, pull_number
from rebuild.context.where import Git
from rebuild.secrets.context_secrets import ContextSecrets
from rebuild.secrets.login import Login
from rebuild.sources.event import Happening, PullRequest, SourceEvent
from rebuild.sources.heads import Moved, event_of, kinds_wanted, moved
from rebuild.sources.match import follows, needs_default_branch
from rebuild.sources.repositories import Follower, Watched
from tracker.forges.fault import ForgeUnavailable
from tracker.pulse import unheard
from tracker.sources.repository_access import RepositoryAccess

MOVES_MOST = 200  # of one look; the others are seen by the next one

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Told:
    """What a repository told. `heads` are those that count as seen; `refusal` is why pull requests do not."""

    kinds: frozenset[RefKind]
    heads: Mapping[str, str]
    events: Sequence[SourceEvent] = ()
    refusal: TrackerError | None = None


class Pulls(Protocol):
    """What a forge says of a pull request whose head git has told of."""

    async def find(self, url: str, login: Login | None, number: int, ref: str) -> PullRequest | None:
        """None where it is not open. Raises `TrackerError`."""


class RepositoryAsker:
    """One listing of refs for all tasks of a repository; more only where something has moved."""

    def __init__(self, access: RepositoryAccess, pulls: Pulls, *, beat: Callable[[], None] = unheard) -> None:
        self._access = access
        self._pulls = pulls
        self._beat = beat

    async def ask(
        self, watched: Watched, followers: Sequence[Follower], before: Mapping[str, str], at: datetime
    ) -> Told:
        """`before` is what the refs pointed to at the last look, and `at` is now. Raises `TrackerError`."""
        kinds = kinds_wanted(one.trigger for one in followers)
        opened = await self._opened(watched, followers)
        with self.git(watched, opened) as git:
            heads = await list_refs(git, kinds)
        moves = moved(before, heads, watched.kinds & kinds)
        if not moves:
            return Told(kinds, heads)
        return await _Look(self, watched, followers, opened, kinds, heads, at).of(moves)

    async def _opened(self, watched: Watched, followers: Sequence[Follower]) -> ContextSecrets:
        """What opens it for one of its tasks; after a failure for the next."""
        with_own = [one.task for one in followers if self._access.has_own(one.task)]
        if not with_own:
            return ContextSecrets()
        return await self._access.opened(with_own[watched.failures % len(with_own)])

    def git(self, watched: Watched, opened: ContextSecrets) -> contextlib.AbstractContextManager[GitCommand]:
        return self._access.git(Git(watched.url), opened)

    async def pull(self, url: str, login: Login | None, ref: str) -> PullRequest | None:
        number = pull_number(ref)
        return None if number is None else await self._pulls.find(url, login, number, ref)

    def beat(self) -> None:
        self._beat()


@dataclass(slots=True)
class _Look:
    """One look at a repository in which something has moved."""

    asker: RepositoryAsker
    watched: Watched
    followers: Sequence[Follower]
    opened: ContextSecrets
    kinds: frozenset[RefKind]
    heads: dict[str, str]
    as_of: datetime
    refusal: TrackerError | None = None

    async def of(self, moves: Sequence[Moved]) -> Told:
        for late in moves[MOVES_MOST:]:
            self._put_off(late)
        default = await self._default_branch(moves[:MOVES_MOST])
        events = []
        for move in moves[:MOVES_MOST]:
            self.asker.beat()
            try:
                event = await self._event(move, default)
            except ForgeUnavailable as error:
                log.warning("a forge does not tell of a pull request now", ref=move.ref, error=error.message)
                self._put_off(move)
                continue
            if event is not None:
                events.append(event)
        return Told(self.kinds, self.heads, events, self.refusal)

    def _put_off(self, move: Moved) -> None:
        """As if it had not moved: the next look sees it."""
        if move.old:
            self.heads[move.ref] = move.old
        else:
            self.heads.pop(move.ref, None)

    async def _default_branch(self, moves: Sequence[Moved]) -> str | None:
        events = [event_of(move, self.watched.url) for move in moves if move.kind is not RefKind.PULLS]
        has_pulls = any(move.kind is RefKind.PULLS for move in moves)
        named = any(needs_default_branch(event, one.trigger) for event in events for one in self.followers)
        if not named and not has_pulls:
            return None
        with self._git() as git:
            return await default_branch(git)

    async def _event(self, move: Moved, default: str | None) -> SourceEvent | None:
        """None for what nobody looks at."""
        pull = None
        if move.kind is RefKind.PULLS:
            pull = await self._pull(move)
            if pull is None:
                return None
        event = event_of(move, self.watched.url, default_branch=default, pull=pull, as_of=self.as_of)
        interested = [one for one in self.followers if follows(event, one.trigger) is None]
        if not interested:
            return None
        change = await self._change(move, event, interested)
        return replace(event, message=change.message, paths=change.paths) if change else event

    async def _pull(self, move: Moved) -> PullRequest | None:
        if not move.new:
            return None
        try:
            return await self.asker.pull(self.watched.url, self.opened.login, move.ref)
        except ForgeUnavailable:
            raise
        except TrackerError as error:
            self.refusal = error
            return None

    async def _change(self, move: Moved, event: SourceEvent, interested: Sequence[Follower]) -> Change | None:
        """The message, and where somebody wants only some paths, those that changed. What cannot be found
        out keeps nobody from a run."""
        if event.deleted:
            return None
        by_path = any(one.trigger.filters.paths for one in interested)
        old = move.old if by_path and event.happening is Happening.PUSH else ""
        try:
            with self._git() as git, tempfile.TemporaryDirectory() as folder:
                return await look_at_change(git, move.new, old or None, Path(folder) / "commits")
        except ContextError as error:
            log.warning("cannot look into a commit", url=self.watched.url, ref=move.ref, error=error.message)
            return None

    def _git(self) -> contextlib.AbstractContextManager[GitCommand]:
        return self.asker.git(self.watched, self.opened)
