"""What stands in a `cmd` line from its first operator on, and what of it the helper container does.

The operators are the shell's, the part after them is left to one. Runs nothing.

    IMAGE a | b         reader: b
    IMAGE a > f         reader: cat > f
    IMAGE a && b        after: && b
    IMAGE a >> f; b     reader: cat >> f, after: ; b
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from enum import Enum, StrEnum, auto

from graph.record import dataclass
from rebuild.command_line import Unclosed, Words, first_word
from rebuild.taskfile.problem import shown

NOWHERE = "/dev/null"
_BLANKS = " \t\r"
_REDIRECTION = re.compile(r"(?P<stream>[0-9]?)(?P<operator>>>|>\||>|<)(?:&(?P<same>[0-9-]))?")
_AFTER = ("&&", "||", ";")
_ENGINE_CLIENT = re.compile(
    r"(?:^|[|&;({`\n])[ \t]*(?:(?:sudo|exec|command|time|then|do|else|!)\s+)*"
    r"(docker-compose|docker|podman|buildah|skopeo|nerdctl)(?=[\s;&|)]|$)(?:\s+([a-z-]+))?"
)
_QUOTED = re.compile(r"\\.|'[^']*(?:'|\Z)|\"(?:[^\"\\]|\\.)*+(?:\"|\\?\Z)", re.DOTALL)


class Route(StrEnum):
    """Where a stream of the step's own container leads."""

    LOG = "log"
    HELPER = "helper"
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Tail:
    """What the helper container does. It is one for `reader`, and another one for `after`."""

    stdout: Route = Route.LOG
    stderr: Route = Route.LOG
    reader: str | None = None  # a script; its standard input is what leads to the helper
    after: str | None = None  # an operator, and the script behind it

    @property
    def scripts(self) -> tuple[str, ...]:
        return tuple(script for script in (self.reader, self.after) if script is not None)


class TailError(ValueError):
    """An operator that has no clear meaning here; `hint` is the way out."""

    def __init__(self, rule: str, hint: str | None = None) -> None:
        super().__init__(rule)
        self.rule = rule
        self.hint = hint


class _To(Enum):
    """A stream while the line is read: its own place is the pipe, if one follows."""

    OUT = auto()
    LOG = auto()
    FILE = auto()
    NOWHERE = auto()


@dataclass(frozen=True, slots=True)
class _Routes:
    out: _To = _To.OUT
    err: _To = _To.LOG
    file: str | None = None  # operator and file as written


@dataclass(frozen=True, slots=True)
class TailReader:
    """Reads tails of one step. `shared` are the folders whose files outlive a container."""

    working_directory: str
    shared: Sequence[str]
    variables: Mapping[str, str] = field(repr=False)

    def read(self, text: str) -> Tail:
        """`text` begins at the first operator of the line; raise `TailError` with the first fault."""
        routes, rest = _Routes(), text.strip()
        while match := _REDIRECTION.match(rest):
            routes, rest = self._redirected(routes, match, rest[match.end() :])
        tail = _joined(routes, rest)
        for script in tail.scripts:
            _refuse_engine(script)
        return tail

    def _redirected(self, routes: _Routes, match: re.Match[str], rest: str) -> tuple[_Routes, str]:
        stream, operator, same = match["stream"], match["operator"], match["same"]
        if operator == "<":
            raise TailError(
                "a container has no standard input to read a file into",
                "let its own shell read it: IMAGE sh -c 'program < file'",
            )
        if stream not in ("", "1", "2"):
            raise TailError(f"{match[0]} names a stream that no container has", "it has 1 and 2")
        if same is not None:
            return _made_same(routes, stream or "1", same), rest.lstrip(_BLANKS)
        target, end = self._target(rest, operator)
        to = _To.NOWHERE if target == NOWHERE else _To.FILE
        if to is _To.FILE:
            if routes.file is not None:
                raise TailError("its output goes to more than one file", "write > FILE 2>&1, or use tee")
            routes = replace(routes, file=f"{operator} {rest[:end].strip()}")
        moved = replace(routes, err=to) if stream == "2" else replace(routes, out=to)
        return moved, rest[end:].lstrip(_BLANKS)

    def _target(self, rest: str, operator: str) -> tuple[str, int]:
        match first_word(rest, self.variables):
            case (Words((target,)), end):
                self._refuse_lost(target)
                return target, end
            case Unclosed(quote):
                raise TailError(f"it has a {quote} that nothing closes")
            case _:
                raise TailError(f"no file name follows {operator}", f"write {operator} FILE")

    def _refuse_lost(self, target: str) -> None:
        path = posixpath.normpath(posixpath.join(self.working_directory, target))
        if path == NOWHERE or any(path.startswith(f"{folder.rstrip('/')}/") for folder in self.shared):
            return
        raise TailError(
            f"the file {shown(target)} would be gone with the helper container",
            f"write into {self.shared[0]}, which all steps share",
        )


def _made_same(routes: _Routes, stream: str, same: str) -> _Routes:
    """`2>&1`: from now on the same place, whatever becomes of the other."""
    if same not in ("1", "2"):
        raise TailError(f"{stream}>&{same} names a stream that no container has", "it has 1 and 2")
    to = routes.out if same == "1" else routes.err
    return replace(routes, out=to) if stream == "1" else replace(routes, err=to)


def _joined(routes: _Routes, rest: str) -> Tail:
    is_pipe = rest.startswith("|") and not rest.startswith("||")
    if is_pipe and rest.startswith("|&"):
        raise TailError("|& is no operator of sh", "write 2>&1 |")
    if is_pipe:
        return _piped(routes, _script(rest, "|"))
    reader = f"cat {routes.file}" if routes.file else None
    tail = Tail(_route(routes.out, to_helper=_To.FILE), _route(routes.err, to_helper=_To.FILE), reader)
    if not rest or rest == ";":
        return tail
    for operator in _AFTER:
        if rest.startswith(operator):
            return replace(tail, after=f"{operator} {_script(rest, operator)}")
    if rest.startswith("&"):
        raise TailError("nothing runs in the background of a step", "write detach: true, or > FILE 2>&1")
    if rest.startswith("\n"):
        raise TailError("a line end divides two commands", "write && or ;, or join the lines with >- in YAML")
    raise TailError(f"{shown(rest.split()[0])} follows a redirection", "end the command with the redirection")


def _piped(routes: _Routes, script: str) -> Tail:
    if routes.file is not None:
        raise TailError("its output goes to a file and to a pipe", "use tee: IMAGE … | tee FILE | …")
    if _To.OUT not in (routes.out, routes.err):
        raise TailError("nothing is left for the pipe to carry", "remove the redirection, or the pipe")
    return Tail(_route(routes.out, to_helper=_To.OUT), _route(routes.err, to_helper=_To.OUT), script)


def _route(to: _To, *, to_helper: _To) -> Route:
    if to is to_helper:
        return Route.HELPER
    return Route.NOWHERE if to is _To.NOWHERE else Route.LOG


def _script(rest: str, operator: str) -> str:
    script = rest.removeprefix(operator).strip()
    if not script or script.startswith((";", "|", "&")):
        raise TailError(f"no command follows {operator}")
    return script


def _refuse_engine(script: str) -> None:
    """The quoted is text for some program: it is not looked into."""
    bare = "\n".join(line.strip() for line in _QUOTED.sub("''", script).splitlines())
    match = _ENGINE_CLIENT.search(bare)
    if match is None:
        return
    raise TailError(f"{match[1]} has no engine to talk to here", _INSTEAD.get(match[2] or "", _STEPS))


_STEPS = "write build: and push: steps"
_INSTEAD = {
    "login": "steps need no login: give the task credentials for the registry",
    "build": "write a build: step",
    "buildx": "write a build: step, with platforms where it is for several",
    "push": "write a push: step after the build",
    "tag": "give the build step both names, with -t",
    "run": "write a cmd: step of its own",
}
