"""Webhooks at GitHub, GitLab and Gitea: found by the URL that they call, made, changed, removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graph.record import dataclass
from rebuild.secrets.login import Login
from rebuild.secrets.secret import Secret
from tracker.forges.address import Address
from tracker.forges.client import ForgeClient, Request
from tracker.forges.fault import ForgeRefused
from tracker.forges.kind import ForgeKind

PAGES_MOST = 10
_PER_PAGE = 50  # Gitea's most
_GITHUB_EVENTS = ("push", "pull_request")
_GITEA_EVENTS = ("push", "create", "delete", "pull_request")
_NEEDS = {
    ForgeKind.GITHUB: 'the scope admin:repo_hook (fine-grained: "Webhooks: write")',
    ForgeKind.GITLAB: "the scope api, and the role Maintainer",
    ForgeKind.GITEA: "the scope write:repository, and the rights of an administrator of the repository",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the forge is to call, and what it is to sign with. It tells of pushes, tags and pull requests,
    whatever the one task wants: the next one of the repository may want something else."""

    url: str
    secret: Secret


def can_register(kind: ForgeKind) -> bool:
    return kind in _NEEDS


async def register(client: ForgeClient, at: Address, login: Login, wanted: Wanted) -> bool:
    """Make the webhook, or make the one that calls this URL so; whether it is a new one. Raises
    `ForgeError`."""
    needs = _needs(at)
    known = await _known(client, at, login, wanted.url)
    body = _body(at.kind, wanted)
    if not known:
        await client.ask(at.kind, at.host, Request("POST", _hooks(at), needs, body), login)
        return True
    method = "PUT" if at.kind is ForgeKind.GITLAB else "PATCH"
    await client.ask(at.kind, at.host, Request(method, f"{_hooks(at)}/{known[0]}", needs, body), login)
    for double in known[1:]:
        await _delete(client, at, login, double)
    return False


async def unregister(client: ForgeClient, at: Address, login: Login, url: str) -> int:
    """Remove every webhook that calls the URL; answers how many there were. Raises `ForgeError`."""
    known = await _known(client, at, login, url)
    for each in known:
        await _delete(client, at, login, each)
    return len(known)


async def _delete(client: ForgeClient, at: Address, login: Login, hook: int) -> None:
    gone = Request("DELETE", f"{_hooks(at)}/{hook}", _needs(at), may_lack=True)
    await client.ask(at.kind, at.host, gone, login)


async def _known(client: ForgeClient, at: Address, login: Login, url: str) -> list[int]:
    """The numbers of the webhooks that call the URL, oldest first."""
    found: list[int] = []
    size = "limit" if at.kind is ForgeKind.GITEA else "per_page"
    for page in range(1, PAGES_MOST + 1):
        listing = f"{_hooks(at)}?{size}={_PER_PAGE}&page={page}"
        told = await client.ask(at.kind, at.host, Request("GET", listing, _needs(at)), login)
        hooks = told if isinstance(told, list) else []
        found += [hook["id"] for hook in hooks if _calls(hook, url)]
        if len(hooks) < _PER_PAGE:
            break
    return sorted(found)


def _calls(hook: Any, url: str) -> bool:
    if not isinstance(hook, dict) or not isinstance(hook.get("id"), int):
        return False
    config = hook.get("config")
    return bool((config.get("url") if isinstance(config, dict) else hook.get("url")) == url)


def _hooks(at: Address) -> str:
    if at.kind is ForgeKind.GITLAB:
        return f"{at.api}/projects/{at.whole}/hooks"
    return f"{at.api}/repos/{at.owner}/{at.name}/hooks"


def _body(kind: ForgeKind, wanted: Wanted) -> Mapping[str, Any]:
    if kind is ForgeKind.GITLAB:
        return {
            "url": wanted.url,
            "token": wanted.secret.reveal(),
            "push_events": True,
            "tag_push_events": True,
            "merge_requests_events": True,
            "enable_ssl_verification": True,
        }
    config = {"url": wanted.url, "content_type": "json", "secret": wanted.secret.reveal()}
    events = _GITEA_EVENTS if kind is ForgeKind.GITEA else _GITHUB_EVENTS
    named = {"type": "gitea"} if kind is ForgeKind.GITEA else {"name": "web"}
    tls = {} if kind is ForgeKind.GITEA else {"insecure_ssl": "0"}
    return {**named, "active": True, "events": list(events), "config": {**config, **tls}}


def _needs(at: Address) -> str:
    if at.kind not in _NEEDS:
        raise ForgeRefused(
            f"webhooks of {at.kind} are not registered from here",
            hint="add it on the page of the repository; docs/triggers.md says how",
        )
    return _NEEDS[at.kind]
