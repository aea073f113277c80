"""What one step does: its `cmd`, `build` or `push` read into words. Knows nothing of the other properties."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field

from graph.dockerfile.budget import Budget
from graph.errors import InvalidReference
from graph.record import dataclass
from graph.reference import ImageRef, Platform
from rebuild.command_line import Construct, NeedsShell, TooLong, Unclosed, Words, first_operator, tokenise
from rebuild.taskfile.build_line import BuildLineError, hint_on_name, parse_build_line
from rebuild.taskfile.client_line import (
    AsksForAnEngine,
    AsksToBuild,
    AsksToPull,
    AsksToPush,
    asked_of_client,
    is_client,
)
from rebuild.taskfile.fields import Fields
from rebuild.taskfile.model import Action, Build, Cache, Cmd, Kind, Pull, Push
from rebuild.taskfile.outputs import OUTPUT_FILE, OUTPUT_VARIABLE, references
from rebuild.taskfile.problem import shown
from rebuild.taskfile.tail import Tail, TailError, TailReader

_FIRST_WORD = re.compile(r"\s*(\S+)(.*)", re.DOTALL)
_INSIDE = "keep it inside the container: IMAGE sh -c '…', or `shell: true` on the step"


@dataclass(frozen=True, slots=True)
class Reading:
    """What the words of an action are read with."""

    environment: Mapping[str, str]
    home: str
    expand_image: Callable[[str], str]
    budget: Budget = field(compare=False)
    working_directory: str  # where the helper container of a `cmd` step starts
    shared: tuple[str, ...]  # the folders whose files outlive a container

    def variables(self) -> dict[str, str]:
        return {"HOME": self.home, OUTPUT_VARIABLE: OUTPUT_FILE, **self.environment}


def read_kind(fields: Fields) -> Kind | None:
    """Which of the three a step is; an empty value counts as absent."""
    given = [kind for kind in Kind if not fields.is_blank(kind)]
    if len(given) == 1:
        return given[0]
    if not given:
        fields.fault("id", f"{fields.what} has neither cmd, build nor push", hint="give it exactly one")
    else:
        fields.fault(given[1], f"{fields.what} has {' and '.join(given)}", hint="make two steps of it")
    return None


def read_action(fields: Fields, kind: Kind, reading: Reading) -> Action | None:
    """None where it cannot be read; the faults have been noted."""
    match kind:
        case Kind.PUSH:
            return _push(fields)
        case Kind.CMD | Kind.BUILD:
            line = fields.text(kind)
    if not line:  # a list or a map, which is noted: what is blank is no kind of step
        return None
    return _cmd(fields, line, reading) if kind is Kind.CMD else _build(fields, line, reading)


def _cmd(fields: Fields, line: str, reading: Reading) -> Action | None:
    line = _with_image_expanded(line, reading)
    if fields.switch("shell"):
        return _script(fields, line)
    at = first_operator(line, reading.variables())
    if at is not None and not line[:at].strip():
        fields.fault("cmd", f"cmd of {fields.what} begins with an operator", hint="write IMAGE arguments | …")
        return None
    words = _words(fields, "cmd", line[:at], reading)
    if words == ():
        fields.fault("cmd", f"cmd of {fields.what} names no image", hint="write cmd: IMAGE ARGUMENTS")
    if not words or not _is_image(fields, "cmd", words[0]):
        return None
    tail = None
    if at is not None:
        tail = _tail(fields, line[at:], reading)
        if tail is None:
            return None
    command = Cmd(words[0], words[1:], tail=tail)
    is_client_called = _whole(words[0]) and is_client(ImageRef.parse(words[0]))
    return _of_client(fields, command) if is_client_called else command


def _of_client(fields: Fields, command: Cmd) -> Action | None:
    """What a line for docker's client asks for; what is none of ours goes its way, to no good end."""
    asked = asked_of_client(command.arguments)
    if isinstance(asked, AsksForAnEngine) or fields.has("entryPoint"):
        hint = asked.hint if isinstance(asked, AsksForAnEngine) else "remove entryPoint"
        why = f"{fields.what} runs {shown(command.image)}: a step never gets the engine's socket"
        fields.warn("cmd", why, hint=hint)
        return command
    if command.tail is not None:
        rule = f"cmd of {fields.what} asks docker for a step, and for more"
        fields.fault("cmd", rule, hint="make steps of its parts")
        return None
    match asked:
        case AsksToBuild(words):
            _tell_taken(fields, "build")
            return _build_of(fields, "cmd", words)
        case AsksToPush(image):
            _tell_taken(fields, "push")
            return _push_of(fields, "cmd", [image])
        case AsksToPull(image):
            return Pull(image) if _is_image(fields, "cmd", image) else None


def _tell_taken(fields: Fields, kind: str) -> None:
    rule = f"{fields.what} calls docker {kind}: carried out as a {kind} step"
    fields.warn("cmd", rule, hint=f"write {kind}: instead")


def _tail(fields: Fields, text: str, reading: Reading) -> Tail | None:
    """What a helper container does; None where it cannot be had, and the fault has been noted."""
    reader = TailReader(reading.working_directory, reading.shared, reading.variables())
    try:
        tail = reader.read(text)
    except TailError as error:
        fields.fault("cmd", f"cmd of {fields.what}: {error.rule}", hint=error.hint)
        return None
    if fields.switch("detach"):
        fields.fault("detach", f"{fields.what} is detached: nothing can follow its command", hint=_INSIDE)
    _refuse_outputs(fields, tail.scripts)
    reading.budget.spend(len(text))
    return tail


def _with_image_expanded(line: str, reading: Reading) -> str:
    match = _FIRST_WORD.fullmatch(line)
    return f"{reading.expand_image(match[1])}{match[2]}" if match else line


def _script(fields: Fields, line: str) -> Action | None:
    match = _FIRST_WORD.fullmatch(line)
    image, script = (match[1], match[2].strip()) if match else ("", "")
    if not _is_image(fields, "cmd", image):
        return None
    if not script:
        fields.fault(
            "cmd", f"{fields.what} has shell: true and no commands", hint="write cmd: IMAGE commands"
        )
        return None
    _refuse_outputs(fields, (script,))
    return Cmd(image, script=script)


def _refuse_outputs(fields: Fields, scripts: Iterable[str]) -> None:
    if any(reference for script in scripts for reference in references(script)):
        fields.fault(
            "cmd",
            f"{fields.what} puts an output into the text of a shell script, which would run it",
            hint='hand it over in env, NAME=%{steps.ID.outputs.NAME}, and use "$NAME" in the script',
        )


def _build(fields: Fields, line: str, reading: Reading) -> Action | None:
    words = _words(fields, "build", line, reading)
    return None if words is None else _build_of(fields, "build", words)


def _build_of(fields: Fields, key: str, words: tuple[str, ...]) -> Action | None:
    try:
        line = parse_build_line(words)
    except BuildLineError as error:
        fields.fault(key, f"build of {fields.what}: {error.rule}", hint=error.hint)
        return None
    for flag in line.without_effect:
        fields.warn(key, f"{flag} of {fields.what} has no effect: it is ignored")
    listed = tuple(_platforms(fields))
    if listed and line.platforms:
        fields.fault("platforms", f"{fields.what} has both platforms and --platform", hint="keep platforms")
    return Build(words, line, listed or line.platforms, _cache(fields))


def _push(fields: Fields) -> Action | None:
    return _push_of(fields, "push", [text.strip() for text in fields.texts("push")])


def _push_of(fields: Fields, key: str, images: list[str]) -> Action | None:
    checked = [image for image in images if _is_image(fields, key, image)]
    unique: dict[str, str] = {}
    for image in checked:
        if not any(references(image)):
            parsed = ImageRef.parse(image)
            if parsed.digest is not None:
                fields.fault(key, f"{shown(image)} has a digest: what is pushed has a tag")
            unique.setdefault(str(parsed), image)
        else:
            unique.setdefault(image, image)
    return Push(tuple(unique.values())) if len(checked) == len(images) else None


def _platforms(fields: Fields) -> list[Platform]:
    found: dict[Platform, None] = {}
    for text in fields.texts("platforms"):
        try:
            found[Platform.parse(text)] = None
        except InvalidReference as error:
            fields.fault("platforms", error.message, hint=error.hint)
    return list(found)


def _cache(fields: Fields) -> Cache | None:
    text = fields.text("cache").lower()
    if not text:
        return None
    try:
        return Cache(text)
    except ValueError:
        fields.fault("cache", f"cache of {fields.what} is {shown(text)}", hint="write enabled or disabled")
        return None


def check_cache(fields: Fields) -> None:
    """The value counts on any step; its effect is on builds alone."""
    if fields.has("cache") and _cache(fields) is not None:
        fields.warn("cache", f"cache has no effect on {fields.what}, which builds nothing")


def _words(fields: Fields, key: str, line: str, reading: Reading) -> tuple[str, ...] | None:
    match tokenise(line, reading.variables()):
        case Words(words, unset):
            reading.budget.spend(sum(map(len, words)))
            for name in unset:
                fields.warn(
                    key,
                    f"${name} is empty in {key} of {fields.what}: its environment does not set it",
                    hint=f"add {name}=… to env, or put it into single quotes for a shell in the container",
                )
            return words
        case NeedsShell(construct):
            fields.fault(
                key, f"{key} of {fields.what} needs a shell: {construct}", hint=_way_out(key, line, construct)
            )
        case Unclosed(quote):
            fields.fault(key, f"{key} of {fields.what} has a {quote} that nothing closes")
        case TooLong():
            fields.fault(key, f"{key} of {fields.what} is longer than a program can take")
    return None


def _way_out(key: str, line: str, construct: Construct) -> str:
    if "docker login" in line:
        return "steps need no login: give the task credentials for the registry"
    if construct is Construct.BACKGROUND and key == "cmd":
        return "write detach: true on the step: it runs beside the steps that follow"
    if construct is Construct.LINE_END:
        return "join the lines with >- in YAML, or with \\ at the end of each"
    if key == "build":
        return "put it into single quotes, or compute it in a step before and use %{steps.ID.outputs.NAME}"
    return _INSIDE


def _whole(image: str) -> bool:
    return not any(references(image))


def _is_image(fields: Fields, key: str, image: str) -> bool:
    """Whether it can be an image name; one that an output completes is checked when the step starts."""
    if not _whole(image):
        return True
    try:
        ImageRef.parse(image)
    except InvalidReference as error:
        fields.fault(key, f"{key} of {fields.what}: {error.message}", hint=hint_on_name(image, error))
        return False
    return True
