"""The values of a task's templates: from files and `--set`. Knows no template."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from graph.errors import WrongUse
from rebuild.taskfile.problem import Problems
from rebuild.taskfile.yaml_nodes import Mapping as YamlMapping
from rebuild.taskfile.yaml_nodes import Node, Scalar, Sequence, read_nodes
from rebuild.template.formatting import real

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_REAL = re.compile(r"-?[0-9]{1,17}\.[0-9]{1,17}")
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")


def read_values(text: str, *, path: str) -> dict[str, Value]:
    """The values that a YAML file writes; raise `TaskFileError`.

    A scalar keeps its text: it is a number only where it would be written just so again, and a boolean
    only as true or false. `1.10`, `022` and `on` are texts.
    """
    problems = Problems(path)
    root = read_nodes(text, problems)
    if root is not None and not isinstance(root, YamlMapping):
        raise problems.stop(root.line, "values are a map of names to values", hint="write NAME: VALUE")
    problems.settle(strict=False)
    return {} if root is None else _entries(root)


def parse_assignments(items: Iterable[str], *, option: str) -> dict[str, str]:
    """NAME=VALUE each, parted at the first `=`; the last one of a name counts. Values are always text."""
    given: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            what = f"{option} {name!r} has no value" if name else f"{option} has no name before '='"
            raise WrongUse(what, hint=f"write {option} NAME=VALUE")
        given[name] = value
    return given


def merged_values(*layers: Mapping[str, Value]) -> dict[str, Value]:
    """The layers as one, a later one before an earlier; maps in the same place are merged."""
    merged: dict[str, Value] = {}
    for layer in layers:
        merged = _merged(merged, layer)
    return merged


def _merged(under: Mapping[str, Value], over: Mapping[str, Value]) -> dict[str, Value]:
    result = dict(under)
    for name, value in over.items():
        below = result.get(name)
        is_both = isinstance(below, dict) and isinstance(value, dict)
        result[name] = _merged(below, value) if is_both else value  # type: ignore[arg-type]  # is_both says so
    return result


def _entries(node: YamlMapping) -> dict[str, Value]:
    return {entry.key: _value(entry.value) for entry in node.entries}


def _value(node: Node) -> Value:
    match node:
        case Scalar():
            return _scalar(node)
        case Sequence():
            return [_value(item) for item in node.items]
        case YamlMapping():
            return _entries(node)


def _scalar(scalar: Scalar) -> Value:
    if scalar.is_null:
        return None
    if not scalar.plain or scalar.tag == "str":
        return scalar.text
    if scalar.text in _TRUE + _FALSE:
        return scalar.text in _TRUE
    if _WHOLE.fullmatch(scalar.text):
        return int(scalar.text)
    if _REAL.fullmatch(scalar.text) and real(float(scalar.text)) == scalar.text:
        return float(scalar.text)
    return scalar.text
