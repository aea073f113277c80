"""How the service logs: one JSON object a line on standard error, or coloured text on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_FIRST = ("timestamp", "level", "event")


def set_up(stream: TextIO = sys.stderr) -> None:
    """Choose the form once, at the start of the service. Libraries are heard from warnings upwards."""
    own: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_nothing,
    ]
    last = _for_people() if stream.isatty() else _for_programs()
    structlog.configure(
        processors=[*own, *last],
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    foreign = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*own, structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(foreign)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _for_people() -> list[Processor]:
    # rich, where it is installed, would print local variables with a traceback, secrets among them.
    return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]


def _for_programs() -> list[Processor]:
    return [structlog.processors.format_exc_info, _in_order, structlog.processors.JSONRenderer()]


def _without_nothing(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A run without a task, say, has a shorter line."""
    return {key: value for key, value in event.items() if value is not None}


def _in_order(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """When, how bad and what come first, for those who read the lines as they are."""
    return {**{key: event[key] for key in _FIRST if key in event}, **event}
