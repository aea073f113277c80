"""How each forge is told of the state of a commit: the request, with its own words. Sends nothing."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from graph.record import dataclass
from tracker.forges.address import Address
from tracker.forges.client import Request
from tracker.forges.fault import ForgeRefused
from tracker.forges.kind import ForgeKind

DESCRIPTION_MOST = 140  # GitHub's; the others take more
_KEY_MOST = 40  # Bitbucket's


class State(StrEnum):
    """How the run of a commit stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"  # what was built is at fault
    ERROR = "error"  # what builds is
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """What is told. A later one of the same context takes the place of an earlier one."""

    commit: str
    state: State
    context: str
    description: str
    link: str | None = None
    ref: str | None = None  # the branch or tag; only GitLab asks


_PLAIN = {
    State.PENDING: "pending",
    State.RUNNING: "pending",
    State.SUCCESS: "success",
    State.FAILURE: "failure",
    State.ERROR: "error",
    State.CANCELED: "error",
}
_GITLAB = {
    State.PENDING: "pending",
    State.RUNNING: "running",
    State.SUCCESS: "success",
    State.FAILURE: "failed",
    State.ERROR: "failed",
    State.CANCELED: "canceled",
}
_BITBUCKET = {
    State.PENDING: "INPROGRESS",
    State.RUNNING: "INPROGRESS",
    State.SUCCESS: "SUCCESSFUL",
    State.FAILURE: "FAILED",
    State.ERROR: "FAILED",
    State.CANCELED: "STOPPED",
}
_AZURE = {
    State.PENDING: "pending",
    State.RUNNING: "pending",
    State.SUCCESS: "succeeded",
    State.FAILURE: "failed",
    State.ERROR: "error",
    State.CANCELED: "notApplicable",
}


def tells_running(kind: ForgeKind) -> bool:
    """Whether the forge can be told more than that a run is to come."""
    return kind is ForgeKind.GITLAB


def status_request(at: Address, status: CommitStatus) -> Request:
    """Raises `ForgeRefused` for a forge that has no statuses."""
    match at.kind:
        case ForgeKind.GITHUB:
            url = f"{at.api}/repos/{at.owner}/{at.name}/statuses/{status.commit}"
            needs = 'the scope repo:status (fine-grained: "Commit statuses: write")'
            return Request("POST", url, needs, _plain(status))
        case ForgeKind.GITEA:
            url = f"{at.api}/repos/{at.owner}/{at.name}/statuses/{status.commit}"
            return Request("POST", url, "the scope write:repository", _plain(status))
        case ForgeKind.GITLAB:
            url = f"{at.api}/projects/{at.whole}/statuses/{status.commit}"
            return Request("POST", url, "the scope api, and the role Developer", _gitlab(status))
        case ForgeKind.BITBUCKET:
            url = f"{at.api}/repositories/{at.owner}/{at.name}/commit/{status.commit}/statuses/build"
            return Request("POST", url, "the scope repository", _bitbucket(at, status, _BITBUCKET))
        case ForgeKind.BITBUCKET_SERVER:
            project = f"{at.api}/projects/{at.owner.upper() if at.owner[0] != '~' else at.owner}"
            url = f"{project}/repos/{at.name}/commits/{status.commit}/builds"
            words = {**_BITBUCKET, State.CANCELED: "CANCELLED"}
            return Request(
                "POST", url, "the permission to read the repository", _bitbucket(at, status, words)
            )
        case ForgeKind.AZURE:
            organisation, project, _ = at.names
            url = (
                f"{at.api}/{organisation}/{project}/_apis/git/repositories/{at.name}"
                f"/commits/{status.commit}/statuses?api-version=7.0"
            )
            return Request("POST", url.replace(" ", "%20"), 'the scope "Code (status)"', _azure(status))
        case ForgeKind.NONE:
            raise ForgeRefused(f"{at.host} has no statuses of commits")


def _plain(status: CommitStatus) -> Mapping[str, object]:
    return _without_nothing(
        state=_PLAIN[status.state],
        context=status.context,
        description=_short(status.description),
        target_url=status.link,
    )


def _gitlab(status: CommitStatus) -> Mapping[str, object]:
    return _without_nothing(
        state=_GITLAB[status.state],
        name=status.context,
        description=_short(status.description),
        target_url=status.link,
        ref=status.ref,
    )


def _bitbucket(at: Address, status: CommitStatus, words: Mapping[State, str]) -> Mapping[str, object]:
    """It wants a link whatever it is told; where there is none of ours, that of the commit."""
    return {
        "key": status.context[-_KEY_MOST:],
        "name": status.context,
        "state": words[status.state],
        "description": _short(status.description),
        "url": status.link or f"{at.web}/commits/{status.commit}",
    }


def _azure(status: CommitStatus) -> Mapping[str, object]:
    genre, _, name = status.context.partition("/")
    return _without_nothing(
        state=_AZURE[status.state],
        description=_short(status.description),
        targetUrl=status.link,
        context={"genre": genre, "name": name},
    )


def _short(text: str) -> str:
    return text if len(text) <= DESCRIPTION_MOST else f"{text[: DESCRIPTION_MOST - 1]}…"


def _without_nothing(**values: object) -> Mapping[str, object]:
    return {name: value for name, value in values.items() if value is not None}
