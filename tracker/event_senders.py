"""The senders that the settings name, with their secrets. Reads the files that hold those."""

from __future__ import annotations

from collections.abc import Mapping

from rebuild.secret import Secret
from tracker.events.kind import Kind
from tracker.events.sender import Naming, Sender
from tracker.hook_settings import HookSource
from tracker.hooks.sender import HookSender
from tracker.secret_file import secrets_of_file
from tracker.settings import EventSource, SenderName


def senders_of(sections: Mapping[SenderName, EventSource]) -> dict[str, Sender]:
    """Every sender by its name. A distribution registry on this machine needs no settings."""
    named = {str(name): _sender(name, section) for name, section in sections.items()}
    usual = Kind.DISTRIBUTION.value
    return {usual: Sender(usual, Kind.DISTRIBUTION), **named}


def hook_senders_of(sections: Mapping[SenderName, HookSource]) -> dict[str, HookSender]:
    """Every sender of events of repositories by its name."""
    return {
        str(name): HookSender(
            name=str(name),
            provider=section.provider_of(name),
            secrets=secrets_of(name, section, "hooks"),
            per_minute=section.requests_per_minute,
        )
        for name, section in sections.items()
    }


def secrets_of(name: str, section: EventSource | HookSource, kind: str = "events") -> tuple[Secret, ...]:
    """The secrets of a sender, out of the settings or the file that they name, one a line."""
    if section.secret_file is None:
        return section.secret or ()
    return secrets_of_file(f"events.{name}.secret_file", section.secret_file)


def _sender(name: str, section: EventSource) -> Sender:
    return Sender(
        name=name,
        kind=section.kind_of(name),
        secrets=secrets_of(name, section),
        naming=Naming(section.registry, section.repository, section.repository_in),
        per_minute=section.requests_per_minute,
    )
