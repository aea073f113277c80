"""One step of a task file: its map of properties to a checked `Step`. Its order is not its business."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Any

from graph.dockerfile.budget import Budget
from graph.record import dataclass
from rebuild.taskfile.actions import Reading, check_cache, read_action, read_kind
from rebuild.taskfile.condition import Condition
from rebuild.taskfile.environment import Environment, read_environment
from rebuild.taskfile.expression import ExpressionError
from rebuild.taskfile.fields import SECONDS_MOST, Fields
from rebuild.taskfile.model import HOME, RETRY_DELAY_S, WORKSPACE, Kind, Mount, Step
from rebuild.taskfile.outputs import OUTPUT_FOLDER, OUTPUT_VARIABLE, malformed
from rebuild.taskfile.problem import Problems, nearest, shown

ROOT_ID = "acb_root"

_NAME_OF_A_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")
_CPUS = re.compile(r"\d{1,4}(\.\d{1,9})?|\.\d{1,9}")
_PORT = re.compile(
    r"(?:(?P<address>\[[0-9a-fA-F:]+\]|[0-9.]+):(?:\d{1,5}(?:-\d{1,5})?)?:|\d{1,5}(?:-\d{1,5})?:)?"
    r"\d{1,5}(?:-\d{1,5})?(?:/(?:tcp|udp|sctp))?"
)
_EXPOSED = re.compile(r"\d{1,5}(?:-\d{1,5})?(?:/(?:tcp|udp|sctp))?")
_MOUNT_PATH = re.compile(r"/[^:,\n]*|[A-Za-z]:[\\/][^:,\n]*")
_NETWORKS_OF_THE_ENGINE = ("none", "bridge", "default", "host")

KEYS = (
    "id", "cmd", "build", "push", "workingDirectory", "disableWorkingDirectoryOverride", "entryPoint", "env",
    "user", "privileged", "network", "isolation", "cpus", "expose", "ports", "volumeMounts", "detach", "keep",
    "pull", "startDelay", "timeout", "retries", "retryDelay", "retryOnErrors", "repeat", "cmdDownloadRetries",
    "cmdDownloadRetryDelay", "downloadRetries", "downloadRetryDelay", "ignoreErrors", "when", "cache",
    "exitedWith", "exitedWithout", "if", "finally", "platforms", "shell",
)  # fmt: skip
_NOTES = {"secret": "ACR documents it and ignores it too: mount a volume, or use {{.Secrets.ID}}"}
_ONLY_FOR_CMD = (
    "entryPoint", "user", "privileged", "network", "isolation", "cpus", "expose", "ports", "detach", "keep",
    "pull", "cmdDownloadRetries", "cmdDownloadRetryDelay", "downloadRetries", "downloadRetryDelay",
    "disableWorkingDirectoryOverride", "exitedWith", "exitedWithout",
)  # fmt: skip
_NOT_FOR_PUSH = (
    *_ONLY_FOR_CMD,
    "workingDirectory",
    "env",
    "retries",
    "retryDelay",
    "retryOnErrors",
    "repeat",
)


@dataclass(frozen=True, slots=True)
class Around:
    """What a step inherits from its task, and what it may refer to."""

    environment: Environment
    step_timeout_s: int
    working_directory: str | None
    volumes: frozenset[str]
    networks: frozenset[str]
    expand_image: Callable[[str], str]
    problems: Problems = field(compare=False)
    budget: Budget = field(compare=False)


def read_step(fields: Fields, step_id: str, around: Around) -> Step | None:
    """None where it cannot be read; its faults have been noted."""
    fields.check_keys(KEYS, notes=_NOTES)
    kind = read_kind(fields)
    _check_id(fields, step_id, kind)
    environment = read_environment(
        fields.written("env"), around.environment, home=HOME, problems=around.problems, budget=around.budget
    )
    if OUTPUT_VARIABLE in environment:
        fields.fault("env", f"{fields.what} sets {OUTPUT_VARIABLE}, which tells a step where its outputs go")
    _check_outputs(fields)
    mounts = tuple(_mounts(fields, around))
    reading = Reading(
        environment,
        HOME,
        around.expand_image,
        around.budget,
        working_directory=_working_directory(fields, around) or WORKSPACE,
        shared=(WORKSPACE, HOME, OUTPUT_FOLDER, *(mount.path for mount in mounts)),
    )
    action = read_action(fields, kind, reading) if kind else None
    around_action = {**_of_container(fields, around), **_of_trying(fields, around)}
    condition = _condition(fields)
    if kind is None or action is None:
        return None
    step = Step(
        id=step_id,
        line=fields.line,
        action=action,
        when=fields.texts("when"),
        environment=tuple(environment.items()),
        working_directory=_working_directory(fields, around),
        condition=condition,
        is_finally=fields.switch("finally"),
        mounts=mounts,
        **around_action,
    )
    _check_use(fields, step.kind)
    return step


def _of_container(fields: Fields, around: Around) -> dict[str, Any]:
    return {
        "entry_point": fields.optional_text("entryPoint"),
        "user": fields.optional_text("user"),
        "privileged": fields.switch("privileged"),
        "network": _network(fields, around),
        "isolation": fields.optional_text("isolation"),
        "cpus": _cpus(fields),
        "expose": _matching(fields, "expose", _EXPOSED, "write PORT or PORT/udp"),
        "ports": _matching(fields, "ports", _PORT, "write HOST:CONTAINER, such as 8080:80"),
        "detach": fields.switch("detach"),
        "keep": fields.switch("keep"),
        "pull": fields.switch("pull"),
    }


def _of_trying(fields: Fields, around: Around) -> dict[str, Any]:
    delay_s = max(0, fields.number("cmdDownloadRetryDelay", most=SECONDS_MOST))
    return {
        "download_retries": fields.number(
            "cmdDownloadRetries", fields.number("downloadRetries", least=0), least=0
        ),
        "download_retry_delay_s": delay_s or max(0, fields.number("downloadRetryDelay", most=SECONDS_MOST)),
        "start_delay_s": max(0, fields.number("startDelay", most=SECONDS_MOST)),
        "timeout_s": fields.seconds("timeout", around.step_timeout_s),
        "retries": fields.number("retries", least=0),
        "retry_delay_s": fields.seconds("retryDelay", RETRY_DELAY_S),
        "retry_on_errors": tuple(text for text in fields.texts("retryOnErrors") if text),
        "repeat": fields.number("repeat", least=0),
        "ignore_errors": fields.switch("ignoreErrors"),
        "exited_with": _exit_codes(fields, "exitedWith"),
        "exited_without": _exit_codes(fields, "exitedWithout"),
    }


def _check_id(fields: Fields, step_id: str, kind: Kind | None) -> None:
    if any(c.isspace() for c in step_id):
        fields.fault("id", f"step id {shown(step_id)} contains white space")
    elif step_id == ROOT_ID:
        fields.fault("id", f"step id {ROOT_ID} is reserved")
    elif kind is not Kind.PUSH and not _NAME_OF_A_CONTAINER.fullmatch(step_id):
        rule = (
            "it names a container: letters, digits, '_', '.', '-', the first a letter or digit, at most 128"
        )
        fields.fault("id", f"step id {shown(step_id)} is not valid: {rule}")


def _check_use(fields: Fields, kind: Kind) -> None:
    """Warn of properties that do nothing here, refuse those that would be missed."""
    match kind:
        case Kind.CMD:
            useless: tuple[str, ...] = ()
        case Kind.BUILD:
            useless = _ONLY_FOR_CMD
        case Kind.PUSH:
            useless = _NOT_FOR_PUSH
    for key in useless:
        if fields.has(key):
            fields.warn(key, f"{key} has no effect on {fields.what}, a {kind} step")
    if kind is not Kind.BUILD:
        check_cache(fields)
        if fields.has("platforms"):
            fields.fault("platforms", f"{fields.what} builds nothing: platforms belong to a build step")
    if kind is not Kind.CMD and fields.switch("shell"):
        fields.fault("shell", f"shell: true belongs to a cmd step; {fields.what} is a {kind} step")
    if fields.has("exitedWith") and fields.has("exitedWithout"):
        fields.fault("exitedWithout", f"{fields.what} has both exitedWith and exitedWithout", hint="keep one")


def _check_outputs(fields: Fields) -> None:
    for key in ("cmd", "build", "push", "env"):
        texts = fields.texts(key) if key in ("push", "env") else (fields.text(key),)
        for wrong in filter(None, map(malformed, texts)):
            fields.fault(
                key, f"{shown(wrong)} is no reference to an output", hint="write %{steps.ID.outputs.NAME}"
            )


def _condition(fields: Fields) -> Condition | None:
    text = fields.text("if")
    if fields.tag("if") not in ("", "str", "bool", "null"):
        fields.fault("if", f"the if of {fields.what} begins with '!', which YAML takes", hint="write: not …")
        return None
    if not text.strip():
        return None
    try:
        return Condition.parse(text)
    except ExpressionError as error:
        fields.fault(
            "if", f"if of {fields.what}: {error}", hint="such as: failure() and steps.ID.exitCode == 3"
        )
        return None


def _working_directory(fields: Fields, around: Around) -> str | None:
    if fields.switch("disableWorkingDirectoryOverride"):
        return None
    written = fields.text("workingDirectory") or around.working_directory or WORKSPACE
    if re.match(r"[A-Za-z]:[\\/]", written):
        return written
    return posixpath.normpath(posixpath.join(WORKSPACE, written))


def _network(fields: Fields, around: Around) -> str | None:
    name = fields.optional_text("network")
    known = {*around.networks, *_NETWORKS_OF_THE_ENGINE}
    if name is not None and name not in known:
        fields.fault(
            "network",
            f"network {shown(name)} of {fields.what} is not one of the task",
            hint="add it to networks; with skipCreation: true where it is there already",
        )
    return name


def _cpus(fields: Fields) -> str | None:
    text = fields.optional_text("cpus")
    if text is not None and not _CPUS.fullmatch(text):
        fields.fault("cpus", f"cpus of {fields.what} is {shown(text)}, not a number", hint="such as 1.5")
    return text


def _matching(fields: Fields, key: str, pattern: re.Pattern[str], hint: str) -> tuple[str, ...]:
    values = tuple(text.strip() for text in fields.texts(key))
    for value in values:
        if not pattern.fullmatch(value):
            fields.fault(key, f"{shown(value)} in {key} of {fields.what} is no port", hint=hint)
    return values


def _exit_codes(fields: Fields, key: str) -> tuple[int, ...]:
    codes = fields.numbers(key)
    for code in codes:
        if not 0 <= code <= 255:
            fields.fault(key, f"{key} of {fields.what} has {code}: exit codes are 0 to 255")
    return codes


def _mounts(fields: Fields, around: Around) -> Iterator[Mount]:
    seen: set[str] = set()
    if fields.has("volumeMounts") and fields.texts("push"):
        fields.fault("volumeMounts", f"{fields.what} is a push step, which mounts nothing")
        return
    for mount in fields.maps("volumeMounts", f"a mount of {fields.what}"):
        mount.check_keys(("name", "mountPath"))
        name, path = mount.text("name"), mount.text("mountPath")
        if not name or not path:
            mount.fault("name", f"{mount.what} has no {'name' if not name else 'mountPath'}")
        elif name not in around.volumes:
            meant = nearest(name, around.volumes)
            hint = f"did you mean {meant!r}?" if meant else "declare it under volumes"
            mount.fault(
                "name", f"{mount.what} names {shown(name)}, which is no volume of the task", hint=hint
            )
        elif not _MOUNT_PATH.fullmatch(path):
            mount.fault("mountPath", f"mountPath {shown(path)} is not an absolute path without ':' and ','")
        elif posixpath.normpath(path) in seen:
            mount.fault("mountPath", f"{fields.what} mounts two volumes at {shown(path)}")
        else:
            seen.add(posixpath.normpath(path))
            yield Mount(name, path)
