"""The kinds of senders of push events, and how each can prove who it is. Knows no format."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never


class Kind(StrEnum):
    """Whose format a sender writes."""

    DISTRIBUTION = "distribution"
    DOCKERHUB = "dockerhub"
    HARBOR = "harbor"
    QUAY = "quay"
    GHCR = "ghcr"
    ACR = "acr"
    EVENTGRID = "eventgrid"
    ECR = "ecr"
    GITLAB = "gitlab"
    JFROG = "jfrog"
    NEXUS = "nexus"
    GENERIC = "generic"


def signature_header(kind: Kind) -> str | None:
    """The header with which the kind signs a body, or with JFrog may instead show the secret."""
    match kind:
        case Kind.GHCR:
            return "x-hub-signature-256"
        case Kind.JFROG:
            return "x-jfrog-event-auth"
        case Kind.NEXUS:
            return "x-nexus-webhook-signature"
        case Kind.GENERIC:
            return "x-signature"
        case (
            Kind.DISTRIBUTION
            | Kind.DOCKERHUB
            | Kind.HARBOR
            | Kind.QUAY
            | Kind.ACR
            | Kind.EVENTGRID
            | Kind.ECR
            | Kind.GITLAB
        ):
            return None
        case _:
            assert_never(kind)


# Nothing but an address can be told to these; the others sign, or send a header.
_BY_ADDRESS = frozenset({Kind.DOCKERHUB, Kind.QUAY, Kind.EVENTGRID, Kind.NEXUS, Kind.GENERIC})


def may_use_address(kind: Kind) -> bool:
    """Whether an address that nobody can guess is proof enough."""
    return kind in _BY_ADDRESS


def is_for_whole_registry(kind: Kind) -> bool:
    """Whether its events are set up once for a registry, and not for single repositories or projects."""
    return kind in (Kind.DISTRIBUTION, Kind.GITLAB)


def says_registry(kind: Kind) -> bool:
    """Whether the registry's name can be told from what the kind sends."""
    return kind is not Kind.NEXUS


EVENT_HEADERS = frozenset({"x-github-event", "x-nexus-webhook-id"})  # say what a body is about
