"""Payloads of the service hooks of Azure Repos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rebuild.sources.event import Happening, Provider, PullRequest, SourceEvent
from tracker.events.body import as_object, inner, listed, needed, text
from tracker.hooks import fields


def read_azure(body: Any, headers: Mapping[str, str]) -> Iterator[SourceEvent]:
    """The body says itself what it is about."""
    event = as_object(body, "an event of Azure DevOps")
    match text(event, "eventType"):
        case "git.push":
            yield from _push(event)
        case "git.pullrequest.created" | "git.pullrequest.updated" as kind:
            yield from _pull_request(event, kind)
        case _:
            return


def _push(event: dict[str, Any]) -> Iterator[SourceEvent]:
    resource = needed(event, "resource", "a push")
    repository = needed(resource, "repository", "a push")
    commits = [each for each in listed(resource.get("commits"), "the push") if isinstance(each, dict)]
    for update in listed(resource.get("refUpdates"), "the push"):
        moved = as_object(update, "a push")
        found = fields.ref(moved.get("name"), "the name of a ref")
        if found is None:
            continue
        after = fields.commit(moved.get("newObjectId"), "newObjectId")
        head = next((each for each in commits if each.get("commitId") == after), {})
        yield SourceEvent(
            provider=Provider.AZURE,
            delivery=fields.delivery(event, "id"),
            urls=_urls(repository),
            happening=found[0],
            ref=found[1],
            commit=after,
            old_commit=fields.commit_or_none(moved.get("oldObjectId")),
            message=text(head, "comment")[: fields.MESSAGE_MOST],
            default_branch=fields.branch(repository.get("defaultBranch")),
        )


def _pull_request(event: dict[str, Any], kind: str) -> Iterator[SourceEvent]:
    pull = needed(event, "resource", "a pull request")
    if text(pull, "status") not in ("active", ""):
        return  # it is completed or abandoned
    repository = needed(pull, "repository", "a pull request")
    number = fields.number(pull.get("pullRequestId"), "pullRequestId")
    head = fields.named(fields.branch(pull.get("sourceRefName")), "sourceRefName")
    newest = inner(pull, "lastMergeSourceCommit").get("commitId")
    yield SourceEvent(
        provider=Provider.AZURE,
        delivery=fields.delivery(event, "id"),
        urls=_urls(repository),
        happening=Happening.PULL_REQUEST,
        ref=head,
        commit=fields.commit(newest, "lastMergeSourceCommit.commitId"),
        default_branch=fields.branch(repository.get("defaultBranch")),
        pull=PullRequest(
            number=number,
            action=kind,
            head=head,
            base=fields.named(fields.branch(pull.get("targetRefName")), "targetRefName"),
            from_fork=bool(pull.get("forkSource")),
            refs=(f"refs/heads/{head}", f"refs/pull/{number}/merge"),
        ),
    )


def _urls(repository: dict[str, Any]) -> tuple[str, ...]:
    return fields.urls(*(repository.get(key) for key in ("remoteUrl", "sshUrl", "webUrl")))
