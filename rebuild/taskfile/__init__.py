"""A rendered task file in, a checked value out: steps, their order, environments, networks, volumes, secrets.

    text → yaml_nodes → fields → sections, steps → order → TaskFile
    a step: actions (build_line, tail), environment, condition (expression), outputs

Templates and aliases are replaced before, engines called after.
"""

from rebuild.taskfile.build_line import BuildLine, BuildLineError, BuildSecret, parse_build_line
from rebuild.taskfile.circumstances import Circumstances, StepOutcome, StepStatus
from rebuild.taskfile.condition import Condition
from rebuild.taskfile.model import (
    HOME,
    WORKSPACE,
    Build,
    Cache,
    Cmd,
    Kind,
    Mount,
    Network,
    Pull,
    Push,
    SecretSource,
    Step,
    TaskFile,
    Version,
    Volume,
    VolumeFile,
)
from rebuild.taskfile.outputs import OUTPUT_VARIABLE, Outputs, UnreadableOutput, read_outputs
from rebuild.taskfile.problem import Problem, TaskFileError
from rebuild.taskfile.read import read_taskfile
from rebuild.taskfile.tail import Route, Tail

__all__ = [
    "HOME",
    "OUTPUT_VARIABLE",
    "WORKSPACE",
    "Build",
    "BuildLine",
    "BuildLineError",
    "BuildSecret",
    "Cache",
    "Circumstances",
    "Cmd",
    "Condition",
    "Kind",
    "Mount",
    "Network",
    "Outputs",
    "Problem",
    "Pull",
    "Push",
    "Route",
    "SecretSource",
    "Step",
    "StepOutcome",
    "StepStatus",
    "Tail",
    "TaskFile",
    "TaskFileError",
    "UnreadableOutput",
    "Version",
    "Volume",
    "VolumeFile",
    "parse_build_line",
    "read_outputs",
    "read_taskfile",
]
