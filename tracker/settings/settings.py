"""Every setting: its name, type, default and bounds; checked all at once. Reads no file itself."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from msgspec import Meta, Struct, ValidationError, convert
from msgspec.structs import FieldInfo, fields

from graph.errors import InvalidReference
from graph.record import dataclass
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
from tracker.settings.values import BaseUrl, ForgeHost, Interval, Seconds, SomeSeconds, SshHost
from tracker.settings.written import DEFAULT_WORKERS, ConfigError, Written, duration_s, read_written

__all__ = ["ConfigError", "Settings", "duration_s", "load"]

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


class EventSource(Struct, frozen=True):
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

    def kind_of(self, name: str) -> Kind:
        """The kind that is written, else the one that the name is."""
        if self.kind is not None:
            return self.kind
        try:
            return Kind(name)
        except ValueError:
            kinds = ", ".join(map(repr, map(str, Kind)))
            raise ValueError(f"events.{name}.kind must be set: one of {kinds}") from None


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

    def __post_init__(self) -> None:
        for name, hook in self.hooks.items():
            hook.provider_of(name)
        for name, section in self.events.items():
            kind = section.kind_of(name)
            if section.registry is None and not says_registry(kind):
                raise ValueError(f"events.{name}.registry must be set: {kind} does not say its own name")

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


def load(path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the settings; raise `ConfigError` with every fault."""
    return check(read_written(path, environment), path)


def check(written: Written, path: Path | None) -> Settings:
    """Settings as they count; `path` is the file that errors name."""
    reading = _Reading(written.origins)
    settings = reading.section(Settings, written.values)
    if settings is None or reading.faults:
        faults = "".join(f"\n  {fault}" for fault in reading.faults)
        raise ConfigError(
            f"{path or 'the environment'}: settings are not valid:{faults}",
            hint="docs/settings.md explains every setting",
        )
    return settings


def setting_names(section: type[Struct] = Settings, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted name with its default; `*` stands for the name of a registry, a sender or an alias."""
    for known in fields(section):
        inner = _section_in(known.type)
        if inner is None and get_origin(known.type) is dict:
            yield f"{before}{known.name}.*", None
        elif inner is None:
            yield f"{before}{known.name}", known.default
        else:
            star = "" if inner is known.type else "*."
            yield from setting_names(inner, f"{before}{known.name}.{star}")


AnySection = TypeVar("AnySection", bound=Struct)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One pass over what was written. msgspec would stop at the first fault, so it gets one key at a time."""

    origins: Mapping[str, str]
    faults: list[str] = field(default_factory=list)

    def section(self, kind: type[AnySection], written: Any, name: str = "") -> AnySection | None:
        """None where something is wrong in it, which is then among the faults."""
        if not isinstance(written, Mapping):
            self._blame(name, f"Expected a section, [{name}], with settings in it", written)
            return None
        faults, before = len(self.faults), f"{name}." if name else ""
        known = {each.name: each for each in fields(kind)}
        values = {key: self._field(known[key], written[key], before + key) for key in known if key in written}
        for key in (key for key in written if key not in known):
            self._blame(before + key, _no_such(before + key), None)
        if len(self.faults) > faults:
            return None
        try:
            return kind(**values)
        except ValueError as error:  # two settings that do not go together
            self._blame(name, str(error), None)
            return None

    def _field(self, known: FieldInfo, written: Any, name: str) -> Any:
        inner = _section_in(known.type)
        if inner is known.type:
            return self.section(inner, written, name)
        if get_origin(known.type) is not dict:
            return self._value(known.type, written, name)
        if not isinstance(written, Mapping):
            wanted = f"sections, such as [{name}.NAME]" if inner else f"a section, [{name}], of names"
            return self._blame(name, f"Expected {wanted}", written)
        return dict(self._entries(known.type, written, name))

    def _entries(self, kind: Any, written: Mapping[str, Any], name: str) -> Iterator[tuple[Any, Any]]:
        keys, values = get_args(kind)
        inner = _section_in(values)
        for key, value in written.items():
            place = f"{name}.{key}"
            read = self.section(inner, value, place) if inner else self._value(values, value, place)
            yield self._value(keys, key, place), read

    def _value(self, kind: Any, written: Any, name: str) -> Any:
        try:
            return convert(_in_a_list(kind, _in_seconds(kind, written)), kind, dec_hook=_from_text)
        except ValidationError as error:
            return self._blame(name, _said(error, kind), written)
        except ValueError as error:
            return self._blame(name, str(error), written)

    def _blame(self, name: str, rule: str, value: Any) -> None:
        """`watch.interval: Expected … (it is '0.5', from TRACKER__WATCH__INTERVAL)`."""
        origin = self.origins.get(name, "")
        notes = []
        if isinstance(value, str | int | float) and not _may_be_secret(name):
            notes.append(f"it is {str(value)[:80]!r}")
        if origin.isupper():
            notes.append(f"from {origin}")
        self.faults.append(f"{name or '(file)'}: {rule}" + (f" ({', '.join(notes)})" if notes else ""))


def _may_be_secret(name: str) -> bool:
    """Addresses of those who are told hold passwords."""
    return "secret" in name or name.startswith("notify.")


def _section_in(annotation: Any) -> type[Struct] | None:
    """The section that a field holds, alone or by name."""
    candidates = (annotation, *get_args(annotation))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, Struct)), None)


def _in_seconds(kind: Any, written: Any) -> Any:
    """Every setting with a fraction is a time, and may be written with units."""
    if not _holds(kind, float):
        return written
    return [duration_s(item) for item in written] if isinstance(written, list) else duration_s(written)


def _in_a_list(kind: Any, written: Any) -> Any:
    """One secret may stand for a list of one."""
    if kind != tuple[Secret, ...] | None:
        return written
    several = written if isinstance(written, list) else [written]
    if not all(isinstance(each, str) for each in several):
        raise ValueError("Expected text, or a list of texts")
    return several


def _holds(kind: Any, wanted: type) -> bool:
    return kind is wanted or any(_holds(part, wanted) for part in get_args(kind))


def _from_text(kind: type, written: object) -> object:
    """msgspec asks this for what is none of its own types: all of them are written as text."""
    if not isinstance(written, str):
        raise ValueError("Expected text")
    return kind(written)


_WORDS = {
    "`float`": "a time in seconds",
    "`int`": "a whole number",
    "`bool`": "true or false",
    "`str`": "text",
    "`array`": "a list",
    "`object`": "a section",
}


def _said(error: ValidationError, kind: Any) -> str:
    """What msgspec says, in words for people who write TOML."""
    kinds = (kind, *get_args(kind))
    if "enum value" in str(error):  # perhaps of one in a list
        kinds += tuple(inner for each in kinds for inner in get_args(each))
    choices = next((tuple(map(str, each)) for each in kinds if _is_enum(each)), get_args(kind))
    if choices and all(isinstance(choice, str) for choice in choices):
        return f"Expected one of {', '.join(map(repr, choices))}"
    rule = str(error).partition(" - at `$")[0]
    return re.sub(r"`\w+`", lambda found: _WORDS.get(found[0], found[0]), rule)


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _no_such(name: str) -> str:
    known = [known for known, _ in setting_names()] + [each.name for each in fields(Settings)]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return "there is no such setting" + (f"; did you mean {near[0]}?" if near else "")
