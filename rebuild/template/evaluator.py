"""Carries out a parsed template: values in, text out, every step paid for. Knows no function by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import assert_never

from rebuild.template import node
from rebuild.template.error import Fault
from rebuild.template.formatting import NO_VALUE, shown
from rebuild.template.function import Function, Scope, accepted
from rebuild.template.literal import Constant
from rebuild.template.numbered import Piece
from rebuild.template.value import Object, Value, is_true, raw, type_name


class Flow(Enum):
    """How a body was left."""

    ON = "on"
    BREAK = "break"
    CONTINUE = "continue"


class Evaluation:
    """One rendering; `written` is the output in pieces.

    Whatever is wrong is a `Fault`; `line` is then the line of the action that was being carried out.
    """

    def __init__(
        self,
        templates: Mapping[str, node.Body],
        functions: Mapping[str, Function],
        scope: Scope,
        *,
        for_nothing: Callable[[node.Action], str] = lambda action: "",
    ) -> None:
        self._templates = templates
        self._functions = functions
        self._scope = scope
        self._budget = scope.budget
        self._for_nothing = for_nothing  # what is written by an action that writes nothing
        self._variables: list[tuple[str, Value]] = []
        self._depth = 0
        self.line = 1
        self.written: list[Piece] = []

    def run(self, body: node.Body, dot: Value) -> None:
        """Write what `body` says of `dot`, as a template of its own."""
        outer, self._variables = self._variables, [("", dot)]
        self._walk(body, dot)
        self._variables = outer

    # nodes

    def _walk(self, body: node.Body, dot: Value) -> Flow:
        self._enter()
        flow = Flow.ON
        for each in body:
            flow = self._node(each, dot)
            if flow is not Flow.ON:
                break
        self._depth -= 1
        return flow

    def _enter(self) -> None:
        self._depth += 1
        self._budget.check_depth(self._depth)

    def _node(self, each: node.Node, dot: Value) -> Flow:
        self._budget.step()
        match each:
            case node.Text():
                self._write(Piece(each.text, each.line, is_plain=True))
            case node.Action():
                self._action(each, dot)
            case node.Choice():
                return self._choice(each, dot)
            case node.Range():
                return self._range(each, dot)
            case node.Include():
                self._include(each, dot)
            case node.Break():
                return Flow.BREAK
            case node.Continue():
                return Flow.CONTINUE
            case _:
                assert_never(each)
        return Flow.ON

    def _write(self, piece: Piece) -> None:
        if piece.text:
            self._budget.write(len(piece.text) if piece.text.isascii() else len(raw(piece.text)))
            self.written.append(piece)

    def _action(self, action: node.Action, dot: Value) -> None:
        self.line = action.line
        value = self._pipeline(action.pipeline, dot)
        if not action.pipeline.names:
            text = shown(value, self._budget)
            self._write(
                Piece(
                    self._for_nothing(action) if text in ("", NO_VALUE) else text, action.line, is_plain=False
                )
            )

    def _choice(self, choice: node.Choice, dot: Value) -> Flow:
        mark = len(self._variables)
        body, inner = choice.otherwise, dot
        for branch in choice.branches:
            self.line = branch.line
            value = self._pipeline(branch.pipeline, dot)
            if is_true(value):
                body, inner = branch.body, value if choice.moves_dot else dot
                break
        flow = self._walk(body, inner)
        del self._variables[mark:]
        return flow

    def _include(self, include: node.Include, dot: Value) -> None:
        self.line = include.line
        body = self._templates.get(include.name)
        if body is None:
            raise Fault(f"template {include.name!r} is not defined", hint="write {{define …}} for it")
        self.run(body, None if include.pipeline is None else self._pipeline(include.pipeline, dot))

    # ranges

    def _range(self, each: node.Range, dot: Value) -> Flow:
        mark = len(self._variables)
        self.line = each.over.line
        pipeline = each.over.pipeline
        over = self._pipeline(pipeline, dot)
        flow, ran = Flow.ON, False
        inner = len(self._variables)
        for key, element in _elements(over, len(pipeline.names)):
            ran = True
            self._budget.step()
            self._bind(pipeline, key, element)
            flow = self._walk(each.over.body, element)
            del self._variables[inner:]
            if flow is Flow.BREAK:
                break
        if not ran:
            flow = self._walk(each.otherwise, dot)
        del self._variables[mark:]
        return Flow.ON if ran else flow

    def _bind(self, pipeline: node.Pipeline, key: Value, element: Value) -> None:
        values = (element,) if len(pipeline.names) == 1 else (key, element)
        for name, value in zip(pipeline.names, values, strict=False):
            self._assign(name, value)

    # pipelines

    def _pipeline(self, pipeline: node.Pipeline, dot: Value) -> Value:
        self._enter()
        passed: tuple[Value, ...] = ()
        for command in pipeline.commands:
            passed = (self._command(command, dot, passed),)
        self._depth -= 1
        for name in pipeline.names:
            if pipeline.assigns:
                self._assign(name, passed[0])
            else:
                self._variables.append((name, passed[0]))
        return passed[0]

    def _assign(self, name: str, value: Value) -> None:
        for at in range(len(self._variables) - 1, -1, -1):
            if self._variables[at][0] == name:
                self._variables[at] = (name, value)
                return
        raise Fault(f"variable ${name} is not defined", hint=f"write ${name} := … before it")

    def _command(self, command: node.Command, dot: Value, passed: tuple[Value, ...]) -> Value:
        self._budget.step()
        self.line = command.line
        if isinstance(command.first, node.Call):
            return self._call(command.first.name, command.arguments, dot, passed)
        if command.arguments or passed:
            raise Fault(
                "only a function takes arguments", hint="no field, variable or constant is a function"
            )
        if isinstance(command.first, node.Nil):
            raise Fault("nil is no command")
        return self._value(command.first, dot)

    def _value(self, operand: node.Operand, dot: Value) -> Value:
        found = self._operand(operand, dot)
        return found.value if isinstance(found, Constant) else found

    def _operand(self, operand: node.Operand, dot: Value) -> Value | Constant:
        """The value of an operand; a number stays a constant, for its place decides what it is."""
        match operand:
            case node.Literal():
                return operand.value
            case Constant():
                return operand
            case node.Nil():
                return None
            case node.Field():
                return _follow(dot, operand.path)
            case node.Variable():
                return _follow(self._variable(operand.name), operand.path)
            case node.Call():
                return self._call(operand.name, (), dot, ())
            case node.Chain():
                return _follow(self._value(operand.start, dot), operand.path)
            case node.Pipeline():
                return self._pipeline(operand, dot)
            case _:
                assert_never(operand)

    def _variable(self, name: str) -> Value:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise Fault(f"variable ${name} is not defined")

    # calls

    def _call(
        self, name: str, operands: Sequence[node.Operand], dot: Value, passed: tuple[Value, ...]
    ) -> Value:
        line = self.line
        function = self._functions[name]
        function.check_count(name, len(operands) + len(passed))
        if name in ("and", "or"):
            return self._until(name == "or", operands, dot, passed)
        arguments: list[Value] = []
        for at, found in enumerate(self._found(operands, dot, passed)):
            argument = accepted(function.parameter(at), found, name, at + 1)
            self._pay_for(argument)
            arguments.append(argument)
        self.line = line
        return self._result(name, function, arguments)

    def _found(
        self, operands: Iterable[node.Operand], dot: Value, passed: tuple[Value, ...]
    ) -> Iterable[Value | Constant]:
        for operand in operands:
            yield self._operand(operand, dot)
        yield from passed

    def _pay_for(self, argument: Value) -> None:
        if isinstance(argument, str):
            self._budget.read(len(argument))
        elif isinstance(argument, (list, dict)):
            self._budget.step(len(argument) // 8)

    def _result(self, name: str, function: Function, arguments: list[Value]) -> Value:
        try:
            made = function.call(self._scope, *arguments) if function.scoped else function.call(*arguments)
        except (ArithmeticError, ValueError) as error:
            raise Fault(f"{name}: the arguments do not fit") from error
        if isinstance(made, str):
            self._budget.make(len(made))
        elif isinstance(made, (list, dict)):
            self._budget.step(len(made) // 8)
        return made

    def _until(
        self, truth: bool, operands: Sequence[node.Operand], dot: Value, passed: tuple[Value, ...]
    ) -> Value:
        """`and` and `or`: the first value of that truth, or the last; nothing behind it is computed."""
        value: Value = None
        for operand in operands:
            value = self._value(operand, dot)
            if is_true(value) is truth:
                return value
        return passed[0] if passed else value


def _elements(over: Value, names: int) -> Iterable[tuple[Value, Value]]:
    """What a range goes through: keys or positions, and elements; maps in the order of their keys."""
    match over:
        case None:
            return ()
        case list():
            return enumerate(list(over))
        case dict():
            return [(key, over[key]) for key in sorted(over)]
        case int() if not isinstance(over, bool):
            if names > 1:
                raise Fault("a range over a number gives one variable, not two")
            return ((number, number) for number in range(over))
        case _:
            raise Fault(f"range goes over lists, maps and whole numbers, not over {type_name(over)}")


def _follow(start: Value, path: tuple[str, ...]) -> Value:
    """What `.a.b` leads to: nothing where the last name is missing, a fault where one before it is."""
    if start is None:
        return None
    value: Value = start
    for at, name in enumerate(path):
        if value is None:
            raise Fault(
                f".{'.'.join(path[:at])} has no value, so .{name} cannot be looked up in it",
                hint=f"write (.{'.'.join(path[:at])}).{name} where it may be missing",
            )
        value = _member(value, name)
    return value


def _member(value: Value, name: str) -> Value:
    if value is None:
        return None
    if isinstance(value, dict):
        return value.get(name)
    if isinstance(value, Object):
        members = value.members()
        if name in members:
            return members[name]
    raise Fault(f".{name} is looked up in a {type_name(value)}, which has no fields")
