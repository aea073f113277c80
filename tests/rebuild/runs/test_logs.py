"""The file of a run's log: it grows up to a limit, and tells that and the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from rebuild.runs.logs import LogUnwritable, RunLog, log_path, remove_logs

CUT = b"\n[log cut here: it reached its limit]\n"


def test_what_goes_past_the_limit_is_dropped_once_with_a_note(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "a1.log", bytes_most=8)
    for piece in (b"12345", b"67890", b"more"):
        log.write(piece)
    log.close()

    assert (tmp_path / "a1.log").read_bytes() == b"12345678" + CUT


def test_the_end_of_a_run_stands_in_its_log_however_much_was_printed(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "a1.log", bytes_most=4)
    log.write(b"1234")

    log.say("Run ID: a1 was successful")

    log.close()
    assert (tmp_path / "a1.log").read_bytes().endswith(b" Run ID: a1 was successful\n")


def test_another_attempt_goes_on_where_the_log_of_a_killed_process_ends(tmp_path: Path) -> None:
    for piece in (b"first\n", b"second\n"):
        log = RunLog(tmp_path / "a1.log", bytes_most=9)
        log.write(piece)
        log.close()

    assert (tmp_path / "a1.log").read_bytes() == b"first\nsec" + CUT


def test_a_log_that_cannot_be_made_is_an_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")

    with pytest.raises(LogUnwritable, match=r"cannot write the log .*logs/a1\.log"):
        RunLog(log_path(tmp_path / "logs", "a1"))


def test_logs_that_are_gone_already_are_no_fault(tmp_path: Path) -> None:
    (tmp_path / "a1.log").touch()

    remove_logs(tmp_path, ["a1", "a2"])

    assert list(tmp_path.iterdir()) == []
