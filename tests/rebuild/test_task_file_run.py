"""The log of a run with several steps tells which step printed what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rebuild.task_file_run import StepLines


def heard(*pieces: tuple[str, bytes]) -> bytes:
    log = bytearray()
    lines = StepLines(log.extend)
    for step, piece in pieces:
        lines.feed(step, piece)
    lines.flush()
    return bytes(log)


def test_each_line_of_a_step_begins_with_its_id() -> None:
    assert heard(("web", b"a\nb\n")) == b"web| a\nweb| b\n"


def test_lines_of_steps_that_print_at_the_same_time_are_not_mixed() -> None:
    assert heard(("web", b"one "), ("test", b"two\n"), ("web", b"half\n")) == b"test| two\nweb| one half\n"


def test_a_line_without_an_end_is_not_lost() -> None:
    assert heard(("web", b"no end")) == b"web| no end\n"


def test_lines_that_tell_of_the_run_stay_as_scripts_look_for_them() -> None:
    told = b"2026/11/23 08:00:00 Executing step ID: web. Timeout(sec): 600\n"

    assert heard(("web", told), ("", b"done\n")) == told + b"done\n"


@given(st.binary(max_size=200), st.integers(1, 7))
def test_no_byte_is_lost_however_the_output_comes(output: bytes, size: int) -> None:
    pieces = [("s", output[at : at + size]) for at in range(0, len(output), size)]

    lines = heard(*pieces).splitlines(keepends=False)

    assert (
        b"\n".join(line.removeprefix(b"s| ") for line in heard(*pieces).split(b"\n"))[: len(output)] == output
    )
    assert len(lines) >= output.count(b"\n")
