"""What a forge knows of a pull request and git does not: where it leads, and from where. Changes nothing."""

from __future__ import annotations

from typing import Any

from rebuild.secrets.login import Login
from rebuild.sources.event import PullRequest
from tracker.events.push import BadEvent
from tracker.forges.address import Address
from tracker.forges.client import ForgeClient, Request
from tracker.forges.fault import ForgeRefused
from tracker.forges.kind import ForgeKind
from tracker.hooks.fields import named

_NEEDS = {
    ForgeKind.GITHUB: 'the scope repo, or public_repo (fine-grained: "Pull requests: read")',
    ForgeKind.GITEA: "the scope read:repository",
    ForgeKind.GITLAB: "the scope read_api",
}


async def pull_request(
    client: ForgeClient, at: Address, login: Login | None, number: int, ref: str
) -> PullRequest | None:
    """The pull request, None where it is not open. Raises `ForgeError`.

    `ref` is what git calls its head.
    """
    if at.kind not in _NEEDS:
        raise ForgeRefused(
            f"{at.host}: pull requests of {at.kind} cannot be asked for", hint="let it send webhooks"
        )
    if at.kind is ForgeKind.GITLAB:
        url = f"{at.api}/projects/{at.whole}/merge_requests/{number}"
    else:
        url = f"{at.api}/repos/{at.owner}/{at.name}/pulls/{number}"
    told = await client.ask(at.kind, at.host, Request("GET", url, _NEEDS[at.kind], may_lack=True), login)
    if told is None:
        return None
    read = _gitlab if at.kind is ForgeKind.GITLAB else _plain
    try:
        return read(told, number, ref)
    except (KeyError, TypeError, AttributeError, BadEvent):
        raise ForgeRefused(
            f"{at.host}: says of pull request {number} something else than where it leads"
        ) from None


def _plain(told: Any, number: int, ref: str) -> PullRequest | None:
    """GitHub and Gitea. The repository of a fork may be gone: then nobody knows whose code it is."""
    if told["state"] != "open":
        return None
    head, base = told["head"], told["base"]
    from_fork = head.get("repo") is None or head["repo"]["id"] != base["repo"]["id"]
    return _pull(number, head["ref"], base["ref"], ref, from_fork=from_fork)


def _gitlab(told: Any, number: int, ref: str) -> PullRequest | None:
    if told["state"] != "opened":
        return None
    from_fork = told["source_project_id"] is None or told["source_project_id"] != told["target_project_id"]
    return _pull(number, told["source_branch"], told["target_branch"], ref, from_fork=from_fork)


def _pull(number: int, head: Any, base: Any, ref: str, *, from_fork: bool) -> PullRequest:
    """Raises `BadEvent` for what is no branch."""
    return PullRequest(
        number=number,
        action="polled",
        head=named(head, "its branch"),
        base=named(base, "its target"),
        from_fork=from_fork,
        refs=(ref,),
    )
