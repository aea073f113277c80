"""Bitbucket's payloads: those of the cloud, and those of the server (Data Center), which are others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rebuild.sources.event import Happening, Provider, PullRequest, SourceEvent
from tracker.events.body import as_object, inner, listed, needed, text
from tracker.events.push import BadEvent
from tracker.hooks import fields

_KINDS = {"branch": Happening.PUSH, "tag": Happening.TAG}
_SERVER_PAGE = re.compile(r"(https?://[^?#]+?)/projects/([^/?#]+)/repos/([^/?#]+)(?:/.*)?")


def read_bitbucket(body: Any, headers: Mapping[str, str]) -> Iterator[SourceEvent]:
    """A header says what the body is about."""
    event = as_object(body, "an event of Bitbucket")
    delivery = headers.get("x-request-uuid") or headers.get("x-request-id", "")
    match headers.get("x-event-key", ""):
        case "repo:push":
            yield from _push(event, delivery)
        case "pullrequest:created" | "pullrequest:updated" as key:
            yield from _pull_request(event, key, delivery)
        case "repo:refs_changed":
            yield from _refs_changed(event, delivery)
        case "pr:opened" | "pr:from_ref_updated" as key:
            yield from _server_pull_request(event, key, delivery)
        case _:
            return


def _push(event: dict[str, Any], delivery: str) -> Iterator[SourceEvent]:
    repository = needed(event, "repository", "a push")
    for change in listed(inner(event, "push").get("changes"), "the push"):
        new, old = inner(change, "new"), inner(change, "old")
        happening = _KINDS.get(text(new or old, "type"))
        if happening is None:
            continue  # of Mercurial's time
        target = inner(new, "target")
        yield SourceEvent(
            provider=Provider.BITBUCKET,
            delivery=delivery,
            urls=_cloud_urls(repository),
            happening=happening,
            ref=fields.named((new or old).get("name"), "the name of a change"),
            commit=fields.commit(target.get("hash"), "new.target.hash") if new else "",
            old_commit=fields.commit_or_none(inner(old, "target").get("hash")) if old else "",
            message=fields.message(target),
            default_branch=fields.branch(inner(repository, "mainbranch").get("name")),
        )


def _pull_request(event: dict[str, Any], key: str, delivery: str) -> Iterator[SourceEvent]:
    repository, pull = needed(event, "repository", "it"), needed(event, "pullrequest", "it")
    source, target = inner(pull, "source"), inner(pull, "destination")
    head = fields.named(inner(source, "branch").get("name"), "source.branch.name")
    origin, here = inner(source, "repository").get("uuid"), inner(target, "repository").get("uuid")
    yield SourceEvent(
        provider=Provider.BITBUCKET,
        delivery=delivery,
        urls=_cloud_urls(repository),
        happening=Happening.PULL_REQUEST,
        ref=head,
        commit=fields.commit(inner(source, "commit").get("hash"), "source.commit.hash", may_be_short=True),
        default_branch=fields.branch(inner(repository, "mainbranch").get("name")),
        pull=PullRequest(
            number=fields.number(pull.get("id"), "id"),
            action=key,
            head=head,
            base=fields.named(inner(target, "branch").get("name"), "destination.branch.name"),
            from_fork=not (isinstance(here, str) and origin == here),
            refs=(f"refs/heads/{head}",),  # it keeps no other ref of a pull request
        ),
    )


def _cloud_urls(repository: dict[str, Any]) -> tuple[str, ...]:
    name = text(repository, "full_name")
    plain = f"https://bitbucket.org/{name}" if name else None
    return fields.urls(inner(repository, "links", "html").get("href"), plain)


def _refs_changed(event: dict[str, Any], delivery: str) -> Iterator[SourceEvent]:
    repository = needed(event, "repository", "a push")
    for entry in listed(event.get("changes"), "the push"):
        change = as_object(entry, "a push")
        found = fields.ref(inner(change, "ref").get("id") or change.get("refId"))
        if found is None:
            continue
        yield SourceEvent(
            provider=Provider.BITBUCKET,
            delivery=delivery,
            urls=_server_urls(repository),
            happening=found[0],
            ref=found[1],
            commit=fields.commit(change.get("toHash"), "toHash"),
            old_commit=fields.commit_or_none(change.get("fromHash")),
            message=fields.message(inner(event, "toCommit")),
        )


def _server_pull_request(event: dict[str, Any], key: str, delivery: str) -> Iterator[SourceEvent]:
    pull = needed(event, "pullRequest", "a pull request")
    source, target = needed(pull, "fromRef", "it"), needed(pull, "toRef", "it")
    number = fields.number(pull.get("id"), "id")
    head = fields.named(source.get("displayId"), "fromRef.displayId")
    origin, here = inner(source, "repository").get("id"), inner(target, "repository").get("id")
    yield SourceEvent(
        provider=Provider.BITBUCKET,
        delivery=delivery,
        urls=_server_urls(needed(target, "repository", "a pull request")),
        happening=Happening.PULL_REQUEST,
        ref=head,
        commit=fields.commit(source.get("latestCommit"), "fromRef.latestCommit"),
        old_commit=fields.commit_or_none(event.get("previousFromHash")),
        pull=PullRequest(
            number=number,
            action=key,
            head=head,
            base=fields.named(target.get("displayId"), "toRef.displayId"),
            from_fork=not (isinstance(here, int) and origin == here),
            refs=(f"refs/pull-requests/{number}/from",),
        ),
    )


def _server_urls(repository: dict[str, Any]) -> tuple[str, ...]:
    """The URLs to clone, where it says them; older ones say the page alone."""
    links = inner(repository, "links")
    told = [text(link, "href") for link in listed(links.get("clone"), "the repository")]
    pages = [text(link, "href") for link in listed(links.get("self"), "the repository")]
    for page in pages:
        if found := _SERVER_PAGE.fullmatch(page):
            told.append(f"{found[1]}/scm/{found[2]}/{found[3]}.git")
    if not told:
        raise BadEvent("the body does not say the address of its repository")
    return fields.urls(*told)
