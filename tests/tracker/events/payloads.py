"""What each kind of sender sends, in the shape that it documents, and what it means."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.graph_samples import digest_of
from tracker.events.kind import Kind
from tracker.events.push import Push
from tracker.events.sender import Naming

NEW = digest_of("new")
OCI = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Sample:
    """One body of a sender; `says` are the references and digests that it tells of."""

    kind: Kind
    value: Any
    says: tuple[Push, ...]
    headers: Mapping[str, str] = field(default_factory=dict)
    naming: Naming = field(default_factory=Naming)
    name: str = ""

    @property
    def body(self) -> bytes:
        return json.dumps(self.value).encode()

    def changed(self, *path: str | int, to: Any) -> bytes:
        """The same body with another value at that place."""
        value = copy.deepcopy(self.value)
        inner = value
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = to
        return json.dumps(value).encode()


def pushed(host: str, repository: str, tag: str, *, told: bool = True) -> tuple[Push, ...]:
    return (Push(host, repository, tag, NEW if told else None),)


_ACR = {
    "id": "cb8c3971-9adc-488b-xxxx-43cbb4974ff5",
    "timestamp": "2026-03-01T12:00:00.1Z",
    "action": "push",
    "target": {"mediaType": OCI, "size": 524, "digest": str(NEW), "repository": "team/app", "tag": "v1"},
    "request": {"id": "a", "host": "shop.azurecr.io", "method": "PUT", "useragent": "docker/26"},
}
_GRID = {
    "id": "831e1650-001e-001b-66ab-eeb76e069631",
    "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/shop",
    "subject": "team/app:v1",
    "eventType": "Microsoft.ContainerRegistry.ImagePushed",
    "eventTime": "2026-03-01T12:00:00.1Z",
    "data": _ACR,
    "dataVersion": "1.0",
}
_CLOUD = {
    "specversion": "1.0",
    "type": "Microsoft.ContainerRegistry.ImagePushed",
    "source": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/shop",
    "subject": "team/app:v1",
    "id": "831e1650",
    "time": "2026-03-01T12:00:00.1Z",
    "data": _ACR,
}
_ENVELOPE = {
    "events": [
        {
            "id": "1",
            "action": "push",
            "target": {"mediaType": OCI, "digest": str(NEW), "repository": "team/app", "tag": "v1"},
            "request": {"host": "registry.example.com:5000"},
        }
    ]
}
_HARBOR_DATA = {
    "resources": [
        {"digest": str(NEW), "tag": "v1", "resource_url": "harbor.example.com/team/app:v1"},
    ],
    "repository": {
        "name": "app",
        "namespace": "team",
        "repo_full_name": "team/app",
        "repo_type": "private",
    },
}
_PACKAGE = {
    "id": 1,
    "name": "app",
    "namespace": "OctoCat",
    "owner": {"login": "OctoCat"},
    "package_type": "CONTAINER",
    "package_version": {
        "version": str(NEW),
        "container_metadata": {"tag": {"name": "v1", "digest": str(NEW)}},
    },
}
_ECR = {
    "version": "0",
    "detail-type": "ECR Image Action",
    "source": "aws.ecr",
    "account": "123456789012",
    "region": "us-west-2",
    "detail": {
        "result": "SUCCESS",
        "repository-name": "team/app",
        "image-digest": str(NEW),
        "action-type": "PUSH",
        "image-tag": "v1",
    },
}
_AT_ECR = "123456789012.dkr.ecr.us-west-2.amazonaws.com"
_JFROG = {
    "domain": "docker",
    "event_type": "pushed",
    "data": {
        "repo_key": "docker-local",
        "path": "team/app/v1/manifest.json",
        "name": "manifest.json",
        "sha256": NEW.hex,
        "size": 1206,
        "image_name": "team/app",
        "tag": "v1",
        "platforms": [],
    },
    "subscription_key": "tracker",
    "jpd_origin": "https://shop.jfrog.io",
    "source": "jfrog/me@example.com",
}
_NEXUS = {
    "timestamp": "2026-03-01T12:00:00.000+0000",
    "nodeId": "52905B51",
    "initiator": "admin/127.0.0.1",
    "repositoryName": "docker-hosted",
    "action": "CREATED",
    "component": {"id": "1", "format": "docker", "name": "team/app", "group": None, "version": "v1"},
}
_AT_NEXUS = Naming("nexus.example.com:8082")

SAMPLES = (
    Sample(Kind.DISTRIBUTION, _ENVELOPE, pushed("registry.example.com:5000", "team/app", "v1")),
    Sample(Kind.GITLAB, _ENVELOPE, pushed("registry.example.com:5000", "team/app", "v1")),
    Sample(
        Kind.DOCKERHUB,
        {
            "callback_url": "https://registry.hub.docker.com/u/team/app/hook/1/",
            "push_data": {"pushed_at": 1417566161, "pusher": "me", "tag": "v1"},
            "repository": {"name": "app", "namespace": "team", "repo_name": "team/app", "status": "Active"},
        },
        pushed("docker.io", "team/app", "v1", told=False),
    ),
    Sample(
        Kind.HARBOR,
        {"type": "PUSH_ARTIFACT", "occur_at": 1, "operator": "me", "event_data": _HARBOR_DATA},
        pushed("harbor.example.com", "team/app", "v1"),
    ),
    Sample(
        Kind.HARBOR,
        {
            "specversion": "1.0",
            "type": "harbor.artifact.pushed",
            "source": "/projects/1/webhook/policies/15",
            "id": "1",
            "datacontenttype": "application/json",
            "operator": "me",
            "data": _HARBOR_DATA,
        },
        pushed("harbor.example.com", "team/app", "v1"),
        name="cloud",
    ),
    Sample(
        Kind.HARBOR,
        {"type": "pushImage", "occur_at": 1, "operator": "me", "event_data": _HARBOR_DATA},
        pushed("harbor.example.com", "team/app", "v1"),
        name="old",
    ),
    Sample(
        Kind.QUAY,
        {
            "name": "app",
            "repository": "team/app",
            "namespace": "team",
            "docker_url": "quay.io/team/app",
            "homepage": "https://quay.io/repository/team/app",
            "updated_tags": ["v1", "latest"],
        },
        (
            *pushed("quay.io", "team/app", "v1", told=False),
            *pushed("quay.io", "team/app", "latest", told=False),
        ),
    ),
    Sample(
        Kind.GHCR,
        {"action": "published", "package": _PACKAGE},
        pushed("ghcr.io", "octocat/app", "v1"),
        {"x-github-event": "package"},
    ),
    Sample(
        Kind.GHCR,
        {"action": "updated", "registry_package": _PACKAGE},
        pushed("ghcr.io", "octocat/app", "v1"),
        {"x-github-event": "registry_package"},
        name="registry",
    ),
    Sample(Kind.ACR, _ACR, pushed("shop.azurecr.io", "team/app", "v1")),
    Sample(Kind.EVENTGRID, [_GRID], pushed("shop.azurecr.io", "team/app", "v1")),
    Sample(Kind.EVENTGRID, _CLOUD, pushed("shop.azurecr.io", "team/app", "v1"), name="cloud"),
    Sample(Kind.ECR, _ECR, pushed(_AT_ECR, "team/app", "v1")),
    Sample(
        Kind.ECR,
        {
            "specversion": "1.0",
            "id": "1",
            "type": "com.amazon.ecr.image.push",
            "source": "urn:aws:ecr:us-west-2:123456789012:repository/team/app",
            "subject": "team/app:v1",
            "time": "2026-03-01T12:00:00Z",
            "datacontenttype": "application/json",
            "data": {
                "repositoryName": "team/app",
                "imageDigest": str(NEW),
                "imageTag": "v1",
                "registryId": "123456789012",
            },
        },
        pushed(_AT_ECR, "team/app", "v1"),
        name="cloud",
    ),
    Sample(
        Kind.ECR,
        {
            "Type": "Notification",
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": "arn:aws:sns:us-west-2:123456789012:pushes",
            "Message": json.dumps(_ECR),
            "Timestamp": "2026-03-01T12:00:00.000Z",
            "SignatureVersion": "1",
            "Signature": "EXAMPLE",
        },
        pushed(_AT_ECR, "team/app", "v1"),
        name="topic",
    ),
    Sample(Kind.JFROG, _JFROG, pushed("shop.jfrog.io", "docker-local/team/app", "v1")),
    Sample(
        Kind.NEXUS,
        _NEXUS,
        pushed("nexus.example.com:8082", "team/app", "v1", told=False),
        {"x-nexus-webhook-id": "rm:repository:component"},
        _AT_NEXUS,
    ),
    Sample(
        Kind.NEXUS,
        {
            **{key: value for key, value in _NEXUS.items() if key != "component"},
            "asset": {"id": "1", "format": "docker", "name": "v2/team/app/manifests/v1"},
        },
        pushed("nexus.example.com:8082", "team/app", "v1", told=False),
        {"x-nexus-webhook-id": "rm:repository:asset"},
        _AT_NEXUS,
        name="asset",
    ),
    Sample(
        Kind.GENERIC,
        {"reference": "registry.example.com/team/app:v1", "digest": str(NEW)},
        pushed("registry.example.com", "team/app", "v1"),
    ),
    Sample(
        Kind.GENERIC,
        [{"reference": "registry.example.com/team/app:v1"}, {"reference": "registry.example.com/b:2"}],
        (
            *pushed("registry.example.com", "team/app", "v1", told=False),
            *pushed("registry.example.com", "b", "2", told=False),
        ),
        name="list",
    ),
)


def title(sample: Sample) -> str:
    return f"{sample.kind} {sample.name}".strip()


def sample_of(kind: Kind, name: str = "") -> Sample:
    return next(sample for sample in SAMPLES if sample.kind is kind and sample.name == name)
