"""A line that is known to come first is left out, and nothing else ever is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rebuild.engines.opening_line import WithoutOpening

LINE = b"no syslog\n"


def heard(*pieces: bytes) -> bytes:
    said: list[bytes] = []
    stream = WithoutOpening(LINE, said.append)
    for piece in pieces:
        stream(piece)
    stream.finish()
    return b"".join(said)


@given(st.binary(max_size=30), st.integers(1, 12))
def test_however_it_is_cut_only_the_opening_goes(rest: bytes, step: int) -> None:
    whole = LINE + rest

    pieces = [whole[at : at + step] for at in range(0, len(whole), step)]

    assert heard(*pieces) == rest


@given(st.lists(st.binary(max_size=12), max_size=5))
def test_a_stream_that_begins_otherwise_is_whole(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)

    assert heard(*pieces) == whole.removeprefix(LINE)


def test_the_line_stays_where_something_comes_before_it() -> None:
    assert heard(b"first\n", LINE) == b"first\n" + LINE


def test_half_of_the_line_is_told_at_the_end() -> None:
    assert heard(b"no sys") == b"no sys"
