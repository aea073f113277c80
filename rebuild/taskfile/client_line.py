"""A `cmd` that runs docker's client: what it asks for.

No step has an engine to talk to, so `docker build`, `docker push` and `docker pull` are read as what they
ask for. Carries out nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from graph.record import dataclass
from graph.reference import ImageRef

_CLIENTS = ("docker", "buildx-bin")
_GROUPS = ("image", "builder", "buildx")  # `docker image build` is `docker build`
_SILENT = ("-q", "--quiet", "--disable-content-trust", "--disable-content-trust=true")

_STEPS = "write build: and push: steps; they log in with the credentials of the task"
_INSTEAD = {
    "login": "steps need no login: give the task credentials for the registry",
    "logout": "steps need no login: give the task credentials for the registry",
    "tag": "give the build step both names, with -t",
    "run": "write cmd: IMAGE arguments; each step is a container",
    "manifest": "give the build step its platforms: it makes the index",
    "compose": "write a cmd: step with detach: true for each service",
}


@dataclass(frozen=True, slots=True)
class AsksToBuild:
    """`words` are those after `docker build`."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AsksToPush:
    image: str


@dataclass(frozen=True, slots=True)
class AsksToPull:
    image: str


@dataclass(frozen=True, slots=True)
class AsksForAnEngine:
    """Anything else; `hint` is what to do instead."""

    hint: str


Asked = AsksToBuild | AsksToPush | AsksToPull | AsksForAnEngine


def is_client(image: ImageRef) -> bool:
    """Whether the image is docker's client, from whichever registry."""
    return image.repository.rpartition("/")[2] in _CLIENTS


def asked_of_client(words: Sequence[str]) -> Asked:
    """What the words after the image ask for. The client is its entry point, and may be named, too."""
    rest = list(words)
    for optional in (("docker",), _GROUPS):
        if rest and rest[0] in optional:
            del rest[0]
    match rest:
        case ["build", *flags]:
            return AsksToBuild(tuple(flags))
        case ["push" | "pull" as command, *operands]:
            names = [word for word in operands if word not in _SILENT]
            if len(names) == 1 and not names[0].startswith("-"):
                return AsksToPush(names[0]) if command == "push" else AsksToPull(names[0])
        case _:
            pass
    return AsksForAnEngine(_INSTEAD.get(rest[0] if rest else "", _STEPS))
