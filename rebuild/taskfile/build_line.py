"""The words of a `build` line to what they ask for, by the rules of docker's own flags. Builds nothing."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from graph.errors import InvalidReference
from graph.record import dataclass
from graph.reference import ImageRef, Platform
from rebuild.taskfile.build_flags import FLAGS, SHORT_FLAGS, Flag, Use
from rebuild.taskfile.outputs import references
from rebuild.taskfile.problem import nearest, shown

_REMOTE = re.compile(r"(?:https?|git|ssh|oci)://|git@|github\.com/", re.IGNORECASE)
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")


@dataclass(frozen=True, slots=True)
class BuildSecret:
    """`--secret id=…`: a file of the step, or a variable of its environment."""

    id: str
    source: str | None = None  # a path in the step
    variable: str | None = None


@dataclass(frozen=True, slots=True)
class BuildLine:
    """What one `build` line asks for. Paths and names are as written."""

    context: str
    dockerfile: str | None = None
    tags: tuple[str, ...] = ()
    build_args: tuple[tuple[str, str | None], ...] = ()  # None: the value is the environment's
    labels: tuple[tuple[str, str], ...] = ()
    secrets: tuple[BuildSecret, ...] = ()
    target: str | None = None
    platforms: tuple[Platform, ...] = ()
    network: str | None = None
    no_cache: bool = False
    pull: bool = False
    engine_flags: tuple[str, ...] = ()  # of the form --name=value, for the engine as they are
    without_effect: tuple[str, ...] = ()

    @property
    def is_remote(self) -> bool:
        """Whether the context is fetched, not a folder of the run."""
        return bool(_REMOTE.match(self.context))

    @property
    def images(self) -> tuple[ImageRef, ...]:
        """The tags as full names, each once; without those that outputs of other steps complete."""
        known = (ImageRef.parse(tag) for tag in self.tags if not any(references(tag)))
        return tuple(dict.fromkeys(known))

    def arguments(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Build arguments by name; one without a value anywhere is left out, as docker does."""
        given = ((name, environment.get(name) if value is None else value) for name, value in self.build_args)
        return {name: value for name, value in given if value is not None}

    def folder(self, working_directory: str) -> str:
        """The context as an absolute path in the step; only where it is not remote."""
        return posixpath.normpath(posixpath.join(working_directory, self.context))


class BuildLineError(ValueError):
    """A build line that docker, or tracker, would refuse; `hint` is the way out."""

    def __init__(self, rule: str, hint: str | None = None) -> None:
        super().__init__(rule)
        self.rule = rule
        self.hint = hint


@dataclass(frozen=True, slots=True)
class _Given:
    """One flag as it was written."""

    flag: Flag
    value: str


def parse_build_line(words: tuple[str, ...]) -> BuildLine:
    """Read the words after `docker build`; raise `BuildLineError` with the first fault."""
    operands: list[str] = []
    given = list(_flags(words, operands))
    for flag in (one.flag for one in given if one.flag.use is Use.REFUSED):
        rule, _, hint = flag.why.partition("; ")
        raise BuildLineError(f"--{flag.name} is not allowed: {rule}", hint)
    return BuildLine(
        context=_context(operands),
        dockerfile=_dockerfile(_last(given, "file")),
        tags=tuple(_tag(tag) for tag in _values(given, "tag")),
        build_args=tuple(_pair(text) for text in _values(given, "build-arg")),
        labels=tuple((name, value or "") for name, value in map(_pair, _values(given, "label"))),
        secrets=tuple(_secret(text) for text in _values(given, "secret")),
        target=_last(given, "target"),
        platforms=tuple(dict.fromkeys(_platforms(given))),
        network=_network(_last(given, "network")),
        no_cache=_switch(_last(given, "no-cache")),
        pull=_switch(_last(given, "pull")),
        engine_flags=tuple(f"--{one.flag.name}={one.value}" for one in given if one.flag.use is Use.ENGINE),
        without_effect=tuple(
            dict.fromkeys(f"--{one.flag.name}" for one in given if one.flag.use is Use.WITHOUT_EFFECT)
        ),
    )


def _flags(words: tuple[str, ...], operands: list[str]) -> Iterator[_Given]:
    rest = iter(words)
    for word in rest:
        if word == "--":
            operands.extend(rest)
        elif word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            yield _long(name, value if equals else None, rest)
        elif word.startswith("-") and word != "-":
            yield from _short(word[1:], rest)
        else:
            operands.append(word)


def _long(name: str, value: str | None, rest: Iterator[str]) -> _Given:
    flag = FLAGS.get(name)
    if flag is None:
        meant = nearest(name, FLAGS)
        if name == "image":
            meant = "tag"
        raise BuildLineError(
            f"docker build has no flag --{name}", f"did you mean --{meant}?" if meant else None
        )
    if value is None:
        value = _following(f"--{name}", rest) if flag.takes_value else "true"
    return _Given(flag, value)


def _short(letters: str, rest: Iterator[str]) -> Iterator[_Given]:
    """`-tNAME`, `-t=NAME`, `-t NAME`, and switches in a row."""
    while letters:
        letter, letters = letters[0], letters[1:]
        flag = SHORT_FLAGS.get(letter)
        if flag is None:
            raise BuildLineError(f"docker build has no flag -{letter}")
        if flag.takes_value:
            yield _Given(flag, letters.removeprefix("=") if letters else _following(f"-{letter}", rest))
            return
        if letters.startswith("="):
            yield _Given(flag, letters[1:])
            return
        yield _Given(flag, "true")


def _following(written: str, rest: Iterator[str]) -> str:
    value = next(rest, None)
    if value is None:
        raise BuildLineError(f"{written} has no value", f"write {written} VALUE, or remove it")
    return value


def _values(given: list[_Given], name: str) -> list[str]:
    return [one.value for one in given if one.flag.name == name]


def _last(given: list[_Given], name: str) -> str | None:
    """Of a flag that is given several times the last counts; an empty value is none."""
    values = _values(given, name)
    return (values[-1] or None) if values else None


def _context(operands: list[str]) -> str:
    if not operands:
        raise BuildLineError("the build names no context", "end the line with the folder to build, such as .")
    if len(operands) > 1:
        listed = " ".join(shown(operand) for operand in operands[:5])
        raise BuildLineError(
            f"the build names {len(operands)} contexts: {listed}", "put a value with blanks into quotes"
        )
    if operands[0] == "-":
        raise BuildLineError("a step has no standard input to build from", "name a folder")
    if not operands[0]:
        raise BuildLineError("the context is an empty text", "end the line with a folder, such as .")
    return operands[0]


def _dockerfile(path: str | None) -> str | None:
    if path == "-":
        raise BuildLineError("a step has no standard input to read a Dockerfile from", "name a file")
    return path


def _tag(tag: str) -> str:
    if any(references(tag)):
        return tag
    try:
        parsed = ImageRef.parse(tag)
    except InvalidReference as error:
        raise BuildLineError(error.message, hint_on_name(tag, error)) from None
    if parsed.digest is not None:
        raise BuildLineError(f"image name {shown(tag)} has a digest, which only the build can tell")
    return tag


def hint_on_name(name: str, error: InvalidReference) -> str | None:
    """The way out for a name that is none: what begins with a slash has lost its registry."""
    lost = "a template may have had no value for what stands before the '/': give it with --set NAME=VALUE"
    return error.hint or (lost if name.startswith("/") else None)


def _pair(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not name or any(c.isspace() for c in name):
        raise BuildLineError(f"{shown(text)} is not of the form NAME=VALUE")
    return name, value if equals else None


def _secret(text: str) -> BuildSecret:
    fields = dict(part.partition("=")[::2] for part in text.split(","))
    unknown = fields.keys() - {"id", "src", "source", "env", "type"}
    if unknown or not fields.get("id"):
        raise BuildLineError(
            f"--secret {shown(text)} is not understood",
            "write --secret id=NAME,src=FILE or id=NAME,env=VARIABLE",
        )
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", fields["id"]):
        raise BuildLineError(
            f"secret id {shown(fields['id'])} has other characters than letters, digits, '_.-'"
        )
    source = fields.get("src") or fields.get("source")
    variable = fields.get("env")
    if source and variable:
        raise BuildLineError(f"--secret {shown(text)} names both a file and a variable")
    if not source and not variable:  # docker's own default
        variable = fields["id"]
    return BuildSecret(fields["id"], source, variable)


def _platforms(given: list[_Given]) -> Iterator[Platform]:
    for value in _values(given, "platform"):
        for part in filter(None, value.split(",")):
            try:
                yield Platform.parse(part)
            except InvalidReference as error:
                raise BuildLineError(error.message, error.hint) from None


def _network(name: str | None) -> str | None:
    if name in (None, "default", "none", "host"):
        return name
    raise BuildLineError(
        f"--network={name}: RUN steps join no network of the task", "write default or none, or remove it"
    )


def _switch(value: str | None) -> bool:
    if value is None or value in _FALSE:
        return False
    if value in _TRUE:
        return True
    if value in ("always", "newer", "missing", "never"):  # podman's words for --pull
        return value in ("always", "newer")
    raise BuildLineError(f"{shown(value)} is neither true nor false")
