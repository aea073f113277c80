"""Sprig's functions on maps, and its defaults. `set`, `unset` and the merges change the map they get."""

from __future__ import annotations

from rebuild.template.error import Fault
from rebuild.template.formatting import plain
from rebuild.template.function import Scope, functions
from rebuild.template.value import Dict, List, Value, is_true, measure


def default(fallback: Value, *given: Value) -> Value:
    return given[0] if given and is_true(given[0]) else fallback


def empty(value: Value) -> Value:
    return not is_true(value)


def coalesce(*values: Value) -> Value:
    return next((value for value in values if is_true(value)), None)


def ternary(when_true: Value, when_false: Value, condition: bool) -> Value:
    return when_true if condition else when_false


def dict_(scope: Scope, *pairs: Value) -> Value:
    made: Dict = {}
    for at in range(0, len(pairs), 2):
        made[plain(pairs[at], scope.budget)] = pairs[at + 1] if at + 1 < len(pairs) else ""
    return made


def get(entries: Dict, key: str) -> Value:
    return entries.get(key, "")


def set_(entries: Dict, key: str, value: Value) -> Value:
    entries[key] = value
    return entries


def unset(entries: Dict, key: str) -> Value:
    entries.pop(key, None)
    return entries


def hasKey(entries: Dict, key: str) -> Value:
    return key in entries


def pluck(key: str, *dicts: Dict) -> Value:
    return [entries[key] for entries in dicts if key in entries]


def keys(*dicts: Dict) -> Value:
    """In the order of the map's keys; Go gives them in any."""
    found: List = []
    for entries in dicts:
        found += sorted(entries)
    return found


def values(entries: Dict) -> Value:
    return [entries[key] for key in sorted(entries)]


def pick(entries: Dict, *wanted: str) -> Value:
    return {key: entries[key] for key in wanted if key in entries}


def omit(entries: Dict, *unwanted: str) -> Value:
    return {key: value for key, value in entries.items() if key not in unwanted}


def merge(scope: Scope, target: Dict, *sources: Dict) -> Value:
    for source in sources:
        _merge(scope, target, source, overwrites=False)
    return target


def mergeOverwrite(scope: Scope, target: Dict, *sources: Dict) -> Value:
    for source in sources:
        _merge(scope, target, source, overwrites=True)
    return target


def _merge(scope: Scope, target: Dict, source: Dict, *, overwrites: bool, depth: int = 0) -> None:
    scope.budget.step(len(source))
    scope.budget.check_depth(depth)
    for key, value in list(source.items()):
        known = target.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            _merge(scope, known, value, overwrites=overwrites, depth=depth + 1)
        elif overwrites or (value is not None and not is_true(known)):
            target[key] = value


def deepCopy(scope: Scope, value: Value) -> Value:
    if value is None:
        raise Fault("deepCopy: there is no value to copy")
    measure(value, scope.budget)
    return _copied(value)


def _copied(value: Value) -> Value:
    match value:
        case list():
            return [_copied(each) for each in value]
        case dict():
            return {key: _copied(each) for key, each in value.items()}
        case _:
            return value


FUNCTIONS = functions(
    default=default,
    empty=empty,
    coalesce=coalesce,
    ternary=ternary,
    dict=dict_,
    get=get,
    set=set_,
    unset=unset,
    hasKey=hasKey,
    pluck=pluck,
    keys=keys,
    values=values,
    pick=pick,
    omit=omit,
    merge=merge,
    mergeOverwrite=mergeOverwrite,
    deepCopy=deepCopy,
)
