"""Runs one command and leaves none of its processes behind. Knows nothing of engines or images.

A build is a tree of processes, and some of them leave their process group on purpose (a container is
a session of its own). So ending a command means its group and every descendant, each checked by its
start time. If this program itself is killed, the kernel ends the command: see `dies_with_parent`.
A program that must answer others meanwhile lets its commands give way to it: see `let_commands_give_way`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path

from graph.record import dataclass

TAIL_BYTES = 16 * 1024
CAPTURE_BYTES = 32 * 1024 * 1024
GRACE_S = 3.0

_CHUNK_BYTES = 64 * 1024
_LINE_END = re.compile(rb"[\r\n]")
_TOO_LONG = b"(a line of over %d bytes)"
_PROC = Path("/proc")

Sink = Callable[[bytes], None]

_nice: ContextVar[int] = ContextVar("nice", default=0)


@dataclass(frozen=True, slots=True)
class Streams:
    """Where the streams of a command lead: file descriptors, which stay the caller's. None is the log."""

    stdout: int | None = None
    stderr: int | None = None


TO_THE_LOG = Streams()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. `tail` is the last whole lines that it printed, raw."""

    exit_code: int  # minus the signal's number where a signal ended it
    tail: bytes
    timed_out: bool = False

    @property
    def text(self) -> str:
        return self.tail.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Captured:
    """What a short command printed, each stream up to a limit."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False

    @property
    def complaint(self) -> str:
        """The last line of the error stream, for messages."""
        lines = self.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {self.exit_code} without a word"


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Sink,
    timeout_s: float,
    streams: Streams = TO_THE_LOG,
    grace_s: float = GRACE_S,
) -> Ended:
    """Run a command, hand its streams to `log` as they come, and end it after `timeout_s`.

    Raises FileNotFoundError where there is no such program. Cancelling the call ends every process
    of the command before the cancellation goes on; so does a `log` that raises.
    """
    tail = LastLines(TAIL_BYTES)
    process = await _start(argv, env, _for_one_log(streams))
    copies = [
        asyncio.create_task(_copy(source, tail.add, log))
        for source in (process.stdout, process.stderr)
        if source is not None
    ]
    timed_out = await _supervise(process, copies, timeout_s=timeout_s, grace_s=grace_s)
    return Ended(_code(process), tail.bytes, timed_out)


async def capture(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout_s: float,
    limit_bytes: int = CAPTURE_BYTES,
    grace_s: float = GRACE_S,
) -> Captured:
    """Run a short command and keep what it prints, at most `limit_bytes` of each stream."""
    stdout, stderr = _First(limit_bytes), _First(limit_bytes)
    process = await _start(argv, env, Streams(stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE))
    assert process.stdout is not None
    assert process.stderr is not None
    copies = [
        asyncio.create_task(_copy(process.stdout, stdout.add)),
        asyncio.create_task(_copy(process.stderr, stderr.add)),
    ]
    timed_out = await _supervise(process, copies, timeout_s=timeout_s, grace_s=grace_s)
    return Captured(_code(process), stdout.bytes, stderr.bytes, timed_out)


def let_commands_give_way(nice: int) -> None:
    """What this task and those that it makes start from now on gives way to this program by so much: 0 to 19,
    as nice(1) has it."""
    _nice.set(nice)


def dies_with_parent() -> list[str]:
    """What to put before an argv so that the kernel kills it when this program dies; may be empty.

    `setpriv` is a part of util-linux. It covers the command itself; `in_pid_namespace` covers what
    the command starts.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def in_pid_namespace() -> list[str]:
    """What to put before an argv so that nothing that it starts outlives it; needs root."""
    return ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]


def _for_one_log(streams: Streams) -> Streams:
    """Both streams in the order in which they are written, where both lead to the log."""
    pipe = asyncio.subprocess.PIPE
    err = asyncio.subprocess.STDOUT if streams.stdout is None else pipe
    return Streams(
        pipe if streams.stdout is None else streams.stdout,
        err if streams.stderr is None else streams.stderr,
    )


async def _start(argv: Sequence[str], env: Mapping[str, str], streams: Streams) -> asyncio.subprocess.Process:
    if shutil.which(argv[0], path=env.get("PATH")) is None:
        raise FileNotFoundError(argv[0])
    process = await asyncio.create_subprocess_exec(
        *_giving_way(),
        *dies_with_parent(),
        *argv,
        env=dict(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=streams.stdout,
        stderr=streams.stderr,
        start_new_session=True,
    )
    if nice := _nice.get():
        _let_session_give_way(process.pid, nice)
    return process


def _giving_way() -> list[str]:
    """What to put before an argv. Lowered from here, it might have started others already."""
    nice = _nice.get()
    return [shutil.which("nice") or "nice", "-n", str(nice)] if nice else []


def _let_session_give_way(pid: int, nice: int) -> None:
    """Some kernels weigh sessions against each other and heed `nice` only within one: sched(7), autogroup."""
    with contextlib.suppress(OSError):  # of a kernel without that, or a command that has ended already
        (_PROC / str(pid) / "autogroup").write_text(str(nice))


async def _copy(source: asyncio.StreamReader, *sinks: Sink) -> None:
    while chunk := await source.read(_CHUNK_BYTES):
        for sink in sinks:
            sink(chunk)


async def _supervise(
    process: asyncio.subprocess.Process,
    copies: Sequence[asyncio.Task[None]],
    *,
    timeout_s: float,
    grace_s: float,
) -> bool:
    """Wait for the end, whatever it is, and clear up; True if it was the time-out."""
    try:
        async with asyncio.timeout(timeout_s) as limit:
            await _until_done(process, copies, grace_s)
    except TimeoutError:
        if not limit.expired():
            raise
    finally:
        await _end(process, grace_s)
        for copy in copies:
            copy.cancel()
        await asyncio.gather(*copies, return_exceptions=True)
    return limit.expired()


async def _until_done(
    process: asyncio.subprocess.Process, copies: Sequence[asyncio.Task[None]], grace_s: float
) -> None:
    exited = asyncio.create_task(_exit(process.pid))
    try:
        pending = {*copies, exited}
        while pending and not exited.done():
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # a sink that raised ends the command
        # A process that went to the background may hold the pipe open for ever.
        if pending:
            done, pending = await asyncio.wait(pending, timeout=grace_s)
            for task in done:
                task.result()
        if not pending:
            await process.wait()
    finally:
        exited.cancel()


async def _exit(pid: int) -> None:
    """Wait for the process alone; asyncio's own wait() may wait for its pipes, too."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def _end(process: asyncio.subprocess.Process, grace_s: float) -> None:
    """SIGTERM to the whole family, then SIGKILL to what is left of it."""
    if process.returncode is not None:
        _signal(process.pid, set(), signal.SIGKILL)  # what it left in the background
        return
    family = _family(process.pid)
    try:
        _signal(process.pid, family, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_exit(process.pid), grace_s)
    finally:
        _signal(process.pid, family | _family(process.pid), signal.SIGKILL)
    await process.wait()


def _code(process: asyncio.subprocess.Process) -> int:
    assert process.returncode is not None
    return process.returncode


def _signal(group: int, family: set[tuple[int, str]], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    for pid, started in family:
        if _status(pid)[1] == started:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


def _family(root: int) -> set[tuple[int, str]]:
    """Process id and start time of every descendant of `root`."""
    everyone = {
        int(entry.name): _status(int(entry.name)) for entry in _PROC.iterdir() if entry.name.isdigit()
    }
    found: set[int] = set()
    grown = {root}
    while grown:
        grown = {pid for pid, (parent, _) in everyone.items() if parent in grown} - found
        found |= grown
    return {(pid, everyone[pid][1]) for pid in found}


def _status(pid: int) -> tuple[int, str]:
    """Parent and start time, (0, "") for a process that is gone."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return 0, ""
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return int(fields[1]), fields[19]


class LastLines:
    """The last lines of what is added, at most `limit` bytes of them.

    A line whose beginning is lost is left out: it might begin within a secret, where nobody knows it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._is_cut = False

    def add(self, chunk: bytes) -> None:
        self._kept += chunk
        if len(self._kept) > self._limit:
            del self._kept[: -self._limit]
            self._is_cut = True

    @property
    def bytes(self) -> bytes:
        if not self._is_cut:
            return bytes(self._kept)
        whole = _LINE_END.split(self._kept, maxsplit=1)[1:]
        return bytes(whole[0]) if whole and whole[0].strip() else _TOO_LONG % self._limit


class _First(LastLines):
    """The first `limit` bytes of what is added."""

    def add(self, chunk: bytes) -> None:
        self._kept += chunk[: max(0, self._limit - len(self._kept))]
