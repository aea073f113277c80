"""Every setting: its name, type, default and bounds. Knows not how they are written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from graph.errors import InvalidReference
from graph.reference import DEFAULT_REGISTRY, ImageRef
from graph.staleness import Limits
from rebuild.alias_rules import AliasImage, AliasName, AliasRules, FetchRules, image_aliases
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_source import SourceRefused, read_keyvaults
from rebuild.steps.step_rules import HELPER, HelperImage, StepRules
from tracker.events.kind import Kind, says_registry
from tracker.events.sender import PER_MINUTE, RepositoryIn
from tracker.settings.hooks import HookSource, check_secrets
from tracker.settings.notify import ChannelName, NotifySection
from tracker.settings.sources import ForgeSection, SourceSettings, SshSection
from tracker.settings.values import BaseUrl, ForgeHost, Interval, Named, Seconds, SomeSeconds, SshHost
from tracker.settings.workers import WorkerName, WorkerSection
from tracker.settings.written import DEFAULT_WORKERS

_LIMITS = Limits()


class Address(str):
    """Where to listen, `host:port`."""

    __slots__ = ()

    def __new__(cls, text: str) -> Address:
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if not colon or not host or (":" in host and not bracketed) or any(c.isspace() for c in text):
            raise ValueError("an address is host:port, such as 127.0.0.1:8484 or [::1]:8484")
        if not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"port {port!r} is not a number up to 65535")
        return super().__new__(cls, text)


class RegistryHost(str):
    """A registry as references name it."""

    __slots__ = ()

    def __new__(cls, host: str) -> RegistryHost:
        try:
            return super().__new__(cls, ImageRef.parse("app", default_registry=host).registry)
        except InvalidReference:
            rule = "is not a registry: write host or host:port, without https://"
            raise ValueError(f"{host!r} {rule}") from None


class Serve(Struct, frozen=True):
    """The service's own address."""

    listen: Address = Address("127.0.0.1:8484")
    socket: Path | None = None
    public_url: BaseUrl | None = None


class UploadSettings(Struct, frozen=True):
    """Contexts that callers of the API send."""

    megabytes_most: Annotated[int, Meta(ge=1, le=1024 * 1024)] = 2048
    total_megabytes_most: Annotated[int, Meta(ge=1, le=1024 * 1024 * 1024)] = 20480
    keep: Seconds = 86400.0


class Watch(Struct, frozen=True):
    """How often registries are asked, and when a change counts."""

    interval: Interval = 300.0
    sweep: Seconds = 6 * 3600.0
    settle: Seconds = _LIMITS.settle_s
    settle_most: Seconds = _LIMITS.settle_most_s

    def __post_init__(self) -> None:
        if self.settle > self.settle_most:
            raise ValueError("settle must not be longer than settle_most")


class Rebuild(Struct, frozen=True):
    """How builds are carried out."""

    workers: Annotated[int, Meta(ge=1, le=256)] = DEFAULT_WORKERS
    timeout: SomeSeconds = 3600.0
    nice: Annotated[int, Meta(ge=0, le=19)] = 10
    reproducible: bool = False
    retry_delays: Annotated[tuple[Seconds, ...], Meta(min_length=1)] = _LIMITS.retry_delays_s
    keep_logs: Seconds = 30 * 86400.0
    keep_runs: Seconds = 30 * 86400.0


class TimerSettings(Struct, frozen=True):
    """What becomes of times at which a timer cannot start its task."""

    missed: Literal["once", "skip"] = "once"
    overlap: Literal["skip", "queue"] = "skip"


class RegistrySection(Struct, frozen=True):
    """One registry; every key has a default."""

    interval: Interval | None = None
    requests_per_minute: Annotated[int, Meta(ge=1)] | None = None
    connections: Annotated[int, Meta(ge=1, le=128)] = 16
    insecure: bool | None = None  # None: plain http for loopback hosts, TLS for all others
    ca_file: Path | None = None
    connect_timeout: SomeSeconds = 5.0
    read_timeout: SomeSeconds = 30.0


class SenderName(str):
    """What a sender of push events is called here, and in the address that it sends to."""

    __slots__ = ()

    def __new__(cls, text: str) -> SenderName:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", text):
            raise ValueError("a sender's name has up to 40 small letters, digits, '-' and '_'")
        return super().__new__(cls, text)


class EventSource(Named, frozen=True):
    """A sender of push events."""

    kind: Kind | None = None  # None: its name says it
    secret: tuple[Secret, ...] | None = None
    secret_file: Path | None = None
    registry: RegistryHost | None = None
    repository: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._/-]*$", max_length=200)] | None = None
    repository_in: RepositoryIn | None = None
    requests_per_minute: Annotated[int, Meta(ge=1)] = PER_MINUTE

    def __post_init__(self) -> None:
        check_secrets(self.secret, self.secret_file)

    def check_name(self, name: str) -> None:
        kind = self.kind_of(name)
        if self.registry is None and not says_registry(kind):
            raise ValueError(f"registry must be set: {kind} does not say its own name")

    def kind_of(self, name: str) -> Kind:
        """The kind that is written, else the one that the name is. Raises `ValueError`."""
        if self.kind is not None:
            return self.kind
        try:
            return Kind(name)
        except ValueError:
            kinds = ", ".join(map(repr, map(str, Kind)))
            raise ValueError(f"kind must be set: one of {kinds}") from None


class Secrets(Struct, frozen=True):
    """What tasks may name as the source of a secret."""

    folders: tuple[Path, ...] | None = None
    keyvaults: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        try:
            read_keyvaults(self.keyvaults or ())
        except SourceRefused as error:
            raise ValueError(f"{error.message}: {error.hint}") from None


class AliasSourceSettings(Struct, frozen=True):
    """Alias sources of task files that are URLs."""

    fetch: bool = True
    private_addresses: bool = FetchRules().private_addresses
    timeout: SomeSeconds = FetchRules().timeout_s


class TaskFileSettings(Struct, frozen=True):
    """What steps of task files may ask for, and what they get."""

    privileged: bool = StepRules().privileged
    host_network: bool = StepRules().host_network
    helper_image: HelperImage = HelperImage(HELPER)


class Settings(Struct, frozen=True):
    """The whole file."""

    state: Path | None = None
    registry: RegistryHost = RegistryHost(DEFAULT_REGISTRY)
    engine: Literal["auto", "podman", "docker"] = "auto"
    engine_storage: Path | None = None
    workers: dict[WorkerName, WorkerSection] = {}
    serve: Serve = Serve()
    watch: Watch = Watch()
    rebuild: Rebuild = Rebuild()
    timers: TimerSettings = TimerSettings()
    sources: SourceSettings = SourceSettings()
    forges: dict[ForgeHost, ForgeSection] = {}
    ssh: SshSection = SshSection()
    ssh_hosts: dict[SshHost, SshSection] = {}
    uploads: UploadSettings = UploadSettings()
    secrets: Secrets = Secrets()
    task_files: TaskFileSettings = TaskFileSettings()
    image_aliases: dict[AliasName, AliasImage] = {}
    alias_sources: AliasSourceSettings = AliasSourceSettings()
    registries: dict[RegistryHost, RegistrySection] = {}
    events: dict[SenderName, EventSource] = {}
    notify: dict[ChannelName, NotifySection] = {}
    hooks: dict[SenderName, HookSource] = {}

    @property
    def step_rules(self) -> StepRules:
        """What steps of task files may ask for."""
        section = self.task_files
        return StepRules(section.privileged, section.host_network, ImageRef.parse(section.helper_image))

    @property
    def alias_rules(self) -> AliasRules:
        """What task files may count on."""
        section = self.alias_sources
        fetch = FetchRules(section.private_addresses, section.timeout) if section.fetch else None
        return AliasRules(image_aliases(self.image_aliases), fetch)
