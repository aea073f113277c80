"""The form of the lines in the log of the service."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tracker import log


class TestTheLog:
    @pytest.fixture
    def stream(self) -> Iterator[io.StringIO]:
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        yield io.StringIO()
        root.handlers[:], root.level = handlers, level
        structlog.reset_defaults()

    def test_is_one_json_object_a_line(self, stream: io.StringIO) -> None:
        log.set_up(stream)

        structlog.get_logger().info("two\nlines", run="a1", path=Path("/x"))

        assert stream.getvalue().count("\n") == 1
        line = json.loads(stream.getvalue())
        assert (line["event"], line["level"], line["run"]) == ("two\nlines", "info", "a1")
        assert list(line)[:3] == ["timestamp", "level", "event"]

    def test_is_silent_about_what_there_is_not(self, stream: io.StringIO) -> None:
        log.set_up(stream)

        structlog.get_logger().info("run started", task=None)

        assert "task" not in json.loads(stream.getvalue())

    def test_has_what_libraries_warn_of_in_the_same_form(self, stream: io.StringIO) -> None:
        log.set_up(stream)

        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
        logging.getLogger("uvicorn.error").info("Started server process")

        line = json.loads(stream.getvalue())
        assert (line["event"], line["level"]) == ("Invalid HTTP request received.", "warning")
        assert line["logger"] == "uvicorn.error"

    def test_shows_where_a_defect_is(self, stream: io.StringIO) -> None:
        log.set_up(stream)
        try:
            json.loads("{")
        except ValueError as defect:
            structlog.get_logger().error("a defect", exc_info=defect)

        assert "Traceback" in json.loads(stream.getvalue())["exception"]

    def test_shows_no_variables_to_people(self, stream: io.StringIO) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        terminal = Terminal()
        log.set_up(terminal)
        try:
            _fail_with("a-local-secret" + "-that-is-long")
        except ValueError as defect:
            structlog.get_logger().error("a defect", exc_info=defect)

        assert "Traceback" in terminal.getvalue()
        assert "a-local-secret-that-is-long" not in terminal.getvalue()


def _fail_with(secret: str) -> None:
    raise ValueError(f"{len(secret)} characters")
