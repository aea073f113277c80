"""How far a push is, read from what engines print for people. Draws nothing, and starts no engine.

What is not understood is handed on as it is: a newer engine that prints otherwise costs the progress, and
nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import field

from graph.record import dataclass
from graph.reference import ImageRef
from rebuild.engines.engine import LogSink

_CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
_BLOB = re.compile(r"Copying (?P<kind>blob|config) (?:sha256:)?(?P<name>[0-9a-f]{6,64})\b *(?P<state>.*)")
_AMOUNT = re.compile(r"([\d.]+) ?([kKMGT]?)i?[bB] / ([\d.]+) ?([kKMGT]?)i?[bB]")
_OVER = re.compile(r"done\b|skipped: ")
_UNITS = {"": 1, "k": 2**10, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_OF_DOCKER = re.compile(r"(?P<name>[0-9a-f]{12}): (?P<state>.*)")
_OVER_WITH_DOCKER = ("Pushed", "Layer already exists", "Mounted from ")
_LINE_MOST = 8192


@dataclass(frozen=True, slots=True)
class PushSeen:
    """How far it is. Bytes are uncompressed, of the layers that have begun; 0 where the engine tells none."""

    to: ImageRef
    layers: int
    layers_done: int
    bytes_done: int = 0
    bytes: int = 0


TellPush = Callable[[PushSeen | None], None]  # None: it is over


@dataclass(slots=True)
class _Layer:
    done: int = 0
    size: int = 0
    is_over: bool = False


class _Lines:
    """A stream of bytes as lines of text, without what moves the cursor. A line without an end is cut."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._rest = b""

    def __call__(self, piece: bytes) -> None:
        *whole, self._rest = re.split(rb"\r*\n", self._rest + piece)
        for line in whole:
            self._tell(line)
        if len(self._rest) > _LINE_MOST:
            self.finish()

    def finish(self) -> None:
        if self._rest:
            self._tell(self._rest)
        self._rest = b""

    def _tell(self, line: bytes) -> None:
        self._take(_CONTROL.sub(b"", line).replace(b"\r", b"").decode(errors="replace").rstrip())


@dataclass(slots=True)
class _Layers:
    to: ImageRef
    expected: int
    tell: TellPush
    known: dict[str, _Layer] = field(default_factory=dict)

    def told(self) -> None:
        layers = self.known.values()
        self.tell(
            PushSeen(
                self.to,
                max(self.expected, len(layers)),
                sum(layer.is_over for layer in layers),
                sum(layer.size if layer.is_over else layer.done for layer in layers),
                sum(layer.size for layer in layers),
            )
        )


class PodmanBars:
    """Bars that podman draws on a terminal, as the lines that it prints where there is none.

    `names` are digests that may be shortened in bars: of the layers, and of the config.
    """

    def __init__(
        self, to: ImageRef, names: Iterable[str], *, layers: int, log: LogSink, tell: TellPush
    ) -> None:
        self._names = tuple(names)
        self._log = log
        self._seen: set[str] = set()
        self._layers = _Layers(to, layers, tell)
        self._lines = _Lines(self._take)

    def __call__(self, piece: bytes) -> None:
        self._lines(piece)

    def finish(self) -> None:
        self._lines.finish()

    def _take(self, line: str) -> None:
        found = _BLOB.fullmatch(line)
        if found is None:
            if line:
                self._log(f"{line}\n".encode())
            return
        kind, name = found["kind"], found["name"]
        if name not in self._seen:
            self._seen.add(name)
            self._log(f"Copying {kind} {self._whole(name)}\n".encode())
        if kind == "blob":
            _note(self._layers.known.setdefault(name, _Layer()), found["state"])
            self._layers.told()

    def _whole(self, name: str) -> str:
        return next((whole for whole in self._names if whole.startswith(f"sha256:{name}")), f"sha256:{name}")


class DockerLines:
    """Counts the lines that docker prints for each layer; what it prints passes as it is."""

    def __init__(self, to: ImageRef, *, layers: int, log: LogSink, tell: TellPush) -> None:
        self._log = log
        self._layers = _Layers(to, layers, tell)
        self._lines = _Lines(self._take)

    def __call__(self, piece: bytes) -> None:
        self._log(piece)
        self._lines(piece)

    def _take(self, line: str) -> None:
        found = _OF_DOCKER.fullmatch(line)
        if found is not None:
            layer = self._layers.known.setdefault(found["name"], _Layer())
            layer.is_over = layer.is_over or found["state"].startswith(_OVER_WITH_DOCKER)
            self._layers.told()


def _note(layer: _Layer, state: str) -> None:
    amount = _AMOUNT.search(state)
    if amount is not None:
        layer.done, layer.size = _bytes(amount[1], amount[2]), _bytes(amount[3], amount[4])
    layer.is_over = layer.is_over or _OVER.match(state) is not None


def _bytes(number: str, unit: str) -> int:
    try:
        return round(float(number) * _UNITS[unit])
    except ValueError:  # 1.2.3
        return 0
