"""The senders that the settings name, with their secrets. Reads the files that hold those."""

from __future__ import annotations

from collections.abc import Mapping

from graph.record import dataclass
from rebuild.secrets.secret import Secret
from tracker.events.kind import Kind
from tracker.events.sender import Naming, Sender
from tracker.hooks.sender import HookSender
from tracker.settings.hooks import HookSource
from tracker.settings.secret_file import secrets_of_file
from tracker.settings.settings import EventSource, SenderName


@dataclass(frozen=True, slots=True)
class Addressed:
    """A sender as whoever sets it up has to know it; `addresses` are paths, the best first."""

    section: str  # of the settings: `events` for registries, `hooks` for repositories
    name: str
    kind: str
    addresses: tuple[str, ...]
    proof: str


def addressed(
    events: Mapping[SenderName, EventSource], hooks: Mapping[SenderName, HookSource]
) -> list[Addressed]:
    """Everybody who may send, registries first."""
    of_registries = [
        Addressed("events", one.name, str(one.kind), tuple(one.addresses), one.proof("this address"))
        for one in senders_of(events).values()
    ]
    of_repositories = [
        Addressed("hooks", one.name, str(one.provider), (one.address,), one.proof)
        for one in hook_senders_of(hooks).values()
    ]
    return of_registries + of_repositories


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
    return secrets_of_file(f"{kind}.{name}.secret_file", section.secret_file)


def _sender(name: str, section: EventSource) -> Sender:
    return Sender(
        name=name,
        kind=section.kind_of(name),
        secrets=secrets_of(name, section),
        naming=Naming(section.registry, section.repository, section.repository_in),
        per_minute=section.requests_per_minute,
    )
