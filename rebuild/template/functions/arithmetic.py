"""Sprig's arithmetic: on whole numbers of 64 bits, to which it makes whatever it is given."""

from __future__ import annotations

import math
import re

from rebuild.template.error import Fault
from rebuild.template.formatting import plain
from rebuild.template.function import Scope, functions
from rebuild.template.value import INT_LEAST, INT_MOST, List, Value, wrapped

_DIGITS_MOST = 20
_HEXADECIMAL = re.compile(r"(?<=[0-9a-fA-FxX])_(?=[0-9a-fA-F])")


def whole(value: Value) -> int:
    """Sprig's int64: what is no number is 0."""
    match value:
        case bool() | int():
            return int(value)
        case float():
            return int(value) if INT_LEAST <= value < INT_MOST else INT_LEAST
        case str():
            return parsed(value, 10)
        case _:
            return 0


def parsed(text: str, base: int) -> int:
    """The whole number that a text writes; 0 where it writes none."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits.isascii() or not digits.isdigit() or len(digits.lstrip("0")) > _DIGITS_MOST:
        return 0
    try:
        number = int(text, base)
    except ValueError:
        return 0
    return number if INT_LEAST <= number <= INT_MOST else 0


def real(value: Value) -> float:
    """Sprig's float64: what is no number is 0."""
    match value:
        case bool() | int() | float():
            return float(value)
        case str() if len(value) <= 100 and value == value.strip():
            return _parsed_real(value)
        case _:
            return 0.0


def _parsed_real(text: str) -> float:
    """The float that a text writes, as Go reads source: 1_000 and 0x1p4, too; 0 where it writes none."""
    try:
        found = float.fromhex(_HEXADECIMAL.sub("", text)) if "p" in text.lower() else float(text)
    except (ValueError, OverflowError):
        return 0.0
    return found if math.isfinite(found) or text.lstrip("+-")[:1] in "iInN" else 0.0


def add(*values: Value) -> Value:
    return wrapped(sum(map(whole, values)))


def add1(value: Value) -> Value:
    return wrapped(whole(value) + 1)


def sub(first: Value, other: Value) -> Value:
    return wrapped(whole(first) - whole(other))


def mul(first: Value, *others: Value) -> Value:
    product = whole(first)
    for other in others:
        product = wrapped(product * whole(other))
    return product


def div(first: Value, other: Value) -> Value:
    return wrapped(_quotient("div", whole(first), whole(other)))


def mod(first: Value, other: Value) -> Value:
    dividend, divisor = whole(first), whole(other)
    return dividend - divisor * _quotient("mod", dividend, divisor)


def _quotient(name: str, dividend: int, divisor: int) -> int:
    """Towards zero, as Go divides."""
    if divisor == 0:
        raise Fault(f"{name}: division by zero")
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def max_(first: Value, *others: Value) -> Value:
    return max(map(whole, (first, *others)))


def min_(first: Value, *others: Value) -> Value:
    return min(map(whole, (first, *others)))


def floor(value: Value) -> Value:
    number = real(value)
    return math.copysign(math.floor(number), number) if math.isfinite(number) else number


def ceil(value: Value) -> Value:
    number = real(value)
    return math.copysign(math.ceil(number), number) if math.isfinite(number) else number  # -0 stays


def round_(value: Value, places: int, *half: float) -> Value:
    if abs(places) > 300:
        return math.nan  # Go's power of ten is infinite there, or nothing
    power = 10.0**places
    scaled = power * real(value)
    if not math.isfinite(scaled):
        return scaled
    up = math.modf(scaled)[0] >= (half[0] if half else 0.5)
    return float(math.ceil(scaled) if up else math.floor(scaled)) / power


def atoi(text: str) -> Value:
    return parsed(text, 10)


def int64(value: Value) -> Value:
    return whole(value)


def float64(value: Value) -> Value:
    return real(value)


def toDecimal(scope: Scope, value: Value) -> Value:
    return parsed(plain(value, scope.budget), 8)


def until(scope: Scope, count: int) -> Value:
    return untilStep(scope, 0, count, -1 if count < 0 else 1)


def untilStep(scope: Scope, start: int, stop: int, step: int) -> List:
    if step == 0 or (stop < start) != (step < 0):
        return []
    numbers = range(start, stop, step)
    if numbers:
        scope.budget.step((numbers[-1] - start) // step + 1)  # len() fails past 63 bits
    return list(numbers)


def seq(scope: Scope, *bounds: int) -> Value:
    """As the shell's seq: END, or START END, or START STEP END, both ends included; parted by spaces."""
    if len(bounds) not in (1, 2, 3):
        return ""
    start = bounds[0] if len(bounds) > 1 else 1
    end = bounds[-1]
    step = bounds[1] if len(bounds) == 3 else (1 if start <= end else -1)
    return " ".join(map(str, untilStep(scope, start, end + (1 if step > 0 else -1), step)))


FUNCTIONS = functions(
    add=add,
    add1=add1,
    sub=sub,
    mul=mul,
    div=div,
    mod=mod,
    max=max_,
    biggest=max_,
    min=min_,
    floor=floor,
    ceil=ceil,
    round=round_,
    atoi=atoi,
    int=int64,
    int64=int64,
    float64=float64,
    toDecimal=toDecimal,
    until=until,
    untilStep=untilStep,
    seq=seq,
)
