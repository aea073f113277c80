"""A command is run, followed and ended with everything that it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rebuild.process import capture, dies_with_parent, let_commands_give_way, run

ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
ROOT = Path(__file__).parents[2]

# Starts a grandchild in a session of its own, as a container is, and writes down who it is.
LEAVER = "import os,subprocess,sys,time; p=subprocess.Popen(['sleep','600'],start_new_session=True);"
LEAVER += "open(sys.argv[1],'w').write(str(p.pid)); time.sleep(600)"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def number_in(path: Path) -> int:
    while not (path.exists() and path.read_text()):
        time.sleep(0.01)
    return int(path.read_text())


async def until_gone(pid: int) -> None:
    while alive(pid):  # noqa: ASYNC110 - a process of nobody's cannot be waited for
        await asyncio.sleep(0.01)


@pytest.mark.anyio
async def test_the_log_gets_both_streams_as_they_come() -> None:
    chunks: list[bytes] = []

    ended = await run(["sh", "-c", "echo out; echo err >&2"], env=ENV, log=chunks.append, timeout_s=30)

    assert ended.exit_code == 0
    assert sorted(b"".join(chunks).split()) == [b"err", b"out"]


@pytest.mark.anyio
@pytest.mark.parametrize("end", ["\\n", "\\r"])
async def test_the_tail_begins_with_a_whole_line_of_what_is_longer_than_it(end: str) -> None:
    ended = await run(
        ["sh", "-c", f"printf '%020000d{end}the reason' 0"], env=ENV, log=lambda chunk: None, timeout_s=30
    )

    assert ended.tail == b"the reason"


@pytest.mark.anyio
async def test_the_tail_shows_nothing_of_a_line_whose_beginning_it_has_lost() -> None:
    ended = await run(
        ["sh", "-c", "printf 'hunter22%017000d' 0"], env=ENV, log=lambda chunk: None, timeout_s=30
    )

    assert ended.tail == b"(a line of over 16384 bytes)"


@pytest.mark.anyio
async def test_the_tail_keeps_only_the_last_of_a_long_output() -> None:
    seen = 0

    def count(chunk: bytes) -> None:
        nonlocal seen
        seen += len(chunk)

    ended = await run(["sh", "-c", "seq 1 200000; exit 3"], env=ENV, log=count, timeout_s=30)

    assert (ended.exit_code, ended.timed_out) == (3, False)
    assert ended.tail.endswith(b"199999\n200000\n")
    assert len(ended.tail) < seen


@pytest.mark.anyio
async def test_captured_output_is_bounded() -> None:
    captured = await capture(["seq", "1", "200000"], env=ENV, timeout_s=30, limit_bytes=10)

    assert captured.stdout == b"1\n2\n3\n4\n5\n"


@pytest.mark.anyio
async def test_a_failure_is_told_by_the_last_line_of_its_errors() -> None:
    captured = await capture(["sh", "-c", "echo one >&2; echo two >&2; exit 7"], env=ENV, timeout_s=30)

    assert (captured.exit_code, captured.complaint) == (7, "two")


@pytest.mark.anyio
async def test_a_signal_is_an_exit_code_below_zero() -> None:
    ended = await run(["sh", "-c", "kill -9 $$"], env=ENV, log=lambda chunk: None, timeout_s=30)

    assert ended.exit_code == -signal.SIGKILL


@pytest.mark.anyio
async def test_a_missing_program_is_told_apart_from_one_that_fails() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        await run(["no-such-program"], env=ENV, log=lambda chunk: None, timeout_s=30)


@pytest.mark.anyio
async def test_a_time_out_ends_a_process_that_left_the_group(tmp_path: Path) -> None:
    note = tmp_path / "pid"

    ended = await run(
        [sys.executable, "-c", LEAVER, str(note)], env=ENV, log=lambda chunk: None, timeout_s=1.0, grace_s=0.2
    )

    assert ended.timed_out
    await until_gone(number_in(note))


@pytest.mark.anyio
async def test_cancelling_ends_a_process_that_ignores_sigterm(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"trap '' TERM; echo $$ > {note}; while :; do sleep 0.05; done"
    call = asyncio.create_task(
        run(["sh", "-c", script], env=ENV, log=lambda chunk: None, timeout_s=600, grace_s=0.1)
    )
    pid = await asyncio.to_thread(number_in, note)

    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call

    assert call.cancelled()
    assert not alive(pid)


@pytest.mark.anyio
async def test_a_log_that_cannot_be_written_ends_the_command(tmp_path: Path) -> None:
    note = tmp_path / "pid"

    def full(chunk: bytes) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        await run(
            ["sh", "-c", f"echo $$ > {note}; echo x; sleep 600"],
            env=ENV,
            log=full,
            timeout_s=600,
            grace_s=0.1,
        )

    assert not alive(number_in(note))


@pytest.mark.anyio
async def test_a_process_in_the_background_does_not_hold_the_call_up(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"sleep 600 & echo $! > {note}; echo done"

    ended = await run(["sh", "-c", script], env=ENV, log=lambda chunk: None, timeout_s=600, grace_s=0.1)

    assert (ended.exit_code, ended.text, ended.timed_out) == (0, "done\n", False)
    await until_gone(number_in(note))


def test_killing_this_program_ends_its_command(tmp_path: Path) -> None:
    assert dies_with_parent(), "setpriv of util-linux is missing: run make setup"
    note = tmp_path / "pid"
    script = (
        "import asyncio; from rebuild.process import run; "
        f"asyncio.run(run(['sh','-c','echo $$ > {note}; exec sleep 600'], env={ENV!r}, "
        "log=lambda chunk: None, timeout_s=600))"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    pid = number_in(note)

    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()

    asyncio.run(until_gone(pid))


@pytest.mark.anyio
async def test_a_command_and_what_it_starts_give_way_by_what_was_said_in_their_task() -> None:
    async def said(nice: int) -> bytes:
        let_commands_give_way(nice)
        return (await capture(["sh", "-c", "nice; nice"], env=ENV, timeout_s=30)).stdout

    asked = [asyncio.create_task(said(nice)) for nice in (0, 7)]

    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert await asyncio.gather(*asked) == [
        f"{nice}\n{nice}\n".encode() for nice in (ours, min(19, ours + 7))
    ]
