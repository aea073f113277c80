"""Aliases of task files from v1.1.0 on: short names for text, and for images in the first word of a `cmd`.

block → the `alias:` part apart from the rest    definition → names and texts, merged and checked
sources → files and URLs that define more         fetching → those URLs, within bounds
replacement → `$name` to text
"""

from rebuild.aliases.block import parts
from rebuild.aliases.definition import Aliases, read_aliases
from rebuild.aliases.fetching import SourceUnavailable, fetch_source
from rebuild.aliases.replacement import replaced
from rebuild.aliases.sources import AliasSources

__all__ = [
    "AliasSources",
    "Aliases",
    "SourceUnavailable",
    "fetch_source",
    "parts",
    "read_aliases",
    "replaced",
]
