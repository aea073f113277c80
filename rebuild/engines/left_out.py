"""The ignore file that an engine is given, where more is left out than the context says. Reads no context."""

from __future__ import annotations

from pathlib import Path

from rebuild.context.ignore_file import patterns_of, text_of
from rebuild.engines.engine import BuildRequest


def given_ignore_file(request: BuildRequest, folder: Path) -> Path | None:
    """The request's own, or one in `folder` that holds its rules behind what is left out besides; None where
    the engine finds the context's `.dockerignore` itself."""
    if not request.leaves_out:
        return request.ignore_file
    usual = request.context / ".dockerignore"
    own = request.ignore_file or (usual if usual.is_file() else None)
    written = folder / "ignore"
    written.write_text(text_of([*request.leaves_out, *patterns_of(own)]))
    return written
