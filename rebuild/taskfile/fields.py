"""Typed reading of one map's fields, by the rules of Go's yaml.v2. Knows no field of a task file.

A value takes its type from the field that asks: for a text `on` stays `on`, for a switch it is true.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator

from rebuild.taskfile.environment import Written
from rebuild.taskfile.problem import Problems, nearest, shown
from rebuild.taskfile.yaml_nodes import Mapping, Node, Scalar, Sequence

SECONDS_MOST = 366 * 24 * 3600
NUMBER_MOST = 2**31 - 1

_TRUE = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}
_FALSE = {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
_INTEGER = re.compile(
    r"[-+]?(?:0[xX](?P<hex>[0-9a-fA-F]{1,15})|0[bB](?P<binary>[01]{1,60})|0[oO]?(?P<octal>[0-7]{1,20})"
    r"|(?P<decimal>[1-9][0-9]{0,17}|0))"
)
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,2})?")
_BASES = {"hex": 16, "binary": 2, "octal": 8, "decimal": 10}


class Fields:
    """One map of the file; every reading method answers the default where the field is absent or wrong."""

    def __init__(self, node: Mapping, what: str, problems: Problems) -> None:
        self._by_key = {entry.key: entry for entry in node.entries}
        self._problems = problems
        self.what = what
        self.line = node.line

    def refuse_keys_but(self, known: Iterable[str]) -> None:
        """A key that means nothing here is a fault."""
        names = list(known)
        for key in self._by_key:
            if key not in names:
                meant = nearest(key, names)
                hint = f"did you mean {meant!r}?" if meant else None
                self.fault(key, f"{self.what} has no property {shown(key)}", hint=hint)

    def check_keys(self, known: Iterable[str], *, notes: dict[str, str] | None = None) -> None:
        """Warn of keys that mean nothing here; `notes` are those that deserve more than that."""
        names = list(known)
        for key, entry in self._by_key.items():
            if key in names:
                continue
            if self._problems.is_full:  # looking for what was meant takes long
                return
            meant = nearest(key, names)
            hint = (notes or {}).get(key) or (f"did you mean {meant!r}?" if meant else None)
            self._problems.warn(
                entry.line, f"{self.what} has no property {shown(key)}: it is ignored", hint=hint
            )

    def has(self, key: str) -> bool:
        """Whether the field is there with a value."""
        entry = self._by_key.get(key)
        return entry is not None and not _is_null(entry.value)

    def is_blank(self, key: str) -> bool:
        """Whether the field is absent, or an empty text or list."""
        entry = self._by_key.get(key)
        match entry and entry.value:
            case Scalar() as scalar:
                return scalar.is_null or not scalar.text.strip()
            case Sequence(items):
                return not items
            case Mapping():
                return False
            case _:
                return True

    def line_of(self, key: str) -> int:
        entry = self._by_key.get(key)
        return entry.line if entry else self.line

    def fault(self, key: str, rule: str, *, hint: str | None = None) -> None:
        self._problems.fault(self.line_of(key), rule, hint=hint)

    def warn(self, key: str, rule: str, *, hint: str | None = None) -> None:
        self._problems.warn(self.line_of(key), rule, hint=hint)

    def text(self, key: str, default: str = "") -> str:
        entry = self._by_key.get(key)
        if entry is None or _is_null(entry.value):
            return default
        value = self._text_of(entry.value, key)
        return default if value is None else value

    def optional_text(self, key: str) -> str | None:
        """None where absent or empty."""
        return self.text(key) or None

    def number(self, key: str, default: int = 0, *, least: int | None = None, most: int = NUMBER_MOST) -> int:
        entry = self._by_key.get(key)
        if entry is None or _is_null(entry.value):
            return default
        value = self._number_of(entry.value, key)
        if value is None:
            return default
        if least is not None and value < least:
            self.fault(key, f"{key} of {self.what} is {value}: it must be {least} or more")
            return default
        if value > most:
            self.fault(key, f"{key} of {self.what} is {value}: it must be {most} or less")
            return default
        return value

    def seconds(self, key: str, default: int) -> int:
        """A time; what is not above 0 counts as not written."""
        value = self.number(key, default, most=SECONDS_MOST)
        return value if value > 0 else default

    def switch(self, key: str) -> bool:
        entry = self._by_key.get(key)
        if entry is None or _is_null(entry.value):
            return False
        node = entry.value
        if isinstance(node, Scalar) and (node.plain or node.tag == "bool") and node.tag in ("", "bool"):
            if node.text in _TRUE:
                return True
            if node.text in _FALSE:
                return False
        self.fault(key, f"{key} of {self.what} is {_kind(node)}, not a boolean", hint="write true or false")
        return False

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(entry.text for entry in self.written(key))

    def written(self, key: str) -> list[Written]:
        """A list of texts with their lines."""
        found = []
        for node in self._items(key):
            value = self._text_of(node, f"an entry of {key}")
            if value is not None:
                found.append(Written(value, node.line))
        return found

    def numbers(self, key: str) -> tuple[int, ...]:
        values = (self._number_of(node, f"an entry of {key}") for node in self._items(key))
        return tuple(value for value in values if value is not None)

    def maps(self, key: str, what: str) -> Iterator[Fields]:
        """A list of maps."""
        for node in self._items(key):
            if isinstance(node, Mapping):
                yield Fields(node, what, self._problems)
            else:
                self._problems.fault(node.line, f"{what} is {_kind(node)}, not a map of properties")

    def section(self, key: str) -> Fields | None:
        """A map of properties of its own; None where it is absent."""
        entry = self._by_key.get(key)
        if entry is None or _is_null(entry.value):
            return None
        if not isinstance(entry.value, Mapping):
            self.fault(key, f"{key} of {self.what} is {_kind(entry.value)}, not a map")
            return None
        return Fields(entry.value, key, self._problems)

    def map_of_texts(self, key: str) -> dict[str, Written]:
        """A map whose values are texts; empty where it is absent."""
        entry = self._by_key.get(key)
        if entry is None or _is_null(entry.value):
            return {}
        if not isinstance(entry.value, Mapping):
            self.fault(key, f"{key} of {self.what} is {_kind(entry.value)}, not a map")
            return {}
        texts = {inner.key: self._text_of(inner.value, inner.key) for inner in entry.value.entries}
        lines = {inner.key: inner.line for inner in entry.value.entries}
        return {name: Written(text, lines[name]) for name, text in texts.items() if text is not None}

    def tag(self, key: str) -> str:
        """The tag that was written before a value."""
        entry = self._by_key.get(key)
        return entry.value.tag if entry and isinstance(entry.value, Scalar) else ""

    def _items(self, key: str) -> tuple[Node, ...]:
        entry = self._by_key.get(key)
        if entry is None or _is_null(entry.value):
            return ()
        if isinstance(entry.value, Sequence):
            return entry.value.items
        self.fault(
            key, f"{key} of {self.what} is {_kind(entry.value)}, not a list", hint=f"write {key}: [ … ]"
        )
        return ()

    def _text_of(self, node: Node, what: str) -> str | None:
        if not isinstance(node, Scalar):
            self._problems.fault(node.line, f"{what} of {self.what} is {_kind(node)}, not a text")
            return None
        if node.is_null:
            return ""
        if node.tag == "binary":
            return self._decoded(node, what)
        return node.text

    def _decoded(self, node: Scalar, what: str) -> str | None:
        try:
            text = base64.b64decode("".join(node.text.split()), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            text = "\0"
        if "\0" in text:
            self._problems.fault(node.line, f"{what} of {self.what} is no text in base64")
            return None
        return text

    def _number_of(self, node: Node, what: str) -> int | None:
        value = parse_number(node) if isinstance(node, Scalar) else None
        if value is None:
            rule = f"{what} of {self.what} is {_kind(node)}, not a number"
            self._problems.fault(node.line, rule, hint="write a whole number without quotes")
        elif isinstance(node, Scalar) and re.search(r"[.eE]", node.text) and float(node.text) != value:
            self._problems.warn(node.line, f"{what} of {self.what} is {node.text}: it counts as {value}")
        return value


def parse_number(node: Scalar) -> int | None:
    """A whole number as yaml.v2 reads it: `0x1F`, `0b11`, `022` and `0o22`, `1_000`, and `1.9` as 1."""
    if not node.plain and node.tag not in ("int", "float"):
        return None
    if node.tag not in ("", "int", "float") or not node.text or node.text[0] == "_":
        return None
    text = node.text.replace("_", "")
    match = _INTEGER.fullmatch(text)
    if match is not None and match.lastgroup is not None:
        value = int(match[match.lastgroup], _BASES[match.lastgroup])
        return -value if text[0] == "-" else value
    return int(float(text)) if _FLOAT.fullmatch(text) else None


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.is_null


def _kind(node: Node) -> str:
    match node:
        case Scalar():
            return f"the text {shown(node.text)}"
        case Sequence():
            return "a list"
        case Mapping():
            return "a map"
