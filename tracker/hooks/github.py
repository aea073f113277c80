"""GitHub's payloads, and those of Gitea and Forgejo, which are made after them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rebuild.sources.event import Happening, Provider, PullRequest, SourceEvent
from tracker.events.body import as_object, inner, needed, text
from tracker.hooks import fields

COMMITS_TOLD = 2048  # a push of more lists no more than these
_CODE_IS_NEW = frozenset({"opened", "reopened", "synchronize", "synchronized"})
_WHAT = "an event of a repository"


def read_github(body: Any, headers: Mapping[str, str]) -> Iterator[SourceEvent]:
    """GitHub says in a header what the body is about."""
    kind, delivery = headers.get("x-github-event", ""), headers.get("x-github-delivery", "")
    yield from _read(as_object(body, _WHAT), kind, Provider.GITHUB, delivery)


def read_gitea(body: Any, headers: Mapping[str, str]) -> Iterator[SourceEvent]:
    """Gitea's and Forgejo's own headers."""
    kind = headers.get("x-forgejo-event") or headers.get("x-gitea-event", "")
    delivery = headers.get("x-forgejo-delivery") or headers.get("x-gitea-delivery", "")
    yield from _read(as_object(body, _WHAT), kind, Provider.GITEA, delivery)


def _read(body: dict[str, Any], kind: str, provider: Provider, delivery: str) -> Iterator[SourceEvent]:
    match kind:
        case "push":
            yield from _push(body, provider, delivery)
        case "pull_request" | "pull_request_sync":
            yield from _pull_request(body, provider, delivery)
        case _:
            return


def _push(body: dict[str, Any], provider: Provider, delivery: str) -> Iterator[SourceEvent]:
    found = fields.ref(body.get("ref"))
    if found is None:
        return
    happening, name = found
    repository = needed(body, "repository", "a push")
    after, before = fields.commit(body.get("after"), "after"), fields.commit_or_none(body.get("before"))
    head = _head(body, after)
    if after and happening is Happening.TAG:
        after = fields.commit_or_none(head.get("id")) or after  # of an annotated tag the commit
    commits = body.get("commits")
    goes_on = before != "" and body.get("created") is not True and body.get("forced") is not True
    yield SourceEvent(
        provider=provider,
        delivery=delivery,
        urls=_urls(repository),
        happening=happening,
        ref=name,
        commit=after,
        old_commit=before,
        message=fields.message(head),
        paths=fields.paths(commits, are_all=goes_on and _are_all_told(body, commits)),
        default_branch=fields.branch(repository.get("default_branch")),
    )


def _head(body: dict[str, Any], after: str) -> dict[str, Any]:
    """The newest commit of a push, wherever it stands in the list."""
    head = inner(body, "head_commit")
    if head:
        return head
    commits = body.get("commits")
    listed = commits if isinstance(commits, list) else []
    return next((each for each in listed if isinstance(each, dict) and each.get("id") == after), {})


def _are_all_told(body: dict[str, Any], commits: Any) -> bool:
    told = len(commits) if isinstance(commits, list) else 0
    total = body.get("total_commits")
    return told == total if isinstance(total, int) else told < COMMITS_TOLD


def _pull_request(body: dict[str, Any], provider: Provider, delivery: str) -> Iterator[SourceEvent]:
    if text(body, "action") not in _CODE_IS_NEW:
        return
    repository = needed(body, "repository", "a pull request")
    pull = needed(body, "pull_request", "a pull request")
    number = fields.number(body.get("number") or pull.get("number"), "number")
    head, base = needed(pull, "head", "a pull request"), needed(pull, "base", "a pull request")
    yield SourceEvent(
        provider=provider,
        delivery=delivery,
        urls=_urls(repository),
        happening=Happening.PULL_REQUEST,
        ref=fields.named(head.get("ref"), "head.ref"),
        commit=fields.commit(head.get("sha"), "head.sha"),
        old_commit=fields.commit_or_none(body.get("before")),
        default_branch=fields.branch(repository.get("default_branch")),
        pull=PullRequest(
            number=number,
            action=text(body, "action"),
            head=fields.named(head.get("ref"), "head.ref"),
            base=fields.named(base.get("ref"), "base.ref"),
            from_fork=not _is_of(head, repository),
            refs=(f"refs/pull/{number}/head",),
        ),
    )


def _is_of(head: dict[str, Any], repository: dict[str, Any]) -> bool:
    """Only what is certainly the same repository is none of a stranger; one that is gone says nothing."""
    origin = inner(head, "repo")
    for key in ("id", "full_name", "clone_url"):
        if origin.get(key) and repository.get(key):
            return bool(origin[key] == repository[key])
    return origin.get("fork") is False


def _urls(repository: dict[str, Any]) -> tuple[str, ...]:
    return fields.urls(*(repository.get(key) for key in ("clone_url", "ssh_url", "html_url", "git_url")))
