"""What each stage takes from which stage or image, and what of it the target reaches. Reads no text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter

from graph.dockerfile.budget import Unreadable
from graph.dockerfile.error import DockerfileError, Place
from graph.dockerfile.instruction import Instruction
from graph.dockerfile.lex import Reading
from graph.dockerfile.mention import Mention, mentions
from graph.dockerfile.nodes import Nodes
from graph.dockerfile.outline import Keyword
from graph.dockerfile.shape import check
from graph.dockerfile.stage import WrittenStage
from graph.record import dataclass


@dataclass(frozen=True, slots=True)
class Taken:
    """A mention, and the node that it leads to: None for a trigger that nothing in the file fires."""

    mention: Mention
    stage: int  # where it is written
    node: int | None
    onbuild: bool = False

    @property
    def leads_to(self) -> tuple[int, ...]:
        return () if self.node is None else (self.node,)


@dataclass(frozen=True, slots=True)
class Resolution:
    """The whole file, seen from the target."""

    nodes: Nodes
    taken: tuple[Taken, ...]
    reached: frozenset[int]
    target: int
    built: tuple[Instruction, ...]  # what a build of the target carries out, triggers among it


def resolve(stages: list[WrittenStage], target: str | None, place: Place, reading: Reading) -> Resolution:
    """Raise `DockerfileError` for a target or a stage that is not there, and for circles."""
    nodes = Nodes(stages)
    taken = [
        Taken(mention, stage.index, nodes.find(mention))
        for stage in stages
        for instruction in stage.body
        for mention in mentions(instruction, reading)
    ]
    for each in taken:
        nodes.takes[each.stage].update(each.leads_to)
    _refuse_circles(nodes)
    start = _target(nodes, target, place)
    triggers = _Triggers(nodes, reading)
    reached = frozenset(_reach(nodes, start, triggers))
    for each in taken:
        if each.stage in reached:
            _refuse_later(nodes, each, by=each.stage)
    bodies = [instruction for stage in stages if stage.index in reached for instruction in stage.body]
    return Resolution(nodes, (*taken, *triggers.taken()), reached, start, (*bodies, *triggers.carried_out()))


def _target(nodes: Nodes, target: str | None, place: Place) -> int:
    """By name, else by number, else the last."""
    if not target:
        return len(nodes.stages) - 1
    named = nodes.stage_named(target)
    if named is not None:
        return named
    if target.isascii() and target.isdigit() and int(target[:9]) < len(nodes.stages):
        return int(target)
    names = ", ".join(stage.label for stage in nodes.stages)
    raise place.refuse(f"there is no target stage '{target}'", hint=f"the stages are: {names[:200]}")


def _refuse_circles(nodes: Nodes) -> None:
    stages = {
        stage.index: [n for n in nodes.takes[stage.index] if not nodes.is_image(n)] for stage in nodes.stages
    }
    try:
        TopologicalSorter(stages).prepare()
    except CycleError as error:
        first = nodes.stages[min(error.args[1])]
        raise first.instruction.place.refuse(f"stage '{first.label}' takes from itself in a circle") from None


def _reach(nodes: Nodes, start: int, triggers: _Triggers) -> Iterator[int]:
    """The target and all that it takes from, in any order."""
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        if nodes.is_image(node):
            continue
        base = nodes.bases[node]
        if base is not None:
            waiting.append(base)
            triggers.fire(base, node)
        waiting += nodes.takes[node]


def _refuse_later(nodes: Nodes, taken: Taken, *, by: int) -> None:
    """A stage may be found by a name or number that only a later stage has; then it cannot be built."""
    if any(by < node < len(nodes.stages) for node in taken.leads_to) and taken.mention.positions:
        raise taken.mention.instruction.place.refuse(
            f"stage '{taken.mention.name}' is taken from before it is defined", hint="move it up in the file"
        )


class _Triggers:
    """ONBUILD: what is written in one stage happens in the stages that stand on it."""

    def __init__(self, nodes: Nodes, reading: Reading) -> None:
        self._nodes = nodes
        self._reading = reading
        self._fired: dict[int, list[Taken]] = {}
        self._carried_out: dict[int, Instruction] = {}  # by line

    def fire(self, base: int, stage: int) -> None:
        for instruction in self._of(base):
            trigger = self._checked(instruction)
            self._carried_out[instruction.place.line] = trigger
            for mention in mentions(trigger, self._reading):
                taken = Taken(mention, base, self._nodes.find(mention), onbuild=True)
                _refuse_later(self._nodes, taken, by=stage)
                self._nodes.takes[stage].update(taken.leads_to)
                self._fired.setdefault(base, []).append(taken)

    def carried_out(self) -> Iterable[Instruction]:
        """The triggers that were fired, each once."""
        return self._carried_out.values()

    def taken(self) -> Iterator[Taken]:
        """Each place once, however many stages fired it."""
        for stage in self._nodes.stages:
            seen: set[tuple[int, ...]] = set()
            for each in self._fired.get(stage.index) or self._dormant(stage.index):
                place = (each.mention.instruction.place.line, *each.mention.positions)
                if place not in seen:
                    seen.add(place)
                    yield each

    def _of(self, stage: int) -> list[Instruction]:
        return [each for each in self._nodes.stages[stage].body if each.keyword is Keyword.ONBUILD]

    def _checked(self, instruction: Instruction) -> Instruction:
        if instruction.trigger is None:
            raise instruction.place.refuse("the trigger is no instruction")
        try:
            self._reading.budget.spend(len(instruction.line.text))
        except Unreadable:
            raise instruction.place.refuse("the triggers of this file fire too often") from None
        check(instruction.trigger, self._reading)
        return instruction.trigger

    def _dormant(self, stage: int) -> Iterator[Taken]:
        for instruction in self._of(stage):
            if instruction.trigger is None:
                continue
            try:
                found = mentions(instruction.trigger, self._reading)
            except DockerfileError:
                continue  # BuildKit leaves it to the build that fires it
            for mention in found:
                yield Taken(mention, stage, None, onbuild=True)
