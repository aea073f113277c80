"""Reads a Dockerfile as BuildKit would: bytes and circumstances in, stages, bases and features out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from graph.dockerfile.budget import Budget
from graph.dockerfile.built import check_built
from graph.dockerfile.error import Place, printable
from graph.dockerfile.fold import Directive, Folded, fold
from graph.dockerfile.instruction import Instruction, read_instructions
from graph.dockerfile.lex import Reading
from graph.dockerfile.mention import SCRATCH
from graph.dockerfile.outline import Keyword
from graph.dockerfile.record import Base, Feature, FeatureUse, FirstRun, Scan, Span, Stage
from graph.dockerfile.resolve import Resolution, Taken, resolve
from graph.dockerfile.shape import check, features
from graph.dockerfile.stage import HOW_TO_GIVE_A_VALUE, Circumstances, WrittenStage, read_stages
from graph.errors import InvalidReference
from graph.reference import ImageRef, Platform
from graph.words import Role, Via

EXPANSION_CHARACTERS_MOST = 4_000_000
_SYNTAX_ARG = "BUILDKIT_SYNTAX"  # a build argument that replaces the syntax line


def scan(
    content: bytes,
    *,
    path: str,
    platform: Platform,
    build_platform: Platform,
    build_args: Mapping[str, str] = MappingProxyType({}),
    target: str | None = None,
) -> Scan:
    """Every image that a build of `target` (a stage's name or number, the last stage where None) names.

    `path` is for messages only. `build_platform` is that of the machine that builds. Raise
    `DockerfileError` for what BuildKit would refuse.
    """
    budget = Budget(EXPANSION_CHARACTERS_MOST)
    folded = fold(content, path, budget)
    reading = Reading(folded.escape, budget)
    instructions = read_instructions(folded, path)
    for instruction in instructions:
        check(instruction, reading)
    circumstances = Circumstances(platform, build_platform, build_args, target)
    stages = read_stages(instructions, circumstances, reading)
    resolution = resolve(stages, target, Place(path, stages[-1].instruction.place.line), reading)
    for instruction in resolution.built:
        check_built(instruction, build_args, reading)
    bases = [*_from_bases(resolution, platform), *_taken_bases(resolution, platform)]
    bases.sort(key=lambda base: base.span.start)
    return Scan(
        target,
        platform,
        tuple(_stages(resolution, platform)),
        (*_syntax_bases(folded, path, circumstances), *bases),
        tuple(_features(instructions)),
        tuple(_upper_case_names(resolution)),
    )


def _stages(resolution: Resolution, platform: Platform) -> Iterator[Stage]:
    platforms: list[Platform] = []
    for stage in resolution.nodes.stages:
        base = resolution.nodes.bases[stage.index]
        # A stage on another has that one's platform, whatever its own FROM says.
        platforms.append(platforms[base] if base is not None else stage.platform or platform)
        if base is not None:
            name = stage.base_name
        else:
            name = str(_reference(stage.base_name, stage.instruction) or SCRATCH)
        yield Stage(
            stage.index,
            stage.name,
            name,
            stage.index in resolution.reached,
            stage.instruction.place.line,
            _first_run(stage, platforms[stage.index]),
        )


def _first_run(stage: WrittenStage, platform: Platform) -> FirstRun | None:
    lines = (one.place.line for one in stage.body if one.keyword is Keyword.RUN)
    line = next(lines, None)
    return FirstRun(line, platform) if line is not None else None


def _from_bases(resolution: Resolution, platform: Platform) -> Iterator[Base]:
    runtime = resolution.nodes.root(resolution.target)
    for stage in resolution.nodes.stages:
        if resolution.nodes.bases[stage.index] is not None:
            continue
        reference = _reference(stage.base_name, stage.instruction)
        if reference is None:
            continue
        yield Base(
            reference=reference,
            as_written=printable(stage.word.text),
            role=Role.RUNTIME if stage.index == runtime else Role.BUILDTIME,
            via=Via.FROM,
            stage=stage.label,
            line=stage.instruction.place.line,
            reachable=stage.index in resolution.reached,
            platform=stage.platform or platform,
            onbuild=False,
            span=stage.span,
        )


def _taken_bases(resolution: Resolution, platform: Platform) -> Iterator[Base]:
    for taken in resolution.taken:
        mention = taken.mention
        if not mention.positions or not _names_an_image(resolution, taken):
            continue
        reference = _taken_reference(taken)
        if reference is None:
            continue
        yield Base(
            reference=reference,
            as_written=printable(mention.as_written),
            role=Role.BUILDTIME,
            via=mention.via,
            stage=resolution.nodes.stages[taken.stage].label,
            line=mention.instruction.place.line,
            reachable=taken.node in resolution.reached,
            platform=platform,
            onbuild=taken.onbuild,
            span=mention.span,
        )


def _upper_case_names(resolution: Resolution) -> Iterator[Span]:
    for stage in resolution.nodes.stages:
        if stage.name_word is not None and stage.name_word.text != stage.name:
            yield stage.instruction.span(stage.name_word.start, stage.name_word.end)
    for taken in resolution.taken:
        name = taken.mention.name
        if taken.node is not None and name != name.lower() and not _names_an_image(resolution, taken):
            yield taken.mention.span


def _names_an_image(resolution: Resolution, taken: Taken) -> bool:
    if taken.mention.index is not None:
        return False
    if taken.node is None:
        return resolution.nodes.stage_named(taken.mention.name) is None
    return resolution.nodes.is_image(taken.node)


def _taken_reference(taken: Taken) -> ImageRef | None:
    if taken.node is not None:
        return _reference(taken.mention.name, taken.mention.instruction)
    try:
        return None if taken.mention.name == SCRATCH else ImageRef.parse(taken.mention.name)
    except InvalidReference:
        return None  # nothing fires this trigger, and only the build that does may refuse it


def _reference(name: str, instruction: Instruction) -> ImageRef | None:
    """None for `scratch`, which is no image."""
    if name == SCRATCH:
        return None
    try:
        return ImageRef.parse(name)
    except InvalidReference as error:
        hint = error.hint
        if instruction.keyword is Keyword.FROM and "$" in instruction.words[0].text:
            hint = f"give the variables of {instruction.words[0].text} values: {HOW_TO_GIVE_A_VALUE}"
        raise instruction.place.refuse(error.message, hint=hint) from None


def _syntax_bases(folded: Folded, path: str, circumstances: Circumstances) -> Iterator[Base]:
    """The image that reads the file itself, where one is asked for."""
    directive = folded.syntax
    given = circumstances.build_args.get(_SYNTAX_ARG, "").split()
    if given:
        directive = Directive(given[0], 1, Span(0, 0))  # it stands nowhere in the file
    if directive is None:
        return
    try:
        reference = ImageRef.parse(directive.value)
    except InvalidReference as error:
        raise Place(path, directive.line, directive.value).refuse(error.message, hint=error.hint) from None
    yield Base(
        reference=reference,
        as_written=printable(directive.value),
        role=Role.BUILDTIME,
        via=Via.SYNTAX,
        stage="",
        line=directive.line,
        reachable=True,
        platform=circumstances.build_platform,
        onbuild=False,
        span=directive.span,
    )


def _features(instructions: list[Instruction]) -> Iterator[FeatureUse]:
    for instruction in instructions:
        line = instruction.place.line
        if instruction.line.has_heredoc:
            yield FeatureUse(Feature.HEREDOC, line)
        for feature in features(instruction):
            yield FeatureUse(feature, line)
