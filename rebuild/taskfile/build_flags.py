"""The flags of `docker build`: their spellings, and what tracker does with each. Reads no command line."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from graph.record import dataclass


class Use(StrEnum):
    """What becomes of a flag."""

    BUILD = "build"  # tracker's own build has it
    ENGINE = "engine"  # handed to the engine as it is
    WITHOUT_EFFECT = "without effect"  # about the client's printing and cleaning, which is tracker's here
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Flag:
    name: str
    use: Use
    short: str = ""
    takes_value: bool = True
    why: str = ""  # of a refusal: the rule, then the way out


_ENGINE_VALUES = (
    "add-host", "annotation", "cpu-period", "cpu-quota", "cpu-shares", "cpuset-cpus", "cpuset-mems",
    "memory", "memory-swap", "shm-size", "ulimit",
)  # fmt: skip
_SILENT_SWITCHES = (
    "compress", "debug", "disable-content-trust", "force-rm", "load", "quiet", "rm", "squash", "stream",
)  # fmt: skip
_SILENT_VALUES = ("attest", "cache-from", "isolation", "no-cache-filter", "progress", "provenance", "sbom")
_SHORT = {
    "file": "f",
    "tag": "t",
    "cpu-shares": "c",
    "memory": "m",
    "quiet": "q",
    "output": "o",
    "debug": "D",
}
_REFUSED = {
    "allow": "no build may leave its sandbox; remove it",
    "build-context": "bases are recorded by name, and this renames them; write the image into the Dockerfile",
    "builder": "tracker chooses the builder; remove it",
    "cache-to": "layers are kept beside the image that a step builds; write 'cache: enabled' on the step",
    "call": "a build step builds; `tracker scan` tells what a Dockerfile holds",
    "cgroup-parent": "limits of the machine are the operator's; use --memory or --cpu-quota",
    "check": "a build step builds; `tracker scan` tells what a Dockerfile holds",
    "iidfile": "it would write on the machine that builds; the run's record has the image's digest",
    "metadata-file": "it would write on the machine that builds; the run's record has the image's digest",
    "output": "it would write on the machine that builds; build an image, and copy from it in a cmd step",
    "policy": "bases are pinned to the digests that were resolved; remove it",
    "push": "a build step does not push; add a push step after it",
    "security-opt": "no build may leave its sandbox; remove it",
    "ssh": "no build sees the keys of this machine; use --secret",
}
_REFUSED_SWITCHES = ("check", "push")


def _all() -> Iterator[Flag]:
    for name in ("build-arg", "file", "label", "network", "platform", "secret", "tag", "target"):
        yield Flag(name, Use.BUILD, _SHORT.get(name, ""))
    for name in ("no-cache", "pull"):
        yield Flag(name, Use.BUILD, takes_value=False)
    for name in _ENGINE_VALUES:
        yield Flag(name, Use.ENGINE, _SHORT.get(name, ""))
    for name in _SILENT_VALUES:
        yield Flag(name, Use.WITHOUT_EFFECT)
    for name in _SILENT_SWITCHES:
        yield Flag(name, Use.WITHOUT_EFFECT, _SHORT.get(name, ""), takes_value=False)
    for name, why in _REFUSED.items():
        yield Flag(name, Use.REFUSED, _SHORT.get(name, ""), name not in _REFUSED_SWITCHES, why)


FLAGS = {flag.name: flag for flag in _all()}
SHORT_FLAGS = {flag.short: flag for flag in FLAGS.values() if flag.short}
