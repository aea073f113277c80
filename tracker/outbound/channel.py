"""Who is told: the sections of the settings, with their secrets at hand. Reads the files that hold those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from graph.record import dataclass
from rebuild.runs.outbox import Kind, Lane, notify_lanes
from rebuild.secrets.secret import Secret
from tracker.outbound.notice import Wants
from tracker.outbound.signature import SigningKey
from tracker.settings.notify import ChannelName, NotifySection
from tracker.settings.secret_file import secrets_of_file
from tracker.settings.written import ConfigError


@dataclass(frozen=True, slots=True)
class Channel:
    """One section: its addresses, and what it wants to be told of. A webhook has one address."""

    name: str
    kind: Kind
    addresses: tuple[Secret, ...]
    wants: Wants
    keys: tuple[SigningKey, ...] = field(default=(), repr=False)
    ca_file: Path | None = None
    timeout_s: float = 15.0

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return tuple(notify_lanes(self.kind, self.name, len(self.addresses)))


def channels_of(sections: Mapping[ChannelName, NotifySection]) -> dict[str, Channel]:
    """Every channel by its name. Raises `ConfigError` for a file that cannot be used."""
    return {str(name): _channel(str(name), section) for name, section in sections.items()}


def _channel(name: str, section: NotifySection) -> Channel:
    wants = Wants(frozenset(section.on), section.tasks, frozenset(section.causes))
    if section.webhook is None:
        addresses = section.urls or _from_file(name, "urls_file", section.urls_file)
        return Channel(name, Kind.APPRISE, addresses, wants, timeout_s=section.timeout)
    return Channel(
        name,
        Kind.WEBHOOK,
        (section.webhook,),
        wants,
        keys=_keys(name, section),
        ca_file=_readable(name, section.ca_file),
        timeout_s=section.timeout,
    )


def _keys(name: str, section: NotifySection) -> tuple[SigningKey, ...]:
    secrets = section.secret or _from_file(name, "secret_file", section.secret_file)
    try:
        return tuple(SigningKey.parse(secret) for secret in secrets)
    except ValueError as error:
        raise ConfigError(f"notify.{name}.secret: {error}") from None


def _from_file(name: str, key: str, path: Path | None) -> tuple[Secret, ...]:
    assert path is not None  # the section has checked that
    return secrets_of_file(f"notify.{name}.{key}", path)


def _readable(name: str, path: Path | None) -> Path | None:
    if path is not None and not path.is_file():
        raise ConfigError(f"notify.{name}.ca_file: {path} is not a file", hint="name a PEM file")
    return path
