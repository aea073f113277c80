"""A Dockerfile and its build arguments in, the images it builds on out; and the same file pinned."""

from graph.dockerfile.error import DockerfileError
from graph.dockerfile.record import Base, Feature, FeatureUse, Scan, Span, Stage

__all__ = ["Base", "DockerfileError", "Feature", "FeatureUse", "Scan", "Span", "Stage"]
