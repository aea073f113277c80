"""What forges send, in the shape that each documents, cut to what is looked at and a little around it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rebuild.sources.event import Happening, Provider

A, B, C = (letter * 40 for letter in "abc")
ZERO = "0" * 40


@dataclass(frozen=True)
class Payload:
    """A body with its headers, and what it tells."""

    name: str
    provider: Provider
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    told: tuple[tuple[Happening, str, str, str | None], ...] = ()  # happening, ref, commit, old commit
    paths: frozenset[str] | None = None
    fork: bool | None = None
    default_branch: str | None = "main"

    @property
    def raw(self) -> bytes:
        return json.dumps(self.body).encode()


def _commit(commit: str, **paths: list[str]) -> dict[str, Any]:
    return {"id": commit, "message": "words", "added": [], "modified": [], "removed": [], **paths}


def _github(ref: str, before: str, after: str, **more: Any) -> dict[str, Any]:
    repository = {
        "id": 1296269,
        "full_name": "octocat/web",
        "clone_url": "https://github.com/octocat/web.git",
        "ssh_url": "git@github.com:octocat/web.git",
        "html_url": "https://github.com/octocat/web",
        "default_branch": "main",
        "fork": False,
    }
    flags = {"created": before == ZERO, "deleted": after == ZERO, "forced": False}
    return {"ref": ref, "before": before, "after": after, "repository": repository, **flags, **more}


def _pull(action: str, *, head_id: int | None) -> dict[str, Any]:
    base = _github("", A, B)["repository"]
    head_repo = None if head_id is None else {"id": head_id, "fork": head_id != base["id"]}
    pull = {"number": 7, "head": {"ref": "feature", "sha": B, "repo": head_repo}, "base": {"ref": "main"}}
    return {"action": action, "number": 7, "pull_request": pull, "repository": base}


def _gitlab(kind: str, ref: str, before: str, after: str, **more: Any) -> dict[str, Any]:
    project = {
        "id": 15,
        "git_http_url": "https://gitlab.example.com/mike/web.git",
        "git_ssh_url": "git@gitlab.example.com:mike/web.git",
        "web_url": "https://gitlab.example.com/mike/web",
        "default_branch": "main",
    }
    checkout = None if after == ZERO else B
    return {"object_kind": kind, "ref": ref, "before": before, "after": after, "checkout_sha": checkout,
            "project": project, **more}  # fmt: skip


def _merge_request(action: str, source: int, **more: Any) -> dict[str, Any]:
    attributes = {"iid": 7, "action": action, "source_branch": "feature", "target_branch": "main",
                  "source_project_id": source, "target_project_id": 15,
                  "last_commit": {"id": B, "message": "words"}, **more}  # fmt: skip
    return {**_gitlab("merge_request", "", A, B), "object_attributes": attributes}


def _bitbucket_ref(kind: str, name: str, commit: str) -> dict[str, Any]:
    return {"type": kind, "name": name, "target": {"type": "commit", "hash": commit, "message": "words"}}


_BITBUCKET = {
    "full_name": "team/web",
    "links": {"html": {"href": "https://bitbucket.org/team/web"}},
    "uuid": "{1}",
    "mainbranch": {"type": "branch", "name": "main"},
}
_SERVER = {
    "id": 84,
    "slug": "web",
    "project": {"key": "PRJ"},
    "links": {"self": [{"href": "https://bits.example.com/projects/PRJ/repos/web/browse"}]},
}
_AZURE = {
    "name": "web",
    "remoteUrl": "https://dev.azure.com/org/proj/_git/web",
    "defaultBranch": "refs/heads/main",
}


def _bitbucket_pull(uuid: str) -> dict[str, Any]:
    source = {"branch": {"name": "feature"}, "commit": {"hash": B[:12]}, "repository": {"uuid": uuid}}
    target = {"branch": {"name": "main"}, "commit": {"hash": A[:12]}, "repository": {"uuid": "{1}"}}
    return {"repository": _BITBUCKET, "pullrequest": {"id": 7, "source": source, "destination": target}}


def _azure_pull(**more: Any) -> dict[str, Any]:
    resource = {"pullRequestId": 7, "status": "active", "sourceRefName": "refs/heads/feature",
                "targetRefName": "refs/heads/main", "lastMergeSourceCommit": {"commitId": B},
                "repository": _AZURE, **more}  # fmt: skip
    return {"id": "d", "eventType": "git.pullrequest.updated", "resource": resource}


_GITHUB_PUSH = {"x-github-event": "push", "x-github-delivery": "d"}
_GITHUB_PULL = {"x-github-event": "pull_request", "x-github-delivery": "d"}
_PUSHED = ((Happening.PUSH, "main", B, A),)
_PROPOSED = ((Happening.PULL_REQUEST, "feature", B, None),)

PAYLOADS = (
    Payload(
        "github push",
        Provider.GITHUB,
        _github(
            "refs/heads/main",
            A,
            B,
            head_commit=_commit(B),
            commits=[_commit(C, added=["a"]), _commit(B, modified=["b/c"], removed=["d"])],
        ),
        _GITHUB_PUSH,
        _PUSHED,
        frozenset({"a", "b/c", "d"}),
    ),
    Payload(
        "github forced push",
        Provider.GITHUB,
        _github("refs/heads/main", A, B, forced=True, commits=[_commit(B, added=["a"])]),
        _GITHUB_PUSH,
        _PUSHED,
    ),
    Payload(
        "github new branch",
        Provider.GITHUB,
        _github("refs/heads/dev", ZERO, B, commits=[]),
        _GITHUB_PUSH,
        ((Happening.PUSH, "dev", B, ""),),
    ),
    Payload(
        "github deleted branch",
        Provider.GITHUB,
        _github("refs/heads/dev", A, ZERO, head_commit=None),
        _GITHUB_PUSH,
        ((Happening.PUSH, "dev", "", A),),
    ),
    Payload(
        "github annotated tag",
        Provider.GITHUB,
        _github("refs/tags/v1", ZERO, C, head_commit=_commit(B)),
        _GITHUB_PUSH,
        ((Happening.TAG, "v1", B, ""),),
    ),
    Payload(
        "github pull request",
        Provider.GITHUB,
        _pull("opened", head_id=1296269),
        _GITHUB_PULL,
        _PROPOSED,
        fork=False,
    ),
    Payload(
        "github fork", Provider.GITHUB, _pull("synchronize", head_id=2), _GITHUB_PULL, _PROPOSED, fork=True
    ),
    Payload(
        "github fork that is gone",
        Provider.GITHUB,
        _pull("opened", head_id=None),
        _GITHUB_PULL,
        _PROPOSED,
        fork=True,
    ),
    Payload("github label", Provider.GITHUB, _pull("labeled", head_id=2), _GITHUB_PULL),
    Payload(
        "github ping", Provider.GITHUB, {"zen": "Keep it simple.", "hook_id": 1}, {"x-github-event": "ping"}
    ),
    Payload("github notes", Provider.GITHUB, _github("refs/notes/commits", A, B), _GITHUB_PUSH),
    Payload(
        "gitea push",
        Provider.GITEA,
        _github("refs/heads/main", A, B, total_commits=1, commits=[_commit(B, added=["a"])]),
        {"x-gitea-event": "push", "x-gitea-delivery": "d"},
        _PUSHED,
        frozenset({"a"}),
    ),
    Payload(
        "gitea push that lists too few",
        Provider.GITEA,
        _github("refs/heads/main", A, B, total_commits=9, commits=[_commit(B, added=["a"])]),
        {"x-forgejo-event": "push"},
        _PUSHED,
    ),
    Payload(
        "gitea pull request",
        Provider.GITEA,
        _pull("synchronized", head_id=1296269),
        {"x-gitea-event": "pull_request"},
        _PROPOSED,
        fork=False,
    ),
    Payload(
        "gitlab push",
        Provider.GITLAB,
        _gitlab("push", "refs/heads/main", A, B, total_commits_count=1, commits=[_commit(B, modified=["a"])]),
        {"x-gitlab-event-uuid": "d"},
        _PUSHED,
        frozenset({"a"}),
    ),
    Payload(
        "gitlab long push",
        Provider.GITLAB,
        _gitlab(
            "push", "refs/heads/main", A, B, total_commits_count=21, commits=[_commit(B, modified=["a"])]
        ),
        {},
        _PUSHED,
    ),
    Payload(
        "gitlab tag",
        Provider.GITLAB,
        _gitlab("tag_push", "refs/tags/v1", ZERO, C),
        {},
        ((Happening.TAG, "v1", B, ""),),
    ),
    Payload("gitlab merge request", Provider.GITLAB, _merge_request("open", 15), {}, _PROPOSED, fork=False),
    Payload(
        "gitlab update",
        Provider.GITLAB,
        _merge_request("update", 99, oldrev=A),
        {},
        ((Happening.PULL_REQUEST, "feature", B, A),),
        fork=True,
    ),
    Payload("gitlab new words", Provider.GITLAB, _merge_request("update", 15), {}),
    Payload("gitlab pipeline", Provider.GITLAB, {"object_kind": "pipeline"}, {}),
    Payload(
        "bitbucket push",
        Provider.BITBUCKET,
        {
            "repository": _BITBUCKET,
            "push": {
                "changes": [
                    {"new": _bitbucket_ref("branch", "main", B), "old": _bitbucket_ref("branch", "main", A)},
                    {"new": _bitbucket_ref("tag", "v1", B), "old": None, "created": True},
                    {"new": None, "old": _bitbucket_ref("branch", "dev", A), "closed": True},
                ]
            },
        },
        {"x-event-key": "repo:push", "x-request-uuid": "d"},
        (*_PUSHED, (Happening.TAG, "v1", B, ""), (Happening.PUSH, "dev", "", A)),
    ),
    Payload(
        "bitbucket pull request",
        Provider.BITBUCKET,
        _bitbucket_pull("{1}"),
        {"x-event-key": "pullrequest:created"},
        ((Happening.PULL_REQUEST, "feature", B[:12], None),),
        fork=False,
    ),
    Payload(
        "bitbucket fork",
        Provider.BITBUCKET,
        _bitbucket_pull("{2}"),
        {"x-event-key": "pullrequest:updated"},
        ((Happening.PULL_REQUEST, "feature", B[:12], None),),
        fork=True,
    ),
    Payload(
        "bitbucket server push",
        Provider.BITBUCKET,
        {
            "eventKey": "repo:refs_changed",
            "repository": _SERVER,
            "changes": [
                {
                    "ref": {"id": "refs/heads/main", "type": "BRANCH"},
                    "refId": "refs/heads/main",
                    "fromHash": A,
                    "toHash": B,
                    "type": "UPDATE",
                }
            ],
        },
        {"x-event-key": "repo:refs_changed", "x-request-id": "d"},
        _PUSHED,
        default_branch=None,
    ),
    Payload(
        "bitbucket server pull request",
        Provider.BITBUCKET,
        {
            "eventKey": "pr:from_ref_updated",
            "previousFromHash": A,
            "pullRequest": {
                "id": 7,
                "fromRef": {"displayId": "feature", "latestCommit": B, "repository": {"id": 84}},
                "toRef": {"displayId": "main", "repository": _SERVER},
            },
        },
        {"x-event-key": "pr:from_ref_updated"},
        ((Happening.PULL_REQUEST, "feature", B, A),),
        fork=False,
        default_branch=None,
    ),
    Payload("bitbucket server test", Provider.BITBUCKET, {"test": True}, {"x-event-key": "diagnostics:ping"}),
    Payload(
        "azure push",
        Provider.AZURE,
        {
            "id": "d",
            "eventType": "git.push",
            "resource": {
                "refUpdates": [{"name": "refs/heads/main", "oldObjectId": A, "newObjectId": B}],
                "commits": [{"commitId": B, "comment": "words"}],
                "repository": _AZURE,
            },
        },
        {},
        _PUSHED,
    ),
    Payload("azure pull request", Provider.AZURE, _azure_pull(), {}, _PROPOSED, fork=False),
    Payload(
        "azure fork",
        Provider.AZURE,
        _azure_pull(forkSource={"name": "refs/heads/x"}),
        {},
        _PROPOSED,
        fork=True,
    ),
    Payload("azure completed", Provider.AZURE, _azure_pull(status="completed"), {}),
    Payload(
        "generic push",
        Provider.GENERIC,
        {
            "repository": "https://git.example.com/web.git",
            "ref": "refs/heads/main",
            "before": A,
            "after": B,
            "paths": ["a"],
            "default_branch": "main",
            "delivery": "d",
        },
        {},
        _PUSHED,
        frozenset({"a"}),
    ),
    Payload(
        "generic pull request",
        Provider.GENERIC,
        {
            "repository": "https://git.example.com/web.git",
            "commit": B,
            "pull_request": {"number": 7, "head": "feature", "base": "main", "from_fork": False},
        },
        {},
        _PROPOSED,
        fork=False,
        default_branch=None,
    ),
    Payload(
        "generic pull request that says little",
        Provider.GENERIC,
        {
            "repository": "https://git.example.com/web.git",
            "commit": B,
            "pull_request": {"number": 7, "head": "feature", "base": "main"},
        },
        {},
        _PROPOSED,
        fork=True,
        default_branch=None,
    ),
)
TELLING = tuple(payload for payload in PAYLOADS if payload.told)
