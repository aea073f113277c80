"""Aliases of task files from v1.1.0 on: short names for text, and for images in the first word of a `cmd`.

block → the `alias:` part apart from the rest    definition → names and texts, merged and checked
sources → files and URLs that define more         replacement → `$name` to text
"""

from rebuild.aliases.block import parts
from rebuild.aliases.definition import IMAGE_ALIASES, Aliases, read_aliases
from rebuild.aliases.replacement import replaced
from rebuild.aliases.sources import AliasSources, fetch_source

__all__ = ["IMAGE_ALIASES", "AliasSources", "Aliases", "fetch_source", "parts", "read_aliases", "replaced"]
