"""Logs by the API: in ranges, and as events that give every byte back, whatever a build prints."""

from __future__ import annotations

import asyncio
import io
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuild.runs.table import Status
from tests.tracker.api.desk import ApiDesk
from tracker.api.v1.byte_range import Span, Unsatisfiable, read_range
from tracker.api.v1.log_stream import HEARTBEAT_S, Standing, log_events
from tracker.remote.events import Event, read_events
from tracker.remote.follow import bytes_of

pytestmark = pytest.mark.anyio

ODD = "grüße 漢字 🎉\r\n".encode() + b"\xff\xfe\x00\x1b[1m" + "½".encode()[:1] + b"\n\n: data: x\nid: 9\n"


def read(text: bytes) -> list[Event]:
    return list(read_events(io.BytesIO(text)))


def content(events: list[Event]) -> bytes:
    return b"".join(bytes_of(event) for event in events if event.kind in ("log", "log64"))


@pytest.fixture
async def finished(api: ApiDesk) -> str:
    run_id = await api.run()
    api.start(run_id)
    api.log(run_id).write_bytes(ODD * 5000)
    api.finish(run_id)
    return run_id


async def test_a_log_is_plain_text_that_no_browser_takes_for_a_page(api: ApiDesk, finished: str) -> None:
    answer = await api.ask("GET", f"/runs/{finished}/log")

    assert (answer.status_code, answer.content) == (200, ODD * 5000)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert (answer.headers["x-content-type-options"], answer.headers["accept-ranges"]) == ("nosniff", "bytes")


@pytest.mark.parametrize(("wanted", "first", "last"), [("5-9", 5, 9), ("0-0", 0, 0), ("90-", 90, None),
                                                       ("-7", -7, None)])  # fmt: skip
async def test_a_range_is_answered_with_just_that(
    api: ApiDesk, finished: str, wanted: str, first: int, last: int | None
) -> None:
    whole = ODD * 5000

    answer = await api.ask("GET", f"/runs/{finished}/log", headers={"Range": f"bytes={wanted}"})

    part = whole[first : last + 1 if last is not None else None]
    start = first if first >= 0 else len(whole) + first
    assert (answer.status_code, answer.content) == (206, part)
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(part) - 1}/{len(whole)}"


async def test_a_range_behind_the_end_says_where_the_end_is(api: ApiDesk, finished: str) -> None:
    answer = await api.ask("GET", f"/runs/{finished}/log", headers={"Range": "bytes=9999999-"})

    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(ODD) * 5000}")


@given(size=st.integers(0, 50), header=st.from_regex(r"bytes=[0-9]{0,3}-[0-9]{0,3}(,1-2)?", fullmatch=True))
def test_any_range_stays_within_the_file(size: int, header: str) -> None:
    try:
        span = read_range(header, size)
    except Unsatisfiable:
        return
    assert 0 <= span.first <= span.end <= size
    assert span.is_part or span == Span(0, size, size, False)


async def test_a_run_that_waits_has_no_log_and_its_stream_waits(api: ApiDesk) -> None:
    run_id = await api.run()

    answer = await api.ask("GET", f"/runs/{run_id}/log")

    assert (answer.status_code, answer.json()["hint"]) == (409, "its /log/stream waits for it")


@pytest.mark.parametrize("way", ["log", "log/stream"])
async def test_a_log_that_is_gone_says_which_setting_did_it(api: ApiDesk, finished: str, way: str) -> None:
    api.log(finished).unlink()

    answer = await api.ask("GET", f"/runs/{finished}/{way}")

    assert (answer.status_code, "rebuild.keep_logs" in answer.json()["hint"]) == (404, True)


async def test_a_stream_from_beyond_the_end_is_refused_with_the_size(api: ApiDesk, finished: str) -> None:
    size = len((await api.ask("GET", f"/runs/{finished}/log")).content)

    answer = await api.ask("GET", f"/runs/{finished}/log/stream", headers={"Last-Event-ID": str(size + 1)})

    assert answer.status_code == 416
    assert f"the log has {size} bytes" in answer.json()["error"]


async def test_a_stream_gives_every_byte_then_the_outcome(api: ApiDesk, finished: str) -> None:
    answer = await api.ask("GET", f"/runs/{finished}/log/stream")

    events = read(answer.content)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert content(events) == ODD * 5000
    assert (events[-1].kind, events[-1].event_id) == ("end", str(len(ODD) * 5000))
    assert (json.loads(events[-1].text)["status"], {e.kind for e in events}) == (
        "Succeeded",
        {"log64", "end"},
    )


@pytest.mark.parametrize("by", ["header", "query"])
async def test_a_stream_goes_on_behind_any_byte(api: ApiDesk, finished: str, by: str) -> None:
    whole = ODD * 5000
    for offset in (0, 1, 8, len(ODD) - 1, len(whole), len(whole) + 5):
        more = (
            {"headers": {"Last-Event-ID": str(offset)}} if by == "header" else {"params": {"offset": offset}}
        )
        answer = await api.ask("GET", f"/runs/{finished}/log/stream", **more)

        assert content(read(answer.content)) == whole[offset:]


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30, "²"])
async def test_an_id_that_is_no_offset_is_refused(api: ApiDesk, finished: str, last: str) -> None:
    headers = {"Last-Event-ID": last.encode("latin-1", "replace")}

    answer = await api.ask("GET", f"/runs/{finished}/log/stream", headers=headers)

    assert (answer.status_code, "Last-Event-ID" in answer.json()["error"]) == (400, True)


class Growing:
    """A log under way: each pause of the reader appends the next piece; after the last, the run is over."""

    def __init__(self, path: Path, pieces: list[bytes]) -> None:
        self.path = path
        self.left = pieces
        self.now_s = 0.0
        self.stopping = False

    def standing(self) -> Standing:
        over = not self.left
        return Standing("Succeeded" if over else "Running", over, {"status": "Succeeded"} if over else {})

    async def pause(self, seconds: float) -> None:
        self.now_s += seconds
        if self.left:
            with self.path.open("ab") as file:
                file.write(self.left.pop(0))

    def events(self, offset: int = 0) -> AsyncIterator[bytes]:
        return log_events(
            self.path,
            offset,
            self.standing,
            lambda: self.stopping,
            pause=self.pause,
            clock=lambda: self.now_s,
        )


async def test_text_that_grows_byte_by_byte_is_never_cut_within_a_character(tmp_path: Path) -> None:
    text = "grüße 漢字 🎉 ½\n" * 3
    growing = Growing(tmp_path / "log", [bytes([byte]) for byte in text.encode()])

    events = read(b"".join([event async for event in growing.events()]))

    assert {event.kind for event in events} == {"status", "log", "end"}
    assert content(events) == text.encode()


@pytest.mark.parametrize("seed", range(5))
async def test_any_bytes_in_any_pieces_come_back(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    pieces = [
        chance.choice([chance.randbytes(chance.randrange(9)), "é漢🎉".encode(), ODD]) for _ in range(60)
    ]
    growing = Growing(tmp_path / "log", list(pieces))

    events = read(b"".join([event async for event in growing.events()]))

    assert content(events) == b"".join(pieces)
    offsets = [int(event.event_id) for event in events if event.event_id]
    assert offsets == sorted(offsets)


async def test_a_silent_run_is_heard_of_all_the_same(tmp_path: Path) -> None:
    growing = Growing(tmp_path / "log", [b""] * round(4 * HEARTBEAT_S / 0.1))

    said = b"".join([event async for event in growing.events()])

    assert 3 <= said.count(b": still here\n\n") <= 4
    assert [event.kind for event in read(said)] == ["status", "end"]


async def test_a_service_that_stops_ends_its_streams(tmp_path: Path) -> None:
    growing = Growing(tmp_path / "log", [b"x"] * 1000)
    events = growing.events()
    await anext(events)

    growing.stopping = True

    assert "end" not in [event.kind for event in read(b"".join([event async for event in events]))]


async def test_the_next_attempt_of_a_run_goes_on_in_the_same_stream(api: ApiDesk) -> None:
    run_id = await api.run()
    api.start(run_id)
    api.log(run_id).write_bytes(b"first attempt, cut off\n")
    async with api.caller(uid=0) as caller:
        listening = asyncio.create_task(caller.get(f"/runs/{run_id}/log/stream"))
        with api.log(run_id).open("ab") as file:
            file.write(b"second attempt\n")
        api.finish(run_id, Status.FAILED)
        answer = await listening

    events = read(answer.content)
    assert content(events) == b"first attempt, cut off\nsecond attempt\n"
    assert json.loads(events[-1].text)["status"] == "Failed"
