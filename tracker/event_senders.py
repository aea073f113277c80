"""The senders of push events that the settings name, with their secrets. Reads the files that hold those."""

from __future__ import annotations

from collections.abc import Mapping

from rebuild.secret import Secret
from tracker.events.kind import Kind
from tracker.events.sender import Naming, Sender
from tracker.settings import ConfigError, EventSource, SenderName

SECRETS_MOST = 10
FILE_BYTES_MOST = 64 * 1024


def senders_of(sections: Mapping[SenderName, EventSource]) -> dict[str, Sender]:
    """Every sender by its name. A distribution registry on this machine needs no settings."""
    named = {str(name): _sender(name, section) for name, section in sections.items()}
    usual = Kind.DISTRIBUTION.value
    return {usual: Sender(usual, Kind.DISTRIBUTION), **named}


def secrets_of(name: str, section: EventSource) -> tuple[Secret, ...]:
    """The secrets of a sender, out of the settings or the file that they name, one a line."""
    if section.secret_file is None:
        return section.secret or ()
    try:
        with section.secret_file.open("rb") as file:
            text = file.read(FILE_BYTES_MOST + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"events.{name}.secret_file: {error}", hint="the service's user must be able to read it"
        ) from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise ConfigError(f"events.{name}.secret_file: {section.secret_file} is empty")
    if len(lines) > SECRETS_MOST or len(text) > FILE_BYTES_MOST:
        raise ConfigError(
            f"events.{name}.secret_file: {section.secret_file} holds more than {SECRETS_MOST} secrets",
            hint="write one secret a line: the one in use, and the one that takes its place",
        )
    return tuple(map(Secret, lines))


def _sender(name: str, section: EventSource) -> Sender:
    return Sender(
        name=name,
        kind=section.kind_of(name),
        secrets=secrets_of(name, section),
        naming=Naming(section.registry, section.repository, section.repository_in),
        per_minute=section.requests_per_minute,
    )
