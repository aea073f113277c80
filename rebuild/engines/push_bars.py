"""Has podman tell how far a push is. podman does so on a terminal alone: it gets one, that nobody sees."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from graph.reference import ImageRef
from rebuild.engines.engine import LocalImage, LogSink
from rebuild.engines.pseudo_terminal import pseudo_terminal
from rebuild.engines.push_progress import PodmanBars, TellPush
from rebuild.process import TAIL_BYTES, Ended, LastLines, Streams

Push = Callable[[LogSink, Streams], Awaitable[Ended]]  # carries podman out, printing to those streams


async def push_telling(
    push: Push, images: Iterable[LocalImage], to: ImageRef, log: LogSink, tell: TellPush
) -> Ended:
    """`tell` hears how far it is, and at last None; the log gets what it would have got without."""
    tail = LastLines(TAIL_BYTES)

    def hear(piece: bytes) -> None:
        tail.add(piece)
        log(piece)

    pushed = tuple(images)
    layers = {str(layer) for image in pushed for layer in image.diff_ids}
    configs = (str(image.image_id) for image in pushed)
    bars = PodmanBars(to, (*layers, *configs), layers=len(layers), log=hear, tell=tell)
    try:
        with pseudo_terminal(bars) as terminal:
            ended = await push(hear, Streams(stdout=terminal, stderr=terminal))
    finally:
        bars.finish()
        tell(None)
    return replace(ended, tail=tail.bytes)
