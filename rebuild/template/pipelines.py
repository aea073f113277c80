"""Tokens to the pipelines of a template: what stands in an action. Knows no block, computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rebuild.template import literal, node
from rebuild.template.lexer import Kind, Token
from rebuild.template.tokens import Tokens

_COMMAND_ENDS = (Kind.PIPE, Kind.RIGHT, Kind.CLOSE)


class Pipelines:
    """Reads pipelines. `variables` are those that are in sight, and grow as they are declared."""

    def __init__(self, tokens: Tokens, check_function: Callable[[str], None]) -> None:
        self._tokens = tokens
        self._check_function = check_function
        self.variables = [""]

    def read(self, where: str, closing: Kind, *, names_most: int = 1) -> node.Pipeline:
        """All up to `closing`, which is taken. `where` is for messages; `names_most` may be declared."""
        names, assigns = self._names(where, names_most)
        commands = [self._command(where, is_first=True)]
        while self._tokens.skip_space().kind is Kind.PIPE:
            self._tokens.next()
            if self._tokens.skip_space().kind is closing:  # Go lets a pipe lead nowhere
                break
            commands.append(self._command(where, is_first=False))
        self._tokens.expect(closing, where)
        return node.Pipeline(tuple(commands), names, assigns)

    def _names(self, where: str, most: int) -> tuple[tuple[str, ...], bool]:
        """The variables that the pipeline declares or assigns, and whether it assigns."""
        names: list[str] = []
        while self._tokens.skip_space().kind is Kind.VARIABLE:
            after = 2 if self._tokens.peek(1).kind is Kind.SPACE else 1
            sign = self._tokens.peek(after)
            if sign.kind is Kind.COMMA:
                if most == 1 or names:
                    raise self._tokens.fault(f"too many variables in {where}", line=sign.line)
            elif sign.kind not in (Kind.DECLARE, Kind.ASSIGN):
                break
            names.append(self._tokens.next().text[1:])
            self._tokens.expect(sign.kind, where)
            if sign.kind is not Kind.COMMA:
                return self._bind(names, sign)
        if names:
            raise self._tokens.unexpected(self._tokens.peek(), where)
        return (), False

    def _bind(self, names: list[str], sign: Token) -> tuple[tuple[str, ...], bool]:
        self.variables += names
        return tuple(names), sign.kind is Kind.ASSIGN

    def _command(self, where: str, *, is_first: bool) -> node.Command:
        begun = self._tokens.skip_space()
        operands = list(self._operands(where))
        if not operands:
            raise self._tokens.fault(f"a value is missing in {where}", line=self._tokens.peek().line)
        fixed = isinstance(operands[0], (node.Literal, node.Nil, literal.Constant))
        if not is_first and (fixed or operands[0] == node.Field(())):
            raise self._tokens.fault(
                f"only a function can take the value of a pipe in {where}", line=begun.line
            )
        return node.Command(operands[0], tuple(operands[1:]), begun.line)

    def _operands(self, where: str) -> Iterator[node.Operand]:
        """Operands parted by spaces, up to what ends the command, which is not taken."""
        while (operand := self._operand()) is not None:
            yield operand
            if self._tokens.peek().kind in _COMMAND_ENDS:
                return
            if self._tokens.peek().kind is not Kind.SPACE:
                raise self._tokens.unexpected(self._tokens.peek(), where)
            self._tokens.skip_space()
        if self._tokens.peek().kind not in _COMMAND_ENDS:
            raise self._tokens.unexpected(self._tokens.peek(), where)

    def _operand(self) -> node.Operand | None:
        term = self._term()
        path: list[str] = []
        while term is not None and self._tokens.peek().kind is Kind.FIELD:
            path.append(self._tokens.next().text[1:])
        if term is None or not path:
            return term
        match term:
            case node.Field() if term.path:
                return node.Field((*term.path, *path))
            case node.Variable():
                return node.Variable(term.name, (*term.path, *path))
            case node.Pipeline() | node.Call():
                return node.Chain(term, tuple(path))
            case _:
                hint = "put parentheses around a pipeline"
                raise self._tokens.fault("a field is asked of what has none", hint=hint)

    def _term(self) -> node.Operand | None:
        token = self._tokens.peek()
        match token.kind:
            case Kind.WORD:
                self._tokens.checked(self._check_function, self._tokens.next().text)
                return node.Call(token.text)
            case Kind.DOT:
                self._tokens.next()
                return node.Field(())
            case Kind.FIELD:
                return node.Field((self._tokens.next().text[1:],))
            case Kind.VARIABLE:
                return self._variable(self._tokens.next())
            case Kind.OPEN:
                return self._parenthesis(self._tokens.next())
            case _:
                return self._literal(token)

    def _literal(self, token: Token) -> node.Operand | None:
        match token.kind:
            case Kind.NIL:
                self._tokens.next()
                return node.Nil()
            case Kind.BOOL:
                return node.Literal(self._tokens.next().text == "true")
            case Kind.NUMBER:
                return self._tokens.checked(literal.number, self._tokens.next().text)
            case Kind.CHAR:
                return self._tokens.checked(literal.character, self._tokens.next().text)
            case Kind.STRING | Kind.RAW_STRING:
                return node.Literal(self._tokens.unquoted(self._tokens.next()))
            case _:
                return None

    def _variable(self, token: Token) -> node.Variable:
        name = token.text[1:]
        if name not in self.variables:
            raise self._tokens.fault(
                f"variable {token.text} is not defined", hint=f"write {token.text} := … before it"
            )
        return node.Variable(name, ())

    def _parenthesis(self, opened: Token) -> node.Pipeline:
        with self._tokens.nested("parentheses", opened):
            return self.read("parentheses", Kind.CLOSE)
