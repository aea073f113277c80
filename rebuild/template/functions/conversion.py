"""Types by name, JSON as Go's encoder writes it, and YAML."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from rebuild.template.error import Fault
from rebuild.template.formatting import positional, scientific, shortest
from rebuild.template.function import Scope, functions
from rebuild.template.value import Value, adopt, kind_name, measure, raw, type_name

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_TO_ESCAPE = re.compile("[<>&\u2028\u2029]")


def typeOf(value: Value) -> Value:
    return type_name(value)


def typeIs(wanted: str, value: Value) -> Value:
    return _is_named(type_name(value), wanted)


def typeIsLike(wanted: str, value: Value) -> Value:
    return typeIs(wanted.removeprefix("*"), value)


def kindOf(value: Value) -> Value:
    return kind_name(value)


def kindIs(wanted: str, value: Value) -> Value:
    return _is_named(kind_name(value), wanted)


def _is_named(name: str, wanted: str) -> bool:
    """Go's arithmetic gives int64 where a literal is int; here both are one."""
    return wanted == name or (wanted, name) == ("int64", "int")


def toJson(scope: Scope, value: Value) -> Value:
    return _as_json(scope, value, step="")


def toPrettyJson(scope: Scope, value: Value) -> Value:
    return _as_json(scope, value, step="  ")


def _as_json(scope: Scope, value: Value, *, step: str) -> str:
    measure(value, scope.budget)
    try:
        return to_json(value, step=step)
    except OverflowError:  # Sprig answers nothing where Go's encoder fails
        return ""


def to_json(value: Value, *, step: str = "", margin: str = "") -> str:
    """JSON with sorted keys. `step` indents. Raise `OverflowError` for what JSON cannot say."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _number(value)
        case str():
            return _text(value)
        case list():
            return _nested(
                [to_json(each, step=step, margin=margin + step) for each in value], "[]", step, margin
            )
        case dict():
            colon = ": " if step else ":"
            pairs = (
                f"{_text(key)}{colon}{to_json(value[key], step=step, margin=margin + step)}"
                for key in sorted(value, key=raw)
            )
            return _nested(list(pairs), "{}", step, margin)
        case _:
            return _text(value.as_json())


def _nested(parts: list[str], marks: str, step: str, margin: str) -> str:
    if not parts or not step:
        return f"{marks[0]}{','.join(parts)}{marks[1]}"
    inner = f",\n{margin}{step}".join(parts)
    return f"{marks[0]}\n{margin}{step}{inner}\n{margin}{marks[1]}"


def _text(text: str) -> str:
    clean = text.encode(errors="surrogateescape").decode(errors="replace")
    return _TO_ESCAPE.sub(lambda match: _ESCAPED[match[0]], json.dumps(clean, ensure_ascii=False))


def _number(number: float) -> str:
    if not math.isfinite(number):
        raise OverflowError("JSON knows no such number")
    digits, exponent = shortest(number)
    if number and not -7 < exponent < 21:
        return scientific(number, digits, exponent).replace("e-0", "e-")
    return positional(number, digits, exponent)


def fromJson(scope: Scope, text: str) -> Value:
    try:
        return adopt(json.loads(text), scope.budget)
    except (ValueError, RecursionError):
        raise Fault("fromJson: the text is not JSON") from None


def toYaml(scope: Scope, value: Value) -> Value:
    import yaml  # here, because few templates ask for it and it takes long

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    measure(value, scope.budget)
    scope.budget.step(_weight(value))
    written = yaml.dump(value, Dumper=Dumper, default_flow_style=False, allow_unicode=True, width=math.inf)
    return str(written).removesuffix("...\n").rstrip("\n")


def _weight(value: Value) -> int:
    """Steps that writing takes: PyYAML is slow."""
    match value:
        case list():
            return 20 + sum(map(_weight, value))
        case dict():
            return 20 + sum(20 + _weight(each) for each in value.values())
        case str():
            return 20 + len(value) // 8
        case _:
            return 20


FUNCTIONS = functions(
    typeOf=typeOf,
    typeIs=typeIs,
    typeIsLike=typeIsLike,
    kindOf=kindOf,
    kindIs=kindIs,
    toJson=toJson,
    toPrettyJson=toPrettyJson,
    fromJson=fromJson,
    toYaml=toYaml,
)
