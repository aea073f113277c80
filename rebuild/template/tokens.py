"""The tokens of a template one after another: looked at ahead, and each paid for. Knows no grammar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rebuild.template import literal
from rebuild.template.budget import Budget
from rebuild.template.error import Fault
from rebuild.template.lexer import Kind, LexicalFault, Token, lex

NESTING_MOST = 60

Given = TypeVar("Given")
Result = TypeVar("Result")


class ParseFault(LexicalFault):
    """A rule that is broken in a line."""


class Tokens:
    """What is left of a template. Faults get the line of the token that was taken last."""

    def __init__(self, text: str, budget: Budget) -> None:
        self._source = lex(text)
        self._ahead: list[Token] = []
        self._line = 1
        self._budget = budget
        self._nesting = 0

    def peek(self, distance: int = 0) -> Token:
        while len(self._ahead) <= distance:
            self.checked(self._budget.step, 1)
            self._ahead.append(next(self._source))
        return self._ahead[distance]

    def next(self) -> Token:
        token = self.peek()
        del self._ahead[0]
        self._line = token.line
        return token

    def skip_space(self) -> Token:
        """The next token that is no space, not taken yet."""
        while self.peek().kind is Kind.SPACE:
            self.next()
        return self.peek()

    def expect(self, kind: Kind, where: str) -> Token:
        if self.skip_space().kind is not kind:
            raise self.unexpected(self.peek(), where)
        return self.next()

    def keyword(self) -> str | None:
        """The keyword that the next action begins with, if it does with one; nothing is taken."""
        if self.peek().kind is not Kind.LEFT:
            return None
        at = 1
        while self.peek(at).kind is Kind.SPACE:
            at += 1
        token = self.peek(at)
        return token.text if token.kind is Kind.KEYWORD else None

    def open(self) -> Token:
        """Take `{{` and the keyword behind it; answer the keyword."""
        self.next()
        self.skip_space()
        return self.next()

    @contextmanager
    def nested(self, what: str, opened: Token) -> Iterator[None]:
        """One deeper, for blocks and parentheses together."""
        self._nesting += 1
        if self._nesting > NESTING_MOST:
            raise self.fault(f"{what} nested more than {NESTING_MOST} deep", line=opened.line)
        yield
        self._nesting -= 1

    def unquoted(self, token: Token) -> str:
        return self.checked(literal.string, token.text)

    def checked(self, rule: Callable[[Given], Result], given: Given) -> Result:
        """What `rule` makes of `given`."""
        try:
            return rule(given)
        except Fault as fault:
            raise self.fault(fault.reason, hint=fault.hint) from None

    def fault(self, reason: str, *, line: int | None = None, hint: str | None = None) -> ParseFault:
        return ParseFault(self._line if line is None else line, reason, hint=hint)

    def unexpected(self, token: Token, where: str) -> ParseFault:
        return self.fault(f"unexpected {token} in {where}", line=token.line)
