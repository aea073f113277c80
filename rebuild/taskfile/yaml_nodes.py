"""YAML text to a tree whose scalars keep their text and their line. Knows nothing of task files.

libyaml reads; types come later, with the field: `on`, `022` and `1.10` are texts here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

import yaml

from graph.record import dataclass
from rebuild.taskfile.problem import Problems, shown

TEXT_BYTES_MOST = 1 << 20
DEPTH_MOST = 40
NODES_MOST = 100_000  # aliases count each time that they are used
CHARACTERS_MOST = 4 << 20

_TAG_PREFIX = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as it is written, `line` in the file before it was rendered.

    `tag` is the part after `!!`, "" where none was written.
    """

    text: str
    line: int
    plain: bool  # written without quotes and not as a block
    tag: str = ""

    @property
    def is_null(self) -> bool:
        bare = self.plain and not self.tag and self.text in ("", "~", "null", "Null", "NULL")
        return bare or self.tag == "null"


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key: value`."""

    key: str
    line: int
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """Entries in the order of the file, merges resolved; no key comes twice."""

    entries: tuple[Entry, ...]
    line: int

    def get(self, key: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.key == key), None)


Node = Scalar | Sequence | Mapping


def read_nodes(text: str, problems: Problems) -> Node | None:
    """The tree of the one document in `text`, None for an empty one; raise `TaskFileError`."""
    _check(text, problems)
    builder = _Builder(problems)
    try:
        for event in yaml.parse(text, Loader=yaml.CBaseLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        rule = ", ".join(part for part in (error.context, error.problem) if part)
        written = problems.original_line(line) if line else 0
        raise problems.stop(written, f"not valid YAML: {rule}", hint=_hint(text, line)) from None
    except yaml.YAMLError as error:
        raise problems.stop(0, f"not valid YAML: {error}") from None
    return builder.root


def _check(text: str, problems: Problems) -> None:
    if len(text) > TEXT_BYTES_MOST:
        raise problems.stop(0, f"the file has more than {TEXT_BYTES_MOST:,} characters")
    for number, line in enumerate(text.split("\n"), 1):
        odd = next((c for c in line if (c < " " and c not in "\t\r") or "\ud800" <= c <= "\udfff"), None)
        if odd is not None:
            written = problems.original_line(number)
            raise problems.stop(written, f"the character U+{ord(odd):04X} is not allowed in a task file")


def _hint(text: str, line: int) -> str | None:
    written = text.split("\n")[line - 1] if 0 < line <= text.count("\n") + 1 else ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return "indent with spaces: YAML takes no tabs"
    if "{{" in written:
        return "a template was not rendered here: write it inside quotes, or render the file first"
    if ": " in written:
        return "put a value that contains ': ' into quotes"
    return None


@dataclass(slots=True)
class _Open:
    """A sequence or mapping whose end has not come yet."""

    line: int
    anchor: str | None
    is_mapping: bool
    children: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class _Builder:
    problems: Problems
    root: Node | None = None
    documents: int = 0
    open: list[_Open] = field(default_factory=list)
    anchors: dict[str, Node] = field(default_factory=dict)
    sizes: dict[int, tuple[int, int]] = field(
        default_factory=dict
    )  # id → nodes, characters; nodes stay alive
    kept: list[Node] = field(default_factory=list)
    nodes: int = 0
    characters: int = 0

    def take(self, event: yaml.Event) -> None:
        line = self.problems.original_line(event.start_mark.line + 1) if event.start_mark else 0
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise self.problems.stop(line, "a second YAML document begins here; a task file is one")
            case yaml.AliasEvent():
                self._add(self._aliased(event.anchor, line))
            case yaml.ScalarEvent():
                if "\0" in event.value:
                    raise self.problems.stop(line, "a value holds a zero byte, which no program can take")
                scalar = Scalar(event.value, line, event.style in (None, ""), _tag(event))
                self._count(1, len(event.value), line)
                self._finish(scalar, event.anchor, 1, len(event.value))
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                if len(self.open) >= DEPTH_MOST:
                    raise self.problems.stop(line, f"the values are nested more than {DEPTH_MOST} deep")
                self.open.append(_Open(line, event.anchor, isinstance(event, yaml.MappingStartEvent)))
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._close()
            case _:
                pass  # the beginning and the end of stream and document

    def _close(self) -> None:
        ended = self.open.pop()
        node = self._mapping(ended) if ended.is_mapping else Sequence(tuple(ended.children), ended.line)
        sizes = [self.sizes[id(child)] for child in ended.children]
        self._count(1, 0, ended.line)
        self._finish(node, ended.anchor, 1 + sum(size[0] for size in sizes), sum(size[1] for size in sizes))

    def _finish(self, node: Node, anchor: str | None, nodes: int, characters: int) -> None:
        self.sizes[id(node)] = (nodes, characters)
        self.kept.append(node)
        if anchor is not None:
            self.anchors[anchor] = node
        self._add(node)

    def _add(self, node: Node) -> None:
        if self.open:
            self.open[-1].children.append(node)
        else:
            self.root = None if isinstance(node, Scalar) and node.is_null else node

    def _aliased(self, name: str | None, line: int) -> Node:
        node = self.anchors.get(name or "")
        if node is None:
            raise self.problems.stop(line, f"alias *{name} stands for nothing", hint=f"define &{name} above")
        self._count(*self.sizes[id(node)], line)
        return node

    def _count(self, nodes: int, characters: int, line: int) -> None:
        self.nodes += nodes
        self.characters += characters
        if self.nodes > NODES_MOST or self.characters > CHARACTERS_MOST:
            raise self.problems.stop(line, f"with its aliases the file has more than {NODES_MOST:,} values")

    def _mapping(self, ended: _Open) -> Mapping:
        entries: dict[str, Entry] = {}
        merged: list[Node] = []
        for key, value in zip(ended.children[::2], ended.children[1::2], strict=True):
            if not isinstance(key, Scalar):
                hint = "{{…}} outside of quotes looks like this: a template that was not rendered"
                self.problems.fault(key.line, "a key is a list or a map, not a text", hint=hint)
            elif key.text == "<<" and key.plain:
                merged.append(value)
            elif key.text in entries:
                rule = f"key {shown(key.text)} is here twice; it is in line {entries[key.text].line} already"
                self.problems.fault(key.line, rule, hint="remove one of the two")
            else:
                entries[key.text] = Entry(key.text, key.line, value)
        for entry in self._merged(merged):
            entries.setdefault(entry.key, entry)
        return Mapping(tuple(entries.values()), ended.line)

    def _merged(self, values: list[Node]) -> Iterator[Entry]:
        for value in values:
            sources = value.items if isinstance(value, Sequence) else (value,)
            for source in sources:
                if isinstance(source, Mapping):
                    yield from source.entries
                else:
                    self.problems.fault(source.line, "'<<' takes a map, or a list of maps")


def _tag(event: yaml.ScalarEvent) -> str:
    tag = event.tag or ""
    return "str" if tag == "!" else tag.removeprefix(_TAG_PREFIX)
