"""Go's comparisons: of values of one kind only, as Go does; nil equals nil alone."""

from __future__ import annotations

from rebuild.template.error import Fault
from rebuild.template.function import Scope, functions
from rebuild.template.value import Value, equal, type_name


def eq(scope: Scope, first: Value, *others: Value) -> Value:
    if not others:
        raise Fault("eq: there is nothing to compare with")
    return any(_same(scope, first, other) for other in others)


def ne(scope: Scope, first: Value, other: Value) -> Value:
    return not _same(scope, first, other)


def lt(first: Value, other: Value) -> Value:
    return _less(first, other)


def le(first: Value, other: Value) -> Value:
    return _less(first, other) or first == other


def gt(first: Value, other: Value) -> Value:
    return not (_less(first, other) or first == other)


def ge(first: Value, other: Value) -> Value:
    return not _less(first, other)


def deepEqual(scope: Scope, first: Value, other: Value) -> Value:
    return equal(first, other, scope.budget)


def _same(scope: Scope, first: Value, other: Value) -> bool:
    if first is None or other is None:
        return first is other
    if type(first) is not type(other):
        raise Fault(f"eq: {type_name(first)} and {type_name(other)} cannot be compared")
    if isinstance(first, (list, dict)):
        raise Fault(f"eq: two of {type_name(first)} cannot be compared", hint="write deepEqual")
    return equal(first, other, scope.budget)


def _less(first: Value, other: Value) -> bool:
    if isinstance(first, bool) or isinstance(other, bool):
        raise Fault("booleans have no order")
    if isinstance(first, str) and isinstance(other, str):
        return first < other
    if isinstance(first, int) and isinstance(other, int):
        return first < other
    if isinstance(first, float) and isinstance(other, float):
        return first < other
    raise Fault(f"{type_name(first)} and {type_name(other)} have no common order")


FUNCTIONS = functions(eq=eq, ne=ne, lt=lt, le=le, gt=gt, ge=ge, deepEqual=deepEqual)
