"""How the service logs: one JSON object a line on standard error, or coloured text on a terminal."""

from __future__ import annotations

import sys

import structlog


def set_up() -> None:
    """Choose the form once, at the start of the service."""
    on_terminal = sys.stderr.isatty()
    render = structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if on_terminal else [structlog.processors.format_exc_info]),
            render,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
