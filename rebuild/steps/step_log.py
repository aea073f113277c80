"""The output of steps that run at the same time as one log: whole lines, secrets hidden. Runs no step."""

from __future__ import annotations

from rebuild.runs.equipment import Discretion
from rebuild.secrets.mask import Masker
from rebuild.steps.narration import RUN, Told

LINE_BYTES_MOST = 8192  # of a line without an end, until it is handed on as it is


class StepLog:
    """Puts the step's id before each line that a step prints. `feed` is a `rebuild.steps.narration.StepSink`.

    Secrets are hidden before lines are cut and mixed: afterwards a half of one might stand in each of two
    lines. A step whose output may begin one waits for itself alone.
    """

    def __init__(self, discretion: Discretion) -> None:
        self._discretion = discretion
        self._maskers: dict[str, Masker] = {}
        self._begun: dict[str, bytes] = {}  # lines without an end, nothing in them to hide

    def feed(self, step: str, piece: bytes) -> None:
        """Hand on whole lines; the rest waits for its end, or for an empty piece, the end of the output."""
        if isinstance(piece, Told):
            self._discretion.tell(self._discretion.masker().whole(piece))
        elif piece:
            masker = self._maskers.setdefault(step, self._discretion.masker())
            self._lines(step, masker.feed(piece))
        elif step in self._maskers:
            self._lines(step, self._maskers.pop(step).flush())
            self._say(step, self._begun.pop(step, b""))

    def finish(self) -> None:
        """Nothing comes any more."""
        for step in list(self._maskers):
            self.feed(step, b"")

    def _lines(self, step: str, shown: bytes) -> None:
        *lines, rest = (self._begun.pop(step, b"") + shown).split(b"\n")
        for line in lines:
            self._say(step, line + b"\n")
        if len(rest) > LINE_BYTES_MOST:
            self._say(step, rest)
        elif rest:
            self._begun[step] = rest

    def _say(self, step: str, line: bytes) -> None:
        if line:
            end = b"" if line.endswith(b"\n") else b"\n"
            self._discretion.tell((f"{step}| ".encode() if step != RUN else b"") + line + end)
