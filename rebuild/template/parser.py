"""Tokens to a parsed template, or the first rule that is broken. Knows the grammar, computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from graph.record import dataclass
from rebuild.template import literal, node
from rebuild.template.budget import Budget
from rebuild.template.error import Fault
from rebuild.template.lexer import Kind, LexicalFault, Token, lex

_STOPS = ("end", "else")
_COMMAND_ENDS = (Kind.PIPE, Kind.RIGHT, Kind.CLOSE)
NESTING_MOST = 60

Given = TypeVar("Given")
Result = TypeVar("Result")


class ParseFault(LexicalFault):
    """A rule that is broken in a line."""


@dataclass(slots=True)
class _Scope:
    """What one template sees while it is parsed: its variables, and how many ranges it is in."""

    variables: list[str]
    ranges: int = 0


def parse(text: str, *, check_function: Callable[[str], None], budget: Budget) -> node.Parsed:
    """The template that `text` writes.

    `check_function` raises `Fault` for a name that is no function. Every token costs a step. Raise
    `LexicalFault` with the line for whatever is wrong.
    """
    return _Parser(text, check_function, budget).file()


class _Parser:
    def __init__(self, text: str, check_function: Callable[[str], None], budget: Budget) -> None:
        self._source = lex(text)
        self._ahead: list[Token] = []
        self._line = 1
        self._check_function = check_function
        self._budget = budget
        self._templates: dict[str, node.Body] = {}
        self._scope = _Scope([""])
        self._nesting = 0

    # tokens

    def _peek(self, distance: int = 0) -> Token:
        while len(self._ahead) <= distance:
            self._checked(self._budget.step, 1)
            self._ahead.append(next(self._source))
        return self._ahead[distance]

    def _next(self) -> Token:
        token = self._peek()
        del self._ahead[0]
        self._line = token.line
        return token

    def _skip_space(self) -> Token:
        """The next token that is no space, not taken yet."""
        while self._peek().kind is Kind.SPACE:
            self._next()
        return self._peek()

    def _expect(self, kind: Kind, where: str) -> Token:
        if self._skip_space().kind is not kind:
            raise self._unexpected(self._peek(), where)
        return self._next()

    def _fault(self, reason: str, *, line: int | None = None, hint: str | None = None) -> ParseFault:
        return ParseFault(self._line if line is None else line, reason, hint=hint)

    def _unexpected(self, token: Token, where: str) -> ParseFault:
        return self._fault(f"unexpected {token} in {where}", line=token.line)

    def _keyword(self) -> str | None:
        """The keyword that the next action begins with, if it does with one; nothing is taken."""
        if self._peek().kind is not Kind.LEFT:
            return None
        at = 1
        while self._peek(at).kind is Kind.SPACE:
            at += 1
        token = self._peek(at)
        return token.text if token.kind is Kind.KEYWORD else None

    def _open(self) -> Token:
        """Take `{{` and the keyword behind it; answer the keyword."""
        self._next()
        self._skip_space()
        return self._next()

    # bodies

    def file(self) -> node.Parsed:
        written: list[node.Node] = []
        while self._peek().kind is not Kind.END:
            if self._keyword() == "define":
                self._definition()
                continue
            if self._keyword() in _STOPS:
                word = self._open()
                raise self._fault(
                    f"unexpected {{{{{word.text}}}}}", line=word.line, hint="nothing is open here"
                )
            written += self._node()
        return node.Parsed(tuple(written), self._templates)

    def _body(self, opened: Token) -> node.Body:
        """Everything up to the `end` or `else` that closes it, which is not taken."""
        self._nesting += 1
        if self._nesting > NESTING_MOST:
            raise self._fault(f"blocks nested more than {NESTING_MOST} deep", line=opened.line)
        written: list[node.Node] = []
        while self._keyword() not in _STOPS:
            if self._peek().kind is Kind.END:
                raise self._fault(
                    f"{{{{{opened.text}}}}} is not closed", line=opened.line, hint="write {{end}} behind it"
                )
            written += self._node()
        self._nesting -= 1
        return tuple(written)

    def _end(self, opened: Token) -> None:
        word = self._open()
        if word.text != "end":
            raise self._unexpected(word, f"{{{{{opened.text}}}}}")
        self._expect(Kind.RIGHT, "end")

    def _node(self) -> Iterator[node.Node]:
        token = self._peek()
        if token.kind is Kind.TEXT:
            yield node.Text(token.text, self._next().line)
            return
        keyword = self._keyword()
        if keyword is None:
            self._next()
            first = self._skip_space()
            yield node.Action(self._pipeline("an action", Kind.RIGHT), first.line)
            return
        yield self._control(self._open())

    def _control(self, word: Token) -> node.Node:
        match word.text:
            case "if" | "with":
                return self._choice(word)
            case "range":
                return self._range(word)
            case "template":
                return self._include(word)
            case "block":
                return self._block(word)
            case "break" | "continue":
                return self._jump(word)
            case _:
                raise self._unexpected(word, "an action")

    def _choice(self, word: Token) -> node.Choice:
        seen = len(self._scope.variables)
        branches = [self._branch(word)]
        otherwise: node.Body = ()
        while self._keyword() == "else":
            self._open()
            follower = self._skip_space()
            if follower.kind is Kind.KEYWORD and follower.text == word.text:
                branches.append(self._branch(self._next()))
                continue
            self._expect(Kind.RIGHT, "else")
            otherwise = self._body(word)
            break
        self._end(word)
        del self._scope.variables[seen:]
        return node.Choice(tuple(branches), otherwise, moves_dot=word.text == "with")

    def _branch(self, word: Token) -> node.Branch:
        pipeline = self._pipeline(word.text, Kind.RIGHT)
        return node.Branch(pipeline, self._body(word), word.line)

    def _range(self, word: Token) -> node.Range:
        seen = len(self._scope.variables)
        pipeline = self._pipeline("range", Kind.RIGHT, names_most=2)
        self._scope.ranges += 1
        over = node.Branch(pipeline, self._body(word), word.line)
        self._scope.ranges -= 1
        otherwise: node.Body = ()
        if self._keyword() == "else":
            self._open()
            self._expect(Kind.RIGHT, "else")
            otherwise = self._body(word)
        self._end(word)
        del self._scope.variables[seen:]
        return node.Range(over, otherwise)

    def _jump(self, word: Token) -> node.Node:
        self._expect(Kind.RIGHT, word.text)
        if not self._scope.ranges:
            raise self._fault(f"{{{{{word.text}}}}} is not inside of a range", line=word.line)
        return node.Break() if word.text == "break" else node.Continue()

    # templates

    def _name(self, where: str) -> str:
        token = self._skip_space()
        if token.kind not in (Kind.STRING, Kind.RAW_STRING):
            raise self._unexpected(token, where)
        return self._unquoted(self._next())

    def _definition(self) -> None:
        word = self._open()
        name = self._name("define")
        self._expect(Kind.RIGHT, "define")
        self._define(word, name)

    def _define(self, word: Token, name: str) -> None:
        outer, self._scope = self._scope, _Scope([""])
        body = self._body(word)
        self._end(word)
        self._scope = outer
        known = self._templates.get(name, ())
        if not node.is_blank(known) and not node.is_blank(body):
            raise self._fault(f"template {name!r} is defined twice", line=word.line)
        if node.is_blank(known):
            self._templates[name] = body

    def _include(self, word: Token) -> node.Include:
        name = self._name("template")
        if self._skip_space().kind is Kind.RIGHT:
            self._next()
            return node.Include(name, None, word.line)
        return node.Include(name, self._pipeline("template", Kind.RIGHT), word.line)

    def _block(self, word: Token) -> node.Include:
        name = self._name("block")
        pipeline = self._pipeline("block", Kind.RIGHT)
        self._define(word, name)
        return node.Include(name, pipeline, word.line)

    # pipelines

    def _pipeline(self, where: str, closing: Kind, *, names_most: int = 1) -> node.Pipeline:
        names, assigns = self._names(where, names_most)
        commands = [self._command(where, is_first=True)]
        while self._skip_space().kind is Kind.PIPE:
            self._next()
            if self._skip_space().kind is closing:  # Go lets a pipe lead nowhere
                break
            commands.append(self._command(where, is_first=False))
        self._expect(closing, where)
        return node.Pipeline(tuple(commands), names, assigns)

    def _names(self, where: str, most: int) -> tuple[tuple[str, ...], bool]:
        """The variables that the pipeline declares or assigns, and whether it assigns."""
        names: list[str] = []
        while self._skip_space().kind is Kind.VARIABLE:
            after = 2 if self._peek(1).kind is Kind.SPACE else 1
            sign = self._peek(after)
            if sign.kind is Kind.COMMA:
                if most == 1 or names:
                    raise self._fault(f"too many variables in {where}", line=sign.line)
            elif sign.kind not in (Kind.DECLARE, Kind.ASSIGN):
                break
            names.append(self._next().text[1:])
            self._expect(sign.kind, where)
            if sign.kind is not Kind.COMMA:
                return self._bind(names, sign)
        if names:
            raise self._unexpected(self._peek(), where)
        return (), False

    def _bind(self, names: list[str], sign: Token) -> tuple[tuple[str, ...], bool]:
        self._scope.variables += names
        return tuple(names), sign.kind is Kind.ASSIGN

    def _command(self, where: str, *, is_first: bool) -> node.Command:
        begun = self._skip_space()
        operands = list(self._operands(where))
        if not operands:
            raise self._fault(f"a value is missing in {where}", line=self._peek().line)
        fixed = isinstance(operands[0], (node.Literal, node.Nil, literal.Constant))
        if not is_first and (fixed or operands[0] == node.Field(())):
            raise self._fault(f"only a function can take the value of a pipe in {where}", line=begun.line)
        return node.Command(operands[0], tuple(operands[1:]), begun.line)

    def _operands(self, where: str) -> Iterator[node.Operand]:
        """Operands parted by spaces, up to what ends the command, which is not taken."""
        while (operand := self._operand()) is not None:
            yield operand
            if self._peek().kind in _COMMAND_ENDS:
                return
            if self._peek().kind is not Kind.SPACE:
                raise self._unexpected(self._peek(), where)
            self._skip_space()
        if self._peek().kind not in _COMMAND_ENDS:
            raise self._unexpected(self._peek(), where)

    def _operand(self) -> node.Operand | None:
        term = self._term()
        path: list[str] = []
        while term is not None and self._peek().kind is Kind.FIELD:
            path.append(self._next().text[1:])
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
                raise self._fault("a field is asked of what has none", hint=hint)

    def _term(self) -> node.Operand | None:
        token = self._peek()
        match token.kind:
            case Kind.WORD:
                self._checked(self._check_function, self._next().text)
                return node.Call(token.text)
            case Kind.DOT:
                self._next()
                return node.Field(())
            case Kind.FIELD:
                return node.Field((self._next().text[1:],))
            case Kind.VARIABLE:
                return self._variable(self._next())
            case Kind.OPEN:
                return self._parenthesis(self._next())
            case _:
                return self._literal(token)

    def _literal(self, token: Token) -> node.Operand | None:
        match token.kind:
            case Kind.NIL:
                self._next()
                return node.Nil()
            case Kind.BOOL:
                return node.Literal(self._next().text == "true")
            case Kind.NUMBER:
                return self._checked(literal.number, self._next().text)
            case Kind.CHAR:
                return self._checked(literal.character, self._next().text)
            case Kind.STRING | Kind.RAW_STRING:
                return node.Literal(self._unquoted(self._next()))
            case _:
                return None

    def _variable(self, token: Token) -> node.Variable:
        name = token.text[1:]
        if name not in self._scope.variables:
            raise self._fault(
                f"variable {token.text} is not defined", hint=f"write {token.text} := … before it"
            )
        return node.Variable(name, ())

    def _parenthesis(self, opened: Token) -> node.Pipeline:
        self._nesting += 1
        if self._nesting > NESTING_MOST:
            raise self._fault(f"parentheses nested more than {NESTING_MOST} deep", line=opened.line)
        inner = self._pipeline("parentheses", Kind.CLOSE)
        self._nesting -= 1
        return inner

    def _unquoted(self, token: Token) -> str:
        return self._checked(literal.string, token.text)

    def _checked(self, rule: Callable[[Given], Result], given: Given) -> Result:
        """What `rule` makes of `given`; its fault gets the line of the token last taken."""
        try:
            return rule(given)
        except Fault as fault:
            raise self._fault(fault.reason, hint=fault.hint) from None
