"""Who sends events of repositories: its provider, and what it proves itself with. Knows no format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from graph.record import dataclass
from rebuild.secrets.secret import Secret
from rebuild.sources.event import Provider
from tracker.events.sender import shown_in
from tracker.events.signature import (
    STANDARD_HEADER,
    Algorithm,
    is_secret,
    is_signed,
    is_signed_as_named,
    is_signed_by_standard,
)

PER_MINUTE = 6_000  # requests of one sender that are accepted

# Those that are read, in their order; the first that is there has to be right.
_SIGNATURES: Mapping[Provider, tuple[str, ...]] = {
    Provider.GITHUB: ("x-hub-signature-256",),
    Provider.GITLAB: (STANDARD_HEADER,),
    Provider.GITEA: ("x-gitea-signature", "x-forgejo-signature", "x-hub-signature-256"),
    Provider.BITBUCKET: ("x-hub-signature",),
    Provider.AZURE: (),
    Provider.GENERIC: ("x-signature", "x-hub-signature-256"),
}
_TOKENS: Mapping[Provider, str] = {Provider.GITLAB: "x-gitlab-token"}


@dataclass(frozen=True, slots=True)
class HookSender:
    """One section of the settings. Without secrets only this machine may send."""

    name: str
    provider: Provider
    secrets: tuple[Secret, ...] = ()
    per_minute: int = PER_MINUTE

    @property
    def address(self) -> str:
        """The path to send to."""
        return f"/hooks/{self.name}"

    @property
    def proof(self) -> str:
        """What it takes to send as this sender, for people."""
        if not self.secrets:
            return "from this machine only, because no secret is set"
        match self.provider:
            case Provider.GITHUB | Provider.BITBUCKET | Provider.GITEA | Provider.GENERIC:
                header = _SIGNATURES[self.provider][0].title()
                return f"the signature in the {header} header or the secret in the Authorization header"
            case Provider.GITLAB:
                header = STANDARD_HEADER.title()
                return f"the signature in the {header} header or the secret in the X-Gitlab-Token header"
            case Provider.AZURE:
                return "the secret as the password of basic authentication"
            case Provider.POLL:
                raise ValueError("nobody sends what is polled")
            case _:
                assert_never(self.provider)


def is_proven_before_body(sender: HookSender, headers: Mapping[str, str]) -> bool | None:
    """Whether the sender is who it says; None: the signature decides, once the body is there."""
    if any(name in headers for name in _SIGNATURES[sender.provider]):
        return None
    shown = headers.get(_TOKENS.get(sender.provider, ""), "")
    authorization = headers.get("authorization", "")
    return is_secret(shown, sender.secrets) | is_secret(shown_in(authorization), sender.secrets)


def is_proven_by_signature(sender: HookSender, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether it is right: by Standard Webhooks, or an HMAC by SHA-256 with or without its name before it."""
    name = next(name for name in _SIGNATURES[sender.provider] if name in headers)
    if name == STANDARD_HEADER:
        return is_signed_by_standard(headers, body, sender.secrets)
    claimed = headers[name].strip()
    if "=" not in claimed:
        return is_signed(claimed, body, sender.secrets, Algorithm.SHA256)
    # SHA-1, which older senders add, proves nothing any more.
    is_weak = claimed.lower().startswith("sha1=")
    return not is_weak and is_signed_as_named(claimed, body, sender.secrets)
