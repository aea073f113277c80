"""Tokens to a parsed template, or the first rule that is broken. Knows the grammar, computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rebuild.template import node
from rebuild.template.budget import Budget
from rebuild.template.lexer import Kind, Token
from rebuild.template.pipelines import Pipelines
from rebuild.template.tokens import Tokens

_STOPS = ("end", "else")


def parse(text: str, *, check_function: Callable[[str], None], budget: Budget) -> node.Parsed:
    """The template that `text` writes.

    `check_function` raises `Fault` for a name that is no function. Every token costs a step. Raise
    `LexicalFault` with the line for whatever is wrong.
    """
    tokens = Tokens(text, budget)
    return _Parser(tokens, Pipelines(tokens, check_function)).file()


class _Parser:
    def __init__(self, tokens: Tokens, pipelines: Pipelines) -> None:
        self._tokens = tokens
        self._pipelines = pipelines
        self._templates: dict[str, node.Body] = {}
        self._ranges = 0  # that what is read next stands in

    # bodies

    def file(self) -> node.Parsed:
        written: list[node.Node] = []
        while self._tokens.peek().kind is not Kind.END:
            if self._tokens.keyword() == "define":
                self._definition()
                continue
            if self._tokens.keyword() in _STOPS:
                word = self._tokens.open()
                raise self._tokens.fault(
                    f"unexpected {{{{{word.text}}}}}", line=word.line, hint="nothing is open here"
                )
            written += self._node()
        return node.Parsed(tuple(written), self._templates)

    def _body(self, opened: Token) -> node.Body:
        """Everything up to the `end` or `else` that closes it, which is not taken."""
        written: list[node.Node] = []
        with self._tokens.nested("blocks", opened):
            while self._tokens.keyword() not in _STOPS:
                if self._tokens.peek().kind is Kind.END:
                    rule, hint = f"{{{{{opened.text}}}}} is not closed", "write {{end}} behind it"
                    raise self._tokens.fault(rule, line=opened.line, hint=hint)
                written += self._node()
        return tuple(written)

    def _end(self, opened: Token) -> None:
        word = self._tokens.open()
        if word.text != "end":
            raise self._tokens.unexpected(word, f"{{{{{opened.text}}}}}")
        self._tokens.expect(Kind.RIGHT, "end")

    def _node(self) -> Iterator[node.Node]:
        token = self._tokens.peek()
        if token.kind is Kind.TEXT:
            yield node.Text(token.text, self._tokens.next().line)
            return
        keyword = self._tokens.keyword()
        if keyword is None:
            self._tokens.next()
            first = self._tokens.skip_space()
            yield node.Action(self._pipelines.read("an action", Kind.RIGHT), first.line)
            return
        yield self._control(self._tokens.open())

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
                raise self._tokens.unexpected(word, "an action")

    def _choice(self, word: Token) -> node.Choice:
        seen = len(self._pipelines.variables)
        branches = [self._branch(word)]
        otherwise: node.Body = ()
        while self._tokens.keyword() == "else":
            self._tokens.open()
            follower = self._tokens.skip_space()
            if follower.kind is Kind.KEYWORD and follower.text == word.text:
                branches.append(self._branch(self._tokens.next()))
                continue
            self._tokens.expect(Kind.RIGHT, "else")
            otherwise = self._body(word)
            break
        self._end(word)
        del self._pipelines.variables[seen:]
        return node.Choice(tuple(branches), otherwise, moves_dot=word.text == "with")

    def _branch(self, word: Token) -> node.Branch:
        pipeline = self._pipelines.read(word.text, Kind.RIGHT)
        return node.Branch(pipeline, self._body(word), word.line)

    def _range(self, word: Token) -> node.Range:
        seen = len(self._pipelines.variables)
        pipeline = self._pipelines.read("range", Kind.RIGHT, names_most=2)
        self._ranges += 1
        over = node.Branch(pipeline, self._body(word), word.line)
        self._ranges -= 1
        otherwise: node.Body = ()
        if self._tokens.keyword() == "else":
            self._tokens.open()
            self._tokens.expect(Kind.RIGHT, "else")
            otherwise = self._body(word)
        self._end(word)
        del self._pipelines.variables[seen:]
        return node.Range(over, otherwise)

    def _jump(self, word: Token) -> node.Node:
        self._tokens.expect(Kind.RIGHT, word.text)
        if not self._ranges:
            raise self._tokens.fault(f"{{{{{word.text}}}}} is not inside of a range", line=word.line)
        return node.Break() if word.text == "break" else node.Continue()

    # templates

    def _name(self, where: str) -> str:
        token = self._tokens.skip_space()
        if token.kind not in (Kind.STRING, Kind.RAW_STRING):
            raise self._tokens.unexpected(token, where)
        return self._tokens.unquoted(self._tokens.next())

    def _definition(self) -> None:
        word = self._tokens.open()
        name = self._name("define")
        self._tokens.expect(Kind.RIGHT, "define")
        self._define(word, name)

    def _define(self, word: Token, name: str) -> None:
        outer, self._pipelines.variables = self._pipelines.variables, [""]
        ranges, self._ranges = self._ranges, 0
        body = self._body(word)
        self._end(word)
        self._pipelines.variables, self._ranges = outer, ranges
        known = self._templates.get(name, ())
        if not node.is_blank(known) and not node.is_blank(body):
            raise self._tokens.fault(f"template {name!r} is defined twice", line=word.line)
        if node.is_blank(known):
            self._templates[name] = body

    def _include(self, word: Token) -> node.Include:
        name = self._name("template")
        if self._tokens.skip_space().kind is Kind.RIGHT:
            self._tokens.next()
            return node.Include(name, None, word.line)
        return node.Include(name, self._pipelines.read("template", Kind.RIGHT), word.line)

    def _block(self, word: Token) -> node.Include:
        name = self._name("block")
        pipeline = self._pipelines.read("block", Kind.RIGHT)
        self._define(word, name)
        return node.Include(name, pipeline, word.line)
