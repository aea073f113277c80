"""A Dockerfile and its build arguments in, the images it builds on out; and the same file pinned.

    decode → fold → instructions → stages → resolve → Scan → pin

One line an instruction (`fold`), split by dockerfile-parse (`instruction`), judged by BuildKit's rules
(`shape`, `lex`, `stage`, `mention`), seen from the target (`nodes`, `resolve`). No I/O.
"""

from graph.dockerfile.error import DockerfileError
from graph.dockerfile.pins import pin
from graph.dockerfile.reading import scan
from graph.dockerfile.record import Base, Feature, FeatureUse, FirstRun, Scan, Span, Stage

__all__ = [
    "Base",
    "DockerfileError",
    "Feature",
    "FeatureUse",
    "FirstRun",
    "Scan",
    "Span",
    "Stage",
    "pin",
    "scan",
]
