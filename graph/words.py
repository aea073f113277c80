"""The closed sets of words that the records of the graph use. Nothing else, for who needs only these."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a build took from a base."""

    RUNTIME = "runtime"  # the final stage stands on it
    BUILDTIME = "buildtime"  # everything else


class Via(StrEnum):
    """What named the base: an instruction of a Dockerfile, or a step of a task."""

    FROM = "from"
    COPY = "copy"
    MOUNT = "mount"
    SYNTAX = "syntax"
    CMD = "cmd"  # no instruction: a step of a task runs it


class Origin(StrEnum):
    """How an image came into the graph."""

    BUILT = "built"  # tracker built it and recorded what from
    ADOPTED = "adopted"  # built elsewhere; what it stands on was found out afterwards
    EXTERNAL = "external"  # known only as somebody's base
    SAID = "said"  # known only because another image says that it stands on it
