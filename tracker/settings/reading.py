"""Makes settings of what was written, and finds every fault of it at once. Knows no single setting."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from msgspec import Struct, ValidationError, convert
from msgspec.structs import FieldInfo, fields

from graph.record import dataclass
from rebuild.secrets.secret import Secret
from tracker.settings.settings import Settings
from tracker.settings.values import Named
from tracker.settings.written import ConfigError, Written, duration_s, read_written


def load(path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the settings; raise `ConfigError` with every fault."""
    return check(read_written(path, environment), path)


def check(written: Written, path: Path | None) -> Settings:
    """Settings as they count; `path` is the file that errors name."""
    reading = _Reading(written.origins)
    settings = reading.section(Settings, written.values)
    if settings is None or reading.faults:
        raise refusal(path, reading.faults, hint="docs/settings.md explains every setting")
    return settings


def refusal(path: Path | None, faults: Iterable[object], *, hint: str) -> ConfigError:
    """One error that lists every fault."""
    listed = "".join(f"\n  {fault}" for fault in faults)
    return ConfigError(f"{path or 'the environment'}: settings are not valid:{listed}", hint=hint)


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
            if isinstance(read, Named):
                self._check_name(read, key, place)
            yield self._value(keys, key, place), read

    def _check_name(self, section: Named, key: str, place: str) -> None:
        try:
            section.check_name(key)
        except ValueError as error:
            self._blame(place, str(error), None)

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
    rule = str(error).partition(" - at `$")[0].replace(", got `float`", "")
    return re.sub(r"`\w+`", lambda found: _WORDS.get(found[0], found[0]), rule)


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _no_such(name: str) -> str:
    known = [known for known, _ in setting_names()] + [each.name for each in fields(Settings)]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return "there is no such setting" + (f"; did you mean {near[0]}?" if near else "")
