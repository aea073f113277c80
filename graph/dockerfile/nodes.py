"""What a build can take from: its stages by name and number, then each image that an instruction names."""

from __future__ import annotations

from graph.dockerfile.mention import Mention
from graph.dockerfile.stage import WrittenStage


class Nodes:
    """Stages first, then images in the order in which they are met.

    The numbers count: `COPY --from=2` in a file of two stages is the first image that was named.
    """

    def __init__(self, stages: list[WrittenStage]) -> None:
        self.stages = stages
        self.names = [stage.base_name for stage in stages]
        self.takes: list[set[int]] = [set() for _ in stages]  # by COPY and RUN
        self.bases: list[int | None] = []  # the stage that a stage stands on
        self._last: dict[str, int] = {}
        for stage in stages:
            self.bases.append(self._last.get(stage.base_name))  # earlier ones only, and case counts
            if stage.name is not None:
                self._last[stage.name] = stage.index

    def is_image(self, node: int) -> bool:
        return node >= len(self.stages)

    def stage_named(self, name: str) -> int | None:
        """The last stage of that name, in any case."""
        return self._last.get(name.lower())

    def find(self, mention: Mention) -> int:
        """The node that a mention means, made where it is an image."""
        if mention.index is not None:
            if not 0 <= mention.index < len(self.names):
                raise mention.instruction.place.refuse(f"there is no stage {mention.name}")
            return mention.index
        known = self.stage_named(mention.name)
        if known is not None:
            return known
        self.names.append(mention.name)
        self.takes.append(set())
        return len(self.names) - 1

    def root(self, stage: int) -> int:
        """The stage at the bottom of the chain of FROM."""
        base = self.bases[stage]
        while base is not None:
            stage, base = base, self.bases[base]
        return stage
