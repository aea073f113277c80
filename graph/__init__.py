"""What depends on what, and what is stale. Its only I/O is its own database file."""
