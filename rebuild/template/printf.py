"""Go's printf: verbs, flags, widths, and the notes that it writes into the text where they do not fit."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rebuild.template.budget import Budget
from rebuild.template.error import Fault
from rebuild.template.formatting import NIL, made, plain, quoted, real, scientific, shortest
from rebuild.template.value import Value, measure, raw, type_name

WIDTH_MOST = 1_000_000  # Go's own limit
_DIRECTIVE = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<width_at>\[\d{1,3}\](?=\*))?(?P<width>\*|\d{1,8})?"
    r"(?:\.(?P<precision_at>\[\d{1,3}\](?=\*))?(?P<precision>\*|\d{0,8}))?"
    r"(?:\[(?P<at>\d{1,3})\])?(?P<verb>.)?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Directive:
    """One `%…` of a format. `width` and `precision` count characters; `verb` is one character."""

    verb: str
    flags: str
    width: int | None
    precision: int | None

    def has(self, flag: str) -> bool:
        return flag in self.flags

    def pad(self, text: str, *, zeros: bool = False) -> str:
        """The text at the directive's width; `zeros` lets the flag 0 fill up behind the sign."""
        missing = (self.width or 0) - len(text)
        if missing <= 0:
            return text
        if self.has("-"):
            return text + " " * missing
        if self.has("0") and zeros:
            sign = text[:1] if text[:1] in "+- " else ""
            return sign + "0" * missing + text[len(sign) :]
        return " " * missing + text


def printf(template: str, arguments: Sequence[Value], budget: Budget) -> str:
    """The text that `template` describes, with the arguments in it."""
    return _Printer(arguments, budget).text(template)


class _Printer:
    def __init__(self, arguments: Sequence[Value], budget: Budget) -> None:
        self._arguments = arguments
        self._budget = budget
        self._at = 0
        self._reordered = False

    def text(self, template: str) -> str:
        pieces: list[str] = []
        end = 0
        for match in _DIRECTIVE.finditer(template):
            self._budget.step()
            pieces += [template[end : match.start()], self._directive(match)]
            end = match.end()
        pieces.append(template[end:])
        if not self._reordered and self._at < len(self._arguments):
            extra = ", ".join(_typed(each, self._budget) for each in self._arguments[self._at :])
            pieces.append(f"%!(EXTRA {extra})")
        return made(pieces, self._budget)

    def _directive(self, match: re.Match[str]) -> str:
        flags, verb = match["flags"], match["verb"]
        width = self._size(match["width"], match["width_at"])
        if width is not None and width < 0:
            flags, width = flags + "-", -width
        precision = self._size(match["precision"], match["precision_at"])
        if match["at"]:
            self._move_to(match["at"])
        if verb is None:
            return "%!(NOVERB)"
        if verb == "v":
            flags = flags.replace("+", "")  # on %v it asks for the names of fields, not for a sign
        if verb == "%":
            return "%"
        if not 0 <= self._at < len(self._arguments):
            return f"%!{verb}(BADINDEX)" if self._reordered else f"%!{verb}(MISSING)"
        value = self._arguments[self._at]
        self._at += 1
        directive = Directive(
            verb, flags, width, None if precision is not None and precision < 0 else precision
        )
        self._budget.make((width or 0) + (precision or 0))
        return formatted(value, directive, self._budget)

    def _size(self, text: str | None, at: str | None) -> int | None:
        """A width or precision: a number, or the argument that a `*` takes."""
        if at:
            self._move_to(at[1:-1])
        if text is None:
            return None
        number: Value = None
        if text != "*":
            number = int(text or 0)
        elif 0 <= self._at < len(self._arguments):
            number = self._arguments[self._at]
            self._at += 1
        if not isinstance(number, int) or isinstance(number, bool) or abs(number) > WIDTH_MOST:
            raise Fault(f"a width or precision is a whole number up to {WIDTH_MOST:,}")
        return number

    def _move_to(self, number: str) -> None:
        self._reordered = True
        self._at = int(number) - 1


def formatted(value: Value, directive: Directive, budget: Budget) -> str:
    """One value by one directive."""
    measure(value, budget)
    if isinstance(value, str):
        budget.walk(value)
    return _formatted(value, directive, budget)


def _formatted(value: Value, directive: Directive, budget: Budget) -> str:
    match directive.verb:
        case "T":
            return directive.pad(type_name(value))
        case "v" if directive.has("#"):
            return directive.pad(_as_source(value))
        case _:
            pass
    match value:
        case None:
            return directive.pad(NIL) if directive.verb == "v" else f"%!{directive.verb}({NIL})"
        case list():
            return f"[{' '.join(_element(each, directive, budget) for each in value)}]"
        case dict():
            key_directive = replace(directive, precision=None) if directive.verb == "v" else directive
            pairs = (
                f"{_formatted(key, key_directive, budget)}:{_element(value[key], directive, budget)}"
                for key in sorted(value, key=raw)
            )
            return f"map[{' '.join(pairs)}]"
        case bool():
            return (
                directive.pad(plain(value, budget))
                if directive.verb in "tv"
                else _bad(value, directive, budget)
            )
        case int():
            return _by(_INTEGER, value, directive, budget)
        case float():
            return _by(_FLOAT, value, directive, budget)
        case str():
            return _by(_TEXT, value, directive, budget)
        case _:
            return _by(_TEXT, value.printed(), directive, budget)


def _element(value: Value, directive: Directive, budget: Budget) -> str:
    """A value in a list or map, where Go minds a nil less."""
    return NIL if value is None else _formatted(value, directive, budget)


def _by(
    verbs: dict[str, Callable[[Scalar, Directive], str]], value: Scalar, directive: Directive, budget: Budget
) -> str:
    verb = verbs.get(directive.verb)
    return verb(value, directive) if verb else _bad(value, directive, budget)


def _bad(value: Value, directive: Directive, budget: Budget) -> str:
    return f"%!{directive.verb}({_typed(value, budget)})"


def _typed(value: Value, budget: Budget) -> str:
    return NIL if value is None else f"{type_name(value)}={plain(value, budget)}"


Scalar = int | float | str


def _in_base(base: str) -> Callable[[Scalar, Directive], str]:
    prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b", "O": "0o"}.get(base, "")

    def digits(value: Scalar, directive: Directive) -> str:
        number = int(value)
        text = format(abs(number), "o" if base == "O" else base)
        if directive.precision is not None:
            text = "" if directive.precision == 0 == number else text.rjust(directive.precision, "0")
        if base == "O" or directive.has("#"):
            text = prefix + text
        zeros = directive.precision is None
        return directive.pad(_signed(text, negative=number < 0, directive=directive), zeros=zeros)

    return digits


def _signed(text: str, *, negative: bool, directive: Directive) -> str:
    if negative:
        return f"-{text}"
    return f"+{text}" if directive.has("+") else f" {text}" if directive.has(" ") else text


def _character(value: Scalar, directive: Directive) -> str:
    return directive.pad(_rune(value))


def _rune(value: Scalar) -> str:
    number = int(value)
    return chr(number) if 0 <= number < 0xD800 or 0xDFFF < number <= 0x10FFFF else "\ufffd"


def _quoted_character(value: Scalar, directive: Directive) -> str:
    return directive.pad(quoted(_rune(value), "'"))


def _code_point(value: Scalar, directive: Directive) -> str:
    return directive.pad(f"U+{int(value):04X}")


def _fixed(value: Scalar, directive: Directive) -> str:
    return _float(value, directive, lambda number, precision: f"{number:.{precision}f}")


def _exponential(value: Scalar, directive: Directive) -> str:
    text = _float(value, directive, lambda number, precision: f"{number:.{precision}e}")
    return text.upper() if directive.verb == "E" else text


def _float(value: Scalar, directive: Directive, digits: Callable[[float, int], str]) -> str:
    number = float(value)
    precision = 6 if directive.precision is None else directive.precision
    return _finished(number, directive, lambda: digits(abs(number), precision))


def _general(value: Scalar, directive: Directive) -> str:
    number = float(value)
    precision = directive.precision
    if precision is None:
        return _finished(number, directive, lambda: real(abs(number)))
    return _finished(number, directive, lambda: _to_precision(abs(number), max(1, precision)))


def _to_precision(number: float, precision: int) -> str:
    """So many digits at most, no zeros behind them; an exponent from -5 down, and past the digits."""
    digits, exponent = shortest(float(f"{number:.{precision - 1}e}"))
    limit = len(digits) if precision > len(digits) >= exponent + 1 else precision
    if exponent < -4 or exponent >= limit:
        return scientific(number, digits, exponent)
    return f"{number:.{max(0, len(digits) - 1 - exponent)}f}"


def _finished(number: float, directive: Directive, digits: Callable[[], str]) -> str:
    if math.isnan(number) or math.isinf(number):
        text = real(number)
        plus = directive.has("+") or text[0] not in "+N"
        return directive.pad(text if plus else text.removeprefix("+"))
    negative = math.copysign(1, number) < 0
    return directive.pad(_signed(digits(), negative=negative, directive=directive), zeros=True)


def _cut(value: Scalar, directive: Directive) -> str:
    text = str(value)
    return text if directive.precision is None else text[: directive.precision]


def _words(value: Scalar, directive: Directive) -> str:
    return directive.pad(_cut(value, directive), zeros=directive.verb in "sv")


def _quoted_words(value: Scalar, directive: Directive) -> str:
    text = _cut(value, directive)
    if directive.has("#") and "`" not in text and all(c.isprintable() or c == "\t" for c in text):
        return directive.pad(f"`{text}`")
    return directive.pad(quoted(text))


def _hexadecimal(value: Scalar, directive: Directive) -> str:
    content = raw(str(value))
    content = content if directive.precision is None else content[: directive.precision]
    text = content.hex(" ") if directive.has(" ") else content.hex()
    if directive.has("#") and text:
        text = " ".join(f"0x{pair}" for pair in text.split(" "))
    return directive.pad(text.upper() if directive.verb == "X" else text)


_INTEGER: dict[str, Callable[[Scalar, Directive], str]] = {
    "v": _in_base("d"),
    "d": _in_base("d"),
    **{base: _in_base(base) for base in "xXobO"},
    "c": _character,
    "q": _quoted_character,
    "U": _code_point,
}
_FLOAT: dict[str, Callable[[Scalar, Directive], str]] = {
    "f": _fixed,
    "F": _fixed,
    "e": _exponential,
    "E": _exponential,
    "g": _general,
    "G": lambda value, directive: _general(value, directive).upper(),
    "v": _general,
}
_TEXT: dict[str, Callable[[Scalar, Directive], str]] = {
    "s": _words,
    "v": _words,
    "q": _quoted_words,
    "x": _hexadecimal,
    "X": _hexadecimal,
}


def _as_source(value: Value) -> str:
    """The value as Go source, %#v."""
    match value:
        case None:
            return "interface {}(nil)"
        case str():
            return quoted(value)
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return real(value)
        case list():
            return f"{type_name(value)}{{{', '.join(map(_as_source, value))}}}"
        case dict():
            pairs = (f"{quoted(key)}:{_as_source(value[key])}" for key in sorted(value, key=raw))
            return f"{type_name(value)}{{{', '.join(pairs)}}}"
        case _:
            return value.printed()
