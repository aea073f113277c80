"""What steps hand to later steps: `NAME=VALUE` lines in, `%{steps.ID.outputs.NAME}` replaced by them.

The form is foreign to templates (`{{`), aliases and shells (`$`), and to YAML inside a word. A value is put
in after the command line is split, so it is never split, quoted or run. Reads no file itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from graph.record import dataclass

OUTPUT_VARIABLE = "TRACKER_OUTPUT"
OUTPUT_FOLDER = "/acb/output"  # in the container
OUTPUT_FILE = f"{OUTPUT_FOLDER}/outputs"
OUTPUT_BYTES_MOST = 1 << 20
OUTPUTS_MOST = 1000

_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_REFERENCE = re.compile(rf"%\{{\s*steps\.([^\s{{}}]+)\.outputs\.({_NAME})\s*\}}")
_ALMOST = re.compile(r"%\{\s*steps\b[^}]*\}?")
_LINE = re.compile(rf"({_NAME})=(.*)", re.DOTALL)

Outputs = Mapping[str, Mapping[str, str]]  # step id → name → value


@dataclass(frozen=True, slots=True)
class OutputReference:
    step: str
    name: str


class UnreadableOutput(ValueError):
    """A step has written something else than `NAME=VALUE` lines; the text says what."""


def references(text: str) -> Iterator[OutputReference]:
    """Every output that a text names."""
    return (OutputReference(match[1], match[2]) for match in _REFERENCE.finditer(text))


def malformed(text: str) -> str | None:
    """The first place that begins like a reference and is none."""
    return next((match[0] for match in _ALMOST.finditer(text) if not _REFERENCE.match(match[0])), None)


def fill(text: str, outputs: Outputs) -> str:
    """The text with each reference replaced; an output that was never written is empty."""
    return _REFERENCE.sub(lambda match: outputs.get(match[1], {}).get(match[2], ""), text)


def filler(outputs: Outputs | None) -> Callable[[str], str]:
    """`fill` for these outputs; before a run there are none, and references stand for themselves."""
    return (lambda text: text) if outputs is None else (lambda text: fill(text, outputs))


def read_outputs(content: bytes) -> dict[str, str]:
    """What a step wrote into the file that `$TRACKER_OUTPUT` names; the last of several equal names counts.

    Blank lines do not matter. Raise `UnreadableOutput`.
    """
    if len(content) > OUTPUT_BYTES_MOST:
        raise UnreadableOutput(f"the outputs are larger than {OUTPUT_BYTES_MOST:,} bytes")
    if b"\0" in content:
        raise UnreadableOutput("the outputs hold a zero byte")
    outputs: dict[str, str] = {}
    for number, line in enumerate(content.decode(errors="replace").split("\n"), 1):
        line = line.removesuffix("\r")
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise UnreadableOutput(f"line {number} of the outputs is not of the form NAME=VALUE")
        outputs[match[1]] = match[2]
        if len(outputs) > OUTPUTS_MOST:
            raise UnreadableOutput(f"the step has more than {OUTPUTS_MOST} outputs")
    return outputs
