"""The texts of alias sources: files inside of the context, and URLs where somebody allows them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.aliases.fetching import BYTES_MOST
from rebuild.context.fault import masked

_URL_BEGINS = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class AliasSources:
    """Where sources may be read: files in `folder`, and by `fetch` what begins with https://."""

    folder: Path | None = None
    fetch: Callable[[str], bytes] | None = None

    def read(self, source: str) -> str:
        """The text of a file or URL; raise `WrongUse` that names it, or what `fetch` raises."""
        content = self._fetched(source) if source.lower().startswith(_URL_BEGINS) else self._file(source)
        if len(content) > BYTES_MOST:
            raise WrongUse(f"alias source {masked(source)!r} has more than {BYTES_MOST:,} bytes")
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise WrongUse(f"alias source {masked(source)!r} is not UTF-8") from None

    def _fetched(self, url: str) -> bytes:
        if not url.lower().startswith("https://"):
            raise WrongUse(f"alias source {masked(url)!r} is not encrypted on its way", hint="write https://")
        if self.fetch is None:
            raise WrongUse(
                f"alias source {masked(url)!r} is a URL, and none is fetched here",
                hint="put the file into the context and name it there",
            )
        return self.fetch(url)

    def _file(self, source: str) -> bytes:
        if self.folder is None:
            raise WrongUse(f"alias source {source!r} is a file, and this run has no context")
        try:
            path = (self.folder / source).resolve(strict=True)
            if not path.is_relative_to(self.folder.resolve()):
                raise WrongUse(f"alias source {source!r} is outside of the context")
            return _regular(path, source)
        except (
            OSError,
            ValueError,
            RuntimeError,
        ) as error:  # ValueError: a null byte; RuntimeError: a ring of links
            reason = error.strerror if isinstance(error, OSError) else "this is no path"
            raise WrongUse(f"alias source {source!r} cannot be read: {reason}") from None


def _regular(path: Path, source: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a fifo would wait for a writer
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise WrongUse(f"alias source {source!r} is not a plain file")
        return file.read(BYTES_MOST + 1)
