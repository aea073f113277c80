"""The names of aliases and their texts: predefined, from sources, from the file itself. Replaces nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.alias_rules import RUN_ALIASES, is_alias_name
from rebuild.aliases.fetching import SourceUnavailable
from rebuild.context.fault import masked
from rebuild.secrets.secret import Secret
from rebuild.taskfile.problem import Problems, nearest, shown
from rebuild.taskfile.yaml_nodes import Mapping as YamlMapping
from rebuild.taskfile.yaml_nodes import Node, Scalar, Sequence, read_nodes
from rebuild.template import NumberedText

DIRECTIVE = "$"
SOURCES_MOST = 20
_KEYS = ("src", "values", "directive")


@dataclass(frozen=True, slots=True)
class Aliases:
    """What the names stand for, and the character that a name follows where it is replaced."""

    texts: Mapping[str, str] = field(default_factory=dict)
    directive: str = DIRECTIVE


def read_aliases(
    block: NumberedText,
    *,
    path: str,
    images: Mapping[str, str],
    read_source: Callable[[str], str],
    secrets: tuple[Secret, ...] = (),
) -> Aliases:
    """The aliases that a rendered `alias:` part defines, together with the predefined ones.

    What the part itself says counts more than a source, a later source more than an earlier, and any of
    them more than `images` and the names of the run. `read_source` gives the text of a source or raises
    `WrongUse` or `SourceUnavailable`. Raise `TaskFileError` with every fault, none of which shows
    `secrets`, or `SourceUnavailable` with the line that names the source.
    """
    problems = Problems(path, block.number, secrets)
    fields = _fields(block, problems)
    texts = {**RUN_ALIASES, **images}
    for source in _sources(fields.get("src"), problems):
        texts |= _source_texts(source.text, _read(source, read_source, problems), secrets)
    texts |= dict(_texts(fields.get("values"), problems))
    directive = _directive(fields.get("directive"), problems)
    problems.settle(strict=False)
    return Aliases(texts, directive)


def _fields(block: NumberedText, problems: Problems) -> dict[str, Node]:
    root = read_nodes(block.text, problems) if block.text.strip() else None
    if root is None:
        return {}
    alias = root.get("alias") if isinstance(root, YamlMapping) else None
    if alias is None:
        rule = "the alias part is not valid YAML"
        raise problems.stop(problems.original_line(1), rule, hint="write alias: with a map below it")
    if isinstance(alias.value, Scalar) and alias.value.is_null:
        return {}
    if not isinstance(alias.value, YamlMapping):
        raise problems.stop(alias.line, "alias is a map of src, values and directive")
    for entry in alias.value.entries:
        if entry.key not in _KEYS:
            meant = nearest(entry.key, _KEYS)
            hint = f"did you mean {meant!r}?" if meant else "put the names under values:"
            problems.fault(entry.line, f"alias has no property {shown(entry.key)}", hint=hint)
    return {entry.key: entry.value for entry in alias.value.entries}


def _sources(node: Node | None, problems: Problems) -> Iterator[Scalar]:
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return
    if not isinstance(node, Sequence):
        problems.fault(node.line, "src is a list of files and URLs", hint="write src: [names.yaml]")
        return
    if len(node.items) > SOURCES_MOST:
        raise problems.stop(node.line, f"src has more than {SOURCES_MOST} sources")
    for item in node.items:
        if isinstance(item, Scalar) and item.text:
            yield item
        else:
            problems.fault(item.line, "a source is the name of a file or a URL")


def _read(source: Scalar, read_source: Callable[[str], str], problems: Problems) -> str:
    try:
        return read_source(source.text)
    except WrongUse as error:
        raise problems.stop(source.line, error.message, hint=error.hint) from None
    except SourceUnavailable as error:
        placed = problems.stop(source.line, error.message, hint=error.hint)
        raise SourceUnavailable(placed.message, hint=placed.hint) from None


def _source_texts(source: str, text: str, secrets: tuple[Secret, ...]) -> dict[str, str]:
    problems = Problems(masked(source), secrets=secrets)
    texts = dict(_texts(read_nodes(text, problems), problems))
    problems.settle(strict=False)
    return texts


def _texts(node: Node | None, problems: Problems) -> Iterator[tuple[str, str]]:
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return
    if not isinstance(node, YamlMapping):
        problems.fault(node.line, "aliases are a map of names to texts", hint="write NAME: TEXT, one a line")
        return
    for entry in node.entries:
        if not is_alias_name(entry.key):
            rule = f"alias name {shown(entry.key)} is not valid: a name has letters and digits only"
            problems.fault(entry.line, rule)
        elif not isinstance(entry.value, Scalar):
            hint = "write | and the lines below it for a text of several lines"
            problems.fault(entry.line, f"alias {entry.key} is not a text", hint=hint)
        else:
            yield entry.key, "" if entry.value.is_null else entry.value.text


def _directive(node: Node | None, problems: Problems) -> str:
    if node is None or (isinstance(node, Scalar) and (node.is_null or not node.text)):
        return DIRECTIVE
    text = node.text if isinstance(node, Scalar) else ""
    if len(text) != 1 or is_alias_name(text) or text.isspace():
        rule = f"directive {shown(text)} is not one character that is neither letter, digit nor white space"
        problems.fault(node.line, rule, hint='write directive: "$"')
    return text
