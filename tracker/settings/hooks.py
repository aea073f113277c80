"""The settings about who sends events of repositories. Reads no file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from rebuild.secrets.secret import Secret
from rebuild.sources.event import Provider
from tracker.hooks.sender import PER_MINUTE
from tracker.settings.values import Named

_ALIASES = {"forgejo": Provider.GITEA}
_SENDING = tuple(each for each in Provider if each is not Provider.POLL)


class HookKind(str):
    """The provider of a sender, by its own name or by one of another that writes the same."""

    __slots__ = ()

    def __new__(cls, text: str) -> HookKind:
        provider = _ALIASES.get(text, text)
        if provider not in _SENDING:
            kinds = ", ".join(map(repr, [*map(str, _SENDING), *_ALIASES]))
            raise ValueError(f"Expected one of {kinds}")
        return super().__new__(cls, provider)


class HookSource(Named, frozen=True):
    """A sender of events of repositories."""

    kind: HookKind | None = None  # None: its name says it
    secret: tuple[Secret, ...] | None = None
    secret_file: Path | None = None
    requests_per_minute: Annotated[int, Meta(ge=1)] = PER_MINUTE

    def __post_init__(self) -> None:
        check_secrets(self.secret, self.secret_file)

    def check_name(self, name: str) -> None:
        self.provider_of(name)

    def provider_of(self, name: str) -> Provider:
        """The one that is written, else the one that the name is. Raises `ValueError`."""
        try:
            return Provider(self.kind or HookKind(name))
        except ValueError as error:
            raise ValueError(f"kind must be set: {error}") from None


def check_secrets(secret: tuple[Secret, ...] | None, secret_file: Path | None) -> None:
    """Raises `ValueError` for two ways at once, and for a secret that everybody knows."""
    if secret is not None and secret_file is not None:
        raise ValueError("secret and secret_file exclude each other")
    if secret is not None and not all(secret or (Secret(""),)):
        raise ValueError("a secret must not be empty")
