"""Saved tasks, and what makes them run by themselves."""
