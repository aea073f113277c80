"""One thing that happened in a git repository, as a frozen record. Knows no forge's format and no task."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from graph.record import dataclass


class Provider(StrEnum):
    """Who tells of it."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"  # and Forgejo
    BITBUCKET = "bitbucket"  # the cloud and the server
    AZURE = "azure"  # Azure Repos
    GENERIC = "generic"  # our own form
    POLL = "poll"  # nobody: it was found by asking


class Happening(StrEnum):
    """What happened."""

    PUSH = "push"  # a branch moved, came or went
    TAG = "tag"
    PULL_REQUEST = "pull-request"  # its code is new


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """The pull request of an event. `refs` are those its code can be fetched by, the best first."""

    number: int
    action: str  # as its forge calls it
    head: str  # the branch that it comes from
    base: str  # the branch that it is to go into
    from_fork: bool
    refs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEvent:
    """What happened to one ref of one repository. Commits are whole ids in small letters."""

    provider: Provider
    delivery: str  # what the forge calls this message; empty where it does not
    urls: tuple[str, ...]  # of the repository, for cloning, in every form that was told
    happening: Happening
    ref: str  # the branch or tag, without refs/heads/ and refs/tags/; of a pull request its head
    commit: str  # what the ref points to now; empty where it was deleted
    old_commit: str | None = None  # what it pointed to before; "" where it is new, None where not told
    message: str = ""  # of the commit
    paths: frozenset[str] | None = None  # that changed; None where not told, or not all were
    default_branch: str | None = None  # of the repository; None where not told
    pull: PullRequest | None = None  # for a pull request, and only for one
    as_of: datetime | None = None  # when the server was asked that said so; None for a message

    @property
    def deleted(self) -> bool:
        return not self.commit

    @property
    def full_ref(self) -> str | None:
        """By what its server knows it; None for a pull request that it keeps no ref of."""
        match self.happening:
            case Happening.PUSH:
                return f"refs/heads/{self.ref}"
            case Happening.TAG:
                return f"refs/tags/{self.ref}"
            case Happening.PULL_REQUEST:
                return next(iter(self.pull.refs), None) if self.pull else None

    @property
    def subject(self) -> str:
        """What can have one newest commit: `heads/main`, `tags/v1`, `pull/7`."""
        match self.happening:
            case Happening.PUSH:
                return f"heads/{self.ref}"
            case Happening.TAG:
                return f"tags/{self.ref}"
            case Happening.PULL_REQUEST:
                return f"pull/{self.pull.number if self.pull else 0}"
