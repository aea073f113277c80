"""Carrying out the steps of one task file: which run when, and what each does in containers and builds.

progress (pure) → runner → cmd_step, build_step, push_step, each within attempts; narration tells of it
"""
