"""Go's verbs: one value as one `%…` writes it, or the note that they do not fit. Reads no format."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from graph.record import dataclass
from rebuild.template.budget import Budget
from rebuild.template.floating import digits, with_point
from rebuild.template.formatting import NIL, escaped, plain, quoted, real
from rebuild.template.value import Value, measure, raw, type_name


@dataclass(frozen=True, slots=True)
class Directive:
    """One `%…` of a format. `width` and `precision` count characters; `verb` is one character."""

    verb: str
    flags: str
    width: int | None
    precision: int | None
    notes: bool = False  # in a note on a verb that does not fit, where # asks for no source

    def has(self, flag: str) -> bool:
        return flag in self.flags

    def pad(self, text: str, *, zeros: bool = False, signed: bool = True) -> str:
        """The text at the directive's width; `zeros` lets the flag 0 fill up, behind the sign of a number."""
        missing = (self.width or 0) - len(text)
        if missing <= 0:
            return text
        if self.has("-"):
            return text + " " * missing
        if self.has("0") and zeros:
            sign = text[:1] if signed and text[:1] in ("+", "-", " ") else ""
            return sign + "0" * missing + text[len(sign) :]
        return " " * missing + text


def formatted(value: Value, directive: Directive, budget: Budget) -> str:
    """One value by one directive."""
    measure(value, budget)
    if isinstance(value, str):
        budget.walk(value)
    return _formatted(value, directive, budget)


def _formatted(value: Value, directive: Directive, budget: Budget) -> str:
    match directive.verb:
        case "T":
            return directive.pad(_cut(type_name(value), directive), zeros=True)
        case "v" if directive.has("#") and not directive.notes:
            return directive.pad(_as_source(value))
        case _:
            pass
    match value:
        case None:
            return directive.pad(NIL) if directive.verb == "v" else f"%!{directive.verb}({NIL})"
        case list():
            return f"[{' '.join(_element(each, directive, budget) for each in value)}]"
        case dict():
            pairs = (
                f"{_formatted(key, directive, budget)}:{_element(value[key], directive, budget)}"
                for key in sorted(value, key=raw)
            )
            return f"map[{' '.join(pairs)}]"
        case bool():
            return (
                directive.pad(plain(value, budget), zeros=True)
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


def _bad(value: Scalar, directive: Directive, budget: Budget) -> str:
    """The note that the verb does not fit, with the value as %v and yet with the other flags."""
    shown = _formatted(value, replace(directive, verb="v", notes=True), budget)
    return f"%!{directive.verb}({type_name(value)}={shown})"


Scalar = int | float | str


def _in_base(base: str) -> Callable[[Scalar, Directive], str]:
    prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b", "O": "0"}.get(base, "")

    def whole(value: Scalar, directive: Directive) -> str:
        number = int(value)
        if number == 0 == directive.precision:
            return directive.pad("")
        text = format(abs(number), base.replace("O", "o")).rjust(_least(number, directive), "0")
        if directive.has("#") and not (prefix == "0" and text.startswith("0")):
            text = prefix + text
        if base == "O":
            text = f"0o{text}"
        return directive.pad(_signed(text, negative=number < 0, directive=directive))

    return whole


def _least(number: int, directive: Directive) -> int:
    """How many digits there are at least: the flag 0 makes a width one, less the sign."""
    if directive.precision is not None:
        return directive.precision
    fills = directive.has("0") and not directive.has("-")
    has_sign = number < 0 or directive.has("+") or directive.has(" ")
    return (directive.width or 0) - has_sign if fills else 0


def _signed(text: str, *, negative: bool, directive: Directive) -> str:
    if negative:
        return f"-{text}"
    return f"+{text}" if directive.has("+") else f" {text}" if directive.has(" ") else text


def _character(value: Scalar, directive: Directive) -> str:
    return directive.pad(_rune(value), zeros=True, signed=False)


def _rune(value: Scalar) -> str:
    number = int(value)
    return chr(number) if 0 <= number < 0xD800 or 0xDFFF < number <= 0x10FFFF else "\ufffd"


def _quoted_character(value: Scalar, directive: Directive) -> str:
    return directive.pad(_literal(_rune(value), directive, "'"), zeros=True)


def _code_point(value: Scalar, directive: Directive) -> str:
    shown = f"U+{int(value) % (1 << 64):0{max(4, directive.precision or 0)}X}"
    rune = _rune(value)
    return directive.pad(
        f"{shown} '{rune}'"
        if directive.has("#") and rune.isprintable() and 0 <= int(value) <= 0x10FFFF
        else shown
    )


def _real(value: Scalar, directive: Directive) -> str:
    number = float(value)
    text = digits(abs(number), directive.verb, directive.precision)
    if not math.isfinite(number):  # looks like no number, so zeros do not fill it up
        signed = _signed(text, negative=number < 0, directive=directive)
        return directive.pad("+Inf" if signed == "Inf" else signed)
    if directive.has("#") and directive.verb != "b":
        text = with_point(text, directive.verb, directive.precision)
    negative = math.copysign(1, number) < 0
    return directive.pad(_signed(text, negative=negative, directive=directive), zeros=True)


def _cut(value: Scalar, directive: Directive) -> str:
    text = str(value)
    return text if directive.precision is None else text[: directive.precision]


def _words(value: Scalar, directive: Directive) -> str:
    return directive.pad(_cut(value, directive), zeros=True, signed=False)


def _quoted_words(value: Scalar, directive: Directive) -> str:
    text = _cut(value, directive)
    if directive.has("#") and "`" not in text and all(c.isprintable() or c == "\t" for c in text):
        return directive.pad(f"`{text}`", zeros=True)
    return directive.pad(_literal(text, directive, '"'), zeros=True)


def _literal(text: str, directive: Directive, mark: str) -> str:
    """In quotes; the flag + leaves ASCII only."""
    literal = quoted(text, mark)
    return "".join(c if c.isascii() else escaped(c) for c in literal) if directive.has("+") else literal


def _hexadecimal(value: Scalar, directive: Directive) -> str:
    content = raw(str(value))
    content = content if directive.precision is None else content[: directive.precision]
    text = content.hex(" ") if directive.has(" ") else content.hex()
    if directive.has("#") and text:
        text = " ".join(f"0x{pair}" for pair in text.split(" "))
    return directive.pad(text.upper() if directive.verb == "X" else text, zeros=True)


_INTEGER: dict[str, Callable[[Scalar, Directive], str]] = {
    "v": _in_base("d"),
    "d": _in_base("d"),
    **{base: _in_base(base) for base in "xXobO"},
    "c": _character,
    "q": _quoted_character,
    "U": _code_point,
}
_FLOAT: dict[str, Callable[[Scalar, Directive], str]] = dict.fromkeys("vbeEfFgGxX", _real)
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
