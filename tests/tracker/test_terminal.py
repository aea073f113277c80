"""The line of progress is below the log, and nowhere but on a terminal."""

from __future__ import annotations

from io import BytesIO

from graph.reference import ImageRef
from rebuild.engines.push_progress import PushSeen
from tracker.terminal import Terminal

SEEN = PushSeen(ImageRef.parse("localhost:5000/team/shop:1"), 3, 2, 12 * 1024 * 1024, 40 * 1024 * 1024)
LINE = b"\r\x1b[KPushing shop:1, 2 of 3 layers, 12.0 of 40.0 MiB"


def terminal(*times_s: float) -> tuple[Terminal, BytesIO]:
    stream, ticks = BytesIO(), iter(times_s)
    return Terminal(stream, is_seen=True, clock=lambda: next(ticks)), stream


def test_the_log_takes_the_place_of_the_line() -> None:
    shown, stream = terminal(0.0)
    assert shown.on_push is not None

    shown.on_push(SEEN)
    shown.hear(b"log\n")
    shown.hear(b"more\n")

    assert stream.getvalue() == LINE + b"\r\x1b[Klog\nmore\n"


def test_the_line_goes_when_the_push_is_over() -> None:
    shown, stream = terminal(0.0, 0.01)
    assert shown.on_push is not None

    shown.on_push(SEEN)
    shown.on_push(None)

    assert stream.getvalue() == LINE + b"\r\x1b[K"


def test_the_line_is_drawn_ten_times_a_second_at_most() -> None:
    shown, stream = terminal(0.0, 0.05, 0.11)
    assert shown.on_push is not None

    for _ in range(3):
        shown.on_push(SEEN)

    assert stream.getvalue() == LINE * 2


def test_layers_alone_are_told_where_bytes_are_not_known() -> None:
    shown, stream = terminal(0.0)
    assert shown.on_push is not None

    shown.on_push(PushSeen(SEEN.to, 3, 1))

    assert stream.getvalue().endswith(b"Pushing shop:1, 1 of 3 layers")


def test_nothing_is_drawn_where_nobody_sees_it() -> None:
    assert Terminal(BytesIO(), is_seen=False).on_push is None
