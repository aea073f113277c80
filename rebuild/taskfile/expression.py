"""The small language of `if`: text to a function of the circumstances. Pure and bounded.

or  ::= and  (("||" | "or")  and)*            functions: success() failure() canceled() always()
and ::= not  (("&&" | "and") not)*                       contains(a, b) startsWith(a, b) endsWith(a, b)
not ::= ("!" | "not") not | comparison
comparison ::= value (("==" | "!=" | "<" | "<=" | ">" | ">=") value)?
value ::= 'text' | "text" | number | true | false | null | function | "(" or ")"
        | steps.ID.status | steps.ID.exitCode | steps.ID.outputs.NAME | env.NAME
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, NoReturn

from graph.record import dataclass
from rebuild.taskfile.circumstances import Circumstances, StepOutcome, StepStatus

LENGTH_MOST = 2000
DEPTH_MOST = 30

Value = str | float | bool | None
_Node = Callable[[Circumstances], Value]


class ExpressionError(ValueError):
    """An expression that cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Expression:
    """What an expression comes to, the ids that it asks about, and whether it asks how steps ended."""

    value: _Node
    steps: frozenset[str]
    minds_failure: bool


def read_expression(text: str) -> Expression:
    """Raise `ExpressionError`."""
    if len(text) > LENGTH_MOST:
        raise ExpressionError(f"the expression has more than {LENGTH_MOST} characters")
    parser = _Parser(_tokens(text))
    node = parser.whole()
    return Expression(node, frozenset(parser.steps), parser.minds_failure)


def truth(value: Value) -> bool:
    """null, false, 0 and the empty text are not true."""
    return bool(value)


_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*'|\"[^\"]*\")|(?P<number>-?\d+(?:\.\d+)?(?![\w.]))"
    r"|(?P<operator>==|!=|<=|>=|&&|\|\||[<>!()\[\].,])|(?P<word>[^\s'\"()\[\].,=!<>&|]+))"
)
_KEYWORDS = {"and": "&&", "or": "||", "not": "!"}
_CONSTANTS: dict[str, Value] = {"true": True, "false": False, "null": None}
_ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_MINDFUL = ("success", "failure", "always", "canceled", "cancelled")
_TESTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at, end)
        if match is None:
            raise ExpressionError(f"{text[at : at + 20].strip()!r} is not understood")
        kind = str(match.lastgroup)
        found.append(_Token(kind, match[kind]))
        at = match.end()
    return found


class _Parser:
    """Recursive descent; each rule gives a function of the circumstances."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self.steps: set[str] = set()
        self.minds_failure = False

    def whole(self) -> _Node:
        if not self._tokens:
            raise ExpressionError("the expression is empty")
        node = self._or()
        if self._at < len(self._tokens):
            self._fail(f"{self._tokens[self._at].text!r} is one too many")
        return node

    def _or(self) -> _Node:
        nodes = [self._and()]
        while self._accept("||"):
            nodes.append(self._and())
        return nodes[0] if len(nodes) == 1 else lambda c: any(truth(node(c)) for node in nodes)

    def _and(self) -> _Node:
        nodes = [self._not()]
        while self._accept("&&"):
            nodes.append(self._not())
        return nodes[0] if len(nodes) == 1 else lambda c: all(truth(node(c)) for node in nodes)

    def _not(self) -> _Node:
        self._depth += 1
        if self._depth > DEPTH_MOST:
            self._fail(f"it is nested more than {DEPTH_MOST} deep")
        try:
            if self._accept("!"):
                inner = self._not()
                return lambda c: not truth(inner(c))
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> _Node:
        left = self._value()
        for sign in ("==", "!=", "<=", ">=", "<", ">"):
            if self._accept(sign):
                right = self._value()
                return lambda c, sign=sign: _compare(sign, left(c), right(c))  # type: ignore[misc]
        return left

    def _value(self) -> _Node:  # noqa: RET503
        if self._accept("("):
            inner = self._or()
            self._expect(")")
            return inner
        token = self._next()
        match token.kind:
            case "text":
                return _constant(_unquoted(token.text))
            case "number":
                return _constant(float(token.text))
            case "word" if token.text in _CONSTANTS:
                return _constant(_CONSTANTS[token.text])
            case "word" if self._accept("("):
                return self._function(token.text)
            case "word":
                return self._path(token.text)
            case _:
                self._fail(f"a value is missing before {token.text!r}")

    def _function(self, name: str) -> _Node:
        if name in _MINDFUL:
            self._expect(")")
            self.minds_failure = True
            return _state(name)
        if name not in _TESTS:
            self._fail(f"there is no function {name}(); there are {', '.join((*_MINDFUL[:4], *_TESTS))}")
        left = self._or()
        self._expect(",")
        right = self._or()
        self._expect(")")
        test = _TESTS[name]
        return lambda c: test(_text(left(c)), _text(right(c)))

    def _path(self, root: str) -> _Node:
        if root not in ("steps", "env"):
            self._fail(f"{root!r} is unknown; there are steps.ID.…, env.NAME, 'texts' and numbers")
        name = self._part()
        if root == "env":
            return lambda c: c.environment.get(name)
        # An id may hold dots: it ends where one of the three properties begins.
        while (part := self._part()) not in ("status", "exitCode", "outputs"):
            name = f"{name}.{part}"
        self.steps.add(name)
        if part == "outputs":
            output = self._part()
            return lambda c: _outcome(c, name).outputs.get(output)
        self.minds_failure = True
        if part == "status":
            return lambda c: str(_outcome(c, name).status)
        return lambda c: None if (code := _outcome(c, name).exit_code) is None else float(code)

    def _part(self) -> str:
        if self._accept("["):
            token = self._next()
            if token.kind != "text":
                self._fail("a name in [ ] stands in quotes")
            self._expect("]")
            return _unquoted(token.text)
        if not self._accept("."):
            self._fail("write steps.ID.status, steps.ID.exitCode, steps.ID.outputs.NAME or env.NAME")
        token = self._next()
        if token.kind not in ("word", "number"):
            self._fail(f"a name is missing before {token.text!r}")
        return token.text

    def _peek(self) -> str | None:
        if self._at >= len(self._tokens):
            return None
        token = self._tokens[self._at]
        if token.kind == "word":
            return _KEYWORDS.get(token.text)
        return token.text if token.kind == "operator" else None

    def _accept(self, sign: str) -> bool:
        found = self._peek() == sign
        self._at += found
        return found

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            self._fail(f"{sign!r} is missing")

    def _next(self) -> _Token:
        if self._at >= len(self._tokens):
            self._fail("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _fail(self, why: str) -> NoReturn:
        raise ExpressionError(why)


def _constant(value: Value) -> _Node:
    return lambda _: value


def _state(name: str) -> _Node:
    match name:
        case "always":
            return lambda _: True
        case "failure":
            return lambda c: c.failed
        case "success":
            return lambda c: not c.failed and not c.canceled
        case _:
            return lambda c: c.canceled


_NOT_RUN = StepOutcome(StepStatus.SKIPPED)


def _outcome(around: Circumstances, step: str) -> StepOutcome:
    return around.steps.get(step, _NOT_RUN)


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1]


def _text(value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}"
        case _:
            return value


def _compare(sign: str, left: Value, right: Value) -> bool:
    """Numbers where both sides can be read as numbers, else texts. null equals null and the empty text."""
    numbers = _number(left), _number(right)
    as_numbers = None not in numbers and (isinstance(left, float) or isinstance(right, float))
    pair: tuple[object, object] = numbers if as_numbers else (_text(left), _text(right))
    match sign:
        case "==":
            return pair[0] == pair[1]
        case "!=":
            return pair[0] != pair[1]
        case _:
            return bool(_ORDER[sign](*pair))


def _number(value: Value) -> float | None:
    if isinstance(value, float):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,300}(\.\d{1,300})?", value.strip()):
        return float(value)
    return None
