"""Sprig's functions on lists. None changes its argument."""

from __future__ import annotations

from rebuild.template.error import Fault
from rebuild.template.formatting import NIL
from rebuild.template.function import Scope, functions
from rebuild.template.functions.text import toStrings
from rebuild.template.value import List, Value, equal, is_true, raw, type_name


def list_(*values: Value) -> Value:
    return list(values)


def first(values: List) -> Value:
    return values[0] if values else None


def last(values: List) -> Value:
    return values[-1] if values else None


def rest(values: List) -> Value:
    return values[1:]


def initial(values: List) -> Value:
    return values[:-1]


def append(scope: Scope, values: List, value: Value) -> Value:
    return concat(scope, values, [value])


def prepend(scope: Scope, values: List, value: Value) -> Value:
    return concat(scope, [value], values)


def concat(scope: Scope, *lists: List) -> Value:
    scope.budget.step(sum(map(len, lists)) // 8)
    return [value for values in lists for value in values]


def reverse(values: List) -> Value:
    return values[::-1]


def compact(values: List) -> Value:
    return [value for value in values if is_true(value)]


def uniq(scope: Scope, values: List) -> Value:
    kept: List = []
    for value in values:
        if not _is_among(scope, value, kept):
            kept.append(value)
    return kept


def without(scope: Scope, values: List, *omitted: Value) -> Value:
    return [value for value in values if not _is_among(scope, value, list(omitted))]


def has(scope: Scope, wanted: Value, values: Value) -> Value:
    if values is None:
        return False
    if not isinstance(values, list):
        raise Fault(f"has: argument 2 must be a list, not {type_name(values)}")
    return _is_among(scope, wanted, values)


def _is_among(scope: Scope, wanted: Value, values: List) -> bool:
    return any(equal(wanted, value, scope.budget) for value in values)


def sortAlpha(scope: Scope, value: Value) -> Value:
    if value is None:
        return [NIL]  # Sprig's, which prints what is no list
    texts = [each for each in toStrings(scope, value) if isinstance(each, str)]
    scope.budget.step(len(texts))
    return [*sorted(texts, key=raw)]


FUNCTIONS = functions(
    list=list_,
    tuple=list_,
    first=first,
    last=last,
    rest=rest,
    initial=initial,
    append=append,
    push=append,
    prepend=prepend,
    concat=concat,
    reverse=reverse,
    compact=compact,
    uniq=uniq,
    without=without,
    has=has,
    sortAlpha=sortAlpha,
)
