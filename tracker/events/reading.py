"""A body of any kind of sender to the pushes that it tells of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tracker.events.artifacts import read_jfrog, read_nexus
from tracker.events.azure import read_grid, read_webhook
from tracker.events.body import parse
from tracker.events.distribution import read_envelope
from tracker.events.ecr import read_ecr
from tracker.events.generic import read_generic
from tracker.events.harbor import read_harbor
from tracker.events.hosted import read_github, read_hub, read_quay
from tracker.events.kind import Kind
from tracker.events.push import Push
from tracker.events.sender import Naming, Sender

_Reader = Callable[[Any, Mapping[str, str], Naming], Iterator[Push]]

_READERS: Mapping[Kind, _Reader] = {
    Kind.DISTRIBUTION: lambda body, _, naming: read_envelope(body, naming.registry),
    Kind.DOCKERHUB: lambda body, _, naming: read_hub(body, naming.registry),
    Kind.HARBOR: lambda body, _, naming: read_harbor(body, naming.registry),
    Kind.QUAY: lambda body, _, naming: read_quay(body, naming.registry),
    Kind.GHCR: lambda body, headers, naming: read_github(body, headers, naming.registry),
    Kind.ACR: lambda body, _, naming: read_webhook(body, naming.registry),
    Kind.EVENTGRID: lambda body, _, naming: read_grid(body, naming.registry),
    Kind.ECR: lambda body, _, naming: read_ecr(body, naming.registry),
    Kind.GITLAB: lambda body, _, naming: read_envelope(body, naming.registry),
    Kind.JFROG: lambda body, _, naming: read_jfrog(body, naming),
    Kind.NEXUS: lambda body, headers, naming: read_nexus(body, headers, naming),
    Kind.GENERIC: lambda body, _, naming: read_generic(body, naming.registry),
}


def read_pushes(sender: Sender, body: bytes, headers: Mapping[str, str]) -> tuple[Push, ...]:
    """The pushes of one body, none doubled; `headers` by their names in small letters.

    Raises `BadEvent` where the body is not what such a sender writes.
    """
    return tuple(dict.fromkeys(_READERS[sender.kind](parse(body), headers, sender.naming)))
