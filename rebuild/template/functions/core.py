"""Go's own functions: printing, escaping, looking into lists and maps, and truth."""

from __future__ import annotations

from urllib.parse import quote_plus

from rebuild.template.error import Fault
from rebuild.template.formatting import NO_VALUE, joined, made, plain
from rebuild.template.function import Scope, functions
from rebuild.template.functions.arithmetic import whole
from rebuild.template.printf import printf
from rebuild.template.value import Value, cooked, is_true, raw, type_name

_HTML = str.maketrans({'"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"})
_JAVASCRIPT = {
    "\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D",
}  # fmt: skip


def print_(scope: Scope, *values: Value) -> Value:
    return joined(values, scope.budget)


def println(scope: Scope, *values: Value) -> Value:
    return made([*_spaced(scope, *values), "\n"], scope.budget)


def _spaced(scope: Scope, *values: Value) -> list[str]:
    shown = [plain(value, scope.budget) for value in values]
    return [f" {each}" if at else each for at, each in enumerate(shown)]


def printf_(scope: Scope, template: str, *values: Value) -> Value:
    return printf(template, values, scope.budget)


def html(scope: Scope, *values: Value) -> Value:
    return _written(scope, *values).translate(_HTML)


def js(scope: Scope, *values: Value) -> Value:
    text = _written(scope, *values)
    scope.budget.walk(text)
    return "".join(map(_javascript, text))


def urlquery(scope: Scope, *values: Value) -> Value:
    return quote_plus(raw(_written(scope, *values)), safe="~")


def _written(scope: Scope, *values: Value) -> str:
    text = joined([NO_VALUE if value is None else value for value in values], scope.budget)
    scope.budget.make(6 * len(text))  # the longest escape
    return text


def _javascript(character: str) -> str:
    if character in _JAVASCRIPT:
        return _JAVASCRIPT[character]
    if character < " " or not character.isprintable():
        return f"\\u{ord(character):04X}"
    return character


def len_(value: Value) -> Value:
    match value:
        case str():
            return len(raw(value))
        case list() | dict():
            return len(value)
        case _:
            raise Fault(f"len: {type_name(value)} has no length")


def index(value: Value, *keys: Value) -> Value:
    if value is None:
        raise Fault("index: there is no value to look into")
    for key in keys:
        value = _indexed(value, key)
    return value


def _indexed(value: Value, key: Value) -> Value:
    match value:
        case dict():
            if not isinstance(key, str):
                raise Fault(f"index: the key of a map is string, not {type_name(key)}")
            return value.get(key)
        case list():
            return value[_position(key, len(value) - 1)]
        case str():
            content = raw(value)
            return content[_position(key, len(content) - 1)]
        case _:
            raise Fault(f"index: a {type_name(value)} has nothing to look up")


def _position(key: Value, most: int) -> int:
    if not isinstance(key, int) or isinstance(key, bool):
        raise Fault(f"a position is int, not {type_name(key)}")
    if not 0 <= key <= most:
        raise Fault(f"position {key} is out of range")
    return key


def slice_(value: Value, *positions: Value) -> Value:
    """Go's slice of a text; Sprig's of a list."""
    if not isinstance(value, (str, list)) or len(positions) > 2:
        raise Fault(f"slice takes a list or text and up to two positions, not a {type_name(value)}")
    if value == []:
        return None
    content = raw(value) if isinstance(value, str) else value
    bounds = [whole(each) for each in positions] if isinstance(value, list) else positions
    start = _position(bounds[0], len(content)) if bounds else 0
    end = _position(bounds[1], len(content)) if len(bounds) == 2 else len(content)
    if start > end:
        raise Fault(f"slice: {start} is behind {end}")
    if isinstance(content, bytes):
        return cooked(content[start:end])
    return content[start:end]


def not_(value: Value) -> Value:
    return not is_true(value)


def and_(first: Value, *rest: Value) -> Value:  # the evaluator stops at the first that decides
    return next((value for value in (first, *rest) if not is_true(value)), (first, *rest)[-1])


def or_(first: Value, *rest: Value) -> Value:
    return next((value for value in (first, *rest) if is_true(value)), (first, *rest)[-1])


def call(value: Value, *arguments: Value) -> Value:
    raise Fault(f"call: a {type_name(value)} cannot be called; no value is a function")


FUNCTIONS = functions(
    print=print_,
    println=println,
    printf=printf_,
    html=html,
    js=js,
    urlquery=urlquery,
    len=len_,
    index=index,
    slice=slice_,
    not_=not_,
    and_=and_,
    or_=or_,
    call=call,
)
