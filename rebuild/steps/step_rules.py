"""What the operator has settled for the steps of every task file. Knows no task file and no engine."""

from __future__ import annotations

from graph.errors import InvalidReference
from graph.record import dataclass
from graph.reference import ImageRef

HELPER = ImageRef.parse("docker.io/library/busybox:stable")


class HelperImage(str):
    """The name of an image, as a setting has it."""

    __slots__ = ()

    def __new__(cls, text: str | ImageRef) -> HelperImage:
        try:
            return super().__new__(cls, ImageRef.parse(str(text)))
        except InvalidReference as error:
            raise ValueError(error.message) from None


@dataclass(frozen=True, slots=True)
class StepRules:
    """By default nothing of a task file reaches the machine."""

    privileged: bool = False  # whether a step may ask for every right on the machine
    host_network: bool = False  # whether it may ask for the machine's own network
    helper: ImageRef = HELPER  # its shell does what follows an operator in `cmd`
    alone: bool = False  # whether it keeps off ports of the machine and networks that others have made

    def for_stranger(self) -> StepRules:
        """For what somebody wrote who has no say in what may be reached from here."""
        return StepRules(helper=self.helper, alone=True)
