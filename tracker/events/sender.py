"""Who sends push events: its kind, what it proves itself with, and what it calls its registry."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from enum import StrEnum

from graph.record import dataclass
from rebuild.secrets.secret import Secret
from tracker.events.kind import Kind, may_use_address, signature_header
from tracker.events.signature import (
    Algorithm,
    is_secret,
    is_signed,
    is_signed_as_named,
    is_token,
    token_of,
)

PER_MINUTE = 180_000  # requests of one sender that are accepted
_NAMED = {Kind.GHCR: "sha256=", Kind.GENERIC: ""}  # what the signature begins with


class RepositoryIn(StrEnum):
    """Where JFrog and Nexus show the repository of an image that they call `docker-local` or so."""

    PATH = "path"  # registry.example.com/docker-local/app
    SUBDOMAIN = "subdomain"  # docker-local.registry.example.com/app
    NOWHERE = "nowhere"  # registry.example.com:5001/app: the host or the port stands for it


@dataclass(frozen=True, slots=True)
class Naming:
    """How references name what a sender names; None: as it says itself."""

    registry: str | None = None
    repository: str | None = None
    repository_in: RepositoryIn | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """One section of the settings. Without secrets only this machine may send."""

    name: str
    kind: Kind
    secrets: tuple[Secret, ...] = ()
    naming: Naming = Naming()
    per_minute: int = PER_MINUTE

    @property
    def addresses(self) -> Iterator[str]:
        """Paths to send to, the best first; those with a token in them are as good as the secret."""
        if self.secrets and may_use_address(self.kind):
            yield from (f"/events/{self.name}/{token_of(secret, self.name)}" for secret in self.secrets)
        else:
            yield f"/events/{self.name}"

    def proof(self, address: str) -> str:
        """What it takes to send as this sender, for people; `address` is what they call its address."""
        if not self.secrets:
            return "from this machine only, because no secret is set"
        header = signature_header(self.kind)
        ways = ["the secret in the Authorization header"]
        if header is not None:
            ways.insert(0, f"the signature in the {header.title()} header")
        if may_use_address(self.kind):
            ways.insert(0, address)
        return " or ".join(ways)


def is_proven_before_body(sender: Sender, headers: Mapping[str, str], token: str) -> bool | None:
    """Whether the sender is who it says; None: the signature decides, once the body is there."""
    name = signature_header(sender.kind)
    if name is not None and name in headers:
        return None
    if may_use_address(sender.kind) and is_token(token, sender.name, sender.secrets):
        return True
    value = headers.get("authorization", "")
    return is_secret(value, sender.secrets) | is_secret(shown_in(value), sender.secrets)


def is_proven_by_signature(sender: Sender, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the signature of the body is right."""
    name = signature_header(sender.kind)
    claimed = headers.get(name, "") if name is not None else ""
    if sender.kind is Kind.JFROG:
        by_hash = is_signed(claimed.removeprefix("sha256="), body, sender.secrets, Algorithm.SHA256)
        return is_secret(claimed, sender.secrets) | by_hash
    if sender.kind is Kind.NEXUS:
        return is_signed(claimed, body, sender.secrets, Algorithm.SHA1)
    expected = _NAMED.get(sender.kind)
    if expected is None or not claimed.startswith(expected):
        return False
    return is_signed_as_named(claimed, body, sender.secrets)


def shown_in(authorization: str) -> str:
    """What stands after `Bearer`, or is the password of `Basic`."""
    scheme, _, rest = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return rest.strip()
        case "basic":
            return _password(rest.strip())
        case _:
            return ""


def _password(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode("latin-1").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
