"""The digits of floats as Go's strconv writes them for each verb. Knows no sign, no width and no padding."""

from __future__ import annotations

import math
import struct

from rebuild.template.formatting import real, scientific

_MANTISSA_BITS = 52
_HEXADECIMALS = 13  # of a mantissa behind its point


def digits(number: float, verb: str, precision: int | None) -> str:
    """A float that is not negative, without a sign; precision None is what the verb takes by itself."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Inf"
    match verb:
        case "b":
            return _in_powers_of_two(number)
        case "x" | "X":
            text = _hexadecimal(number, precision)
        case "e" | "E":
            text = f"{number:.{6 if precision is None else precision}e}"
        case "f" | "F":
            text = f"{number:.{6 if precision is None else precision}f}"
        case _:
            text = real(number) if precision is None else _to_precision(number, max(1, precision))
    return text.upper() if verb in "EGX" else text


def with_point(text: str, verb: str, precision: int | None) -> str:
    """The digits with a point in any case, and for %g with all zeros that its precision asks for."""
    at = next((at for at, c in enumerate(text) if c in "pP" or (c in "eE" and verb not in "xX")), len(text))
    number, exponent = text[:at], text[at:]
    wanted = (6 if precision is None else precision) if verb in "vgGx" else 0
    significant = number.replace(".", "").lstrip("0")
    missing = wanted - len(significant) - (number == "0")  # the x of 0x counts as a digit
    point = "" if "." in number else "."
    return f"{number}{point}{'0' * max(0, missing)}{exponent}"


def _to_precision(number: float, precision: int) -> str:
    """So many digits at most, no zeros behind them; an exponent from -5 down, and past the digits."""
    mantissa, _, power = f"{number:.{precision - 1}e}".partition("e")
    found, exponent = mantissa.replace(".", "").rstrip("0") or "0", int(power)
    limit = len(found) if precision > len(found) >= exponent + 1 else precision
    if exponent < -4 or exponent >= limit:
        return scientific(number, found, exponent)
    return f"{number:.{max(0, len(found) - 1 - exponent)}f}"


def _in_powers_of_two(number: float) -> str:
    """`8444249301319680p-51`: mantissa and exponent as IEEE 754 keeps them."""
    bits = int.from_bytes(struct.pack(">d", number), "big")
    mantissa, exponent = bits & ((1 << _MANTISSA_BITS) - 1), bits >> _MANTISSA_BITS
    if exponent:
        mantissa += 1 << _MANTISSA_BITS
    return f"{mantissa}p{max(exponent, 1) - 1075:+d}"


def _hexadecimal(number: float, precision: int | None) -> str:
    """`0x1.8p+01`: one digit, the others without zeros behind them or rounded to even."""
    mantissa, power = 0, 0
    if number:
        fraction, exponent = math.frexp(number)
        mantissa, power = int(math.ldexp(fraction, _MANTISSA_BITS + 1)), exponent - 1
    if precision is not None and precision < _HEXADECIMALS:
        mantissa, power = _rounded(mantissa, power, 4 * (_HEXADECIMALS - precision))
    behind = f"{mantissa & ((1 << _MANTISSA_BITS) - 1):013x}"
    behind = behind.rstrip("0") if precision is None else behind[:precision].ljust(precision, "0")
    lead = mantissa >> _MANTISSA_BITS
    return f"0x{lead}{'.' if behind else ''}{behind}p{'-' if power < 0 else '+'}{abs(power):02}"


def _rounded(mantissa: int, power: int, bits: int) -> tuple[int, int]:
    """The mantissa without its last bits, half to even; it may grow past its length."""
    kept, lost, half = mantissa >> bits, mantissa & ((1 << bits) - 1), 1 << (bits - 1)
    kept += lost > half or (lost == half and kept & 1)
    mantissa = kept << bits
    return (mantissa >> 1, power + 1) if mantissa >> (_MANTISSA_BITS + 1) else (mantissa, power)
