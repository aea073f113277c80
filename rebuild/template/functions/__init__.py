"""The functions that templates may call, a module a subject; `table` has them all by name."""
