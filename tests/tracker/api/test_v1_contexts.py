"""Uploaded contexts: streamed into a file, bounded, compared, kept for a while, gone if they break off."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from graph.clock import now
from rebuild.runs.table import Runs
from rebuild.runs.uploads import UnknownUpload, UploadLimits, Uploads, UploadsFull, upload_path
from tests.tracker.api.desk import DOCKER, LIMITS, ApiDesk
from tracker.upkeep import SentContexts

pytestmark = pytest.mark.anyio

CONTENT = b"a context" * 1000
SHA256 = hashlib.sha256(CONTENT)
DIGEST = base64.b64encode(SHA256.digest()).decode()


async def pieces(content: bytes, *, breaks: bool = False) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 64 * 1024):
        yield content[start : start + 64 * 1024]
    if breaks:
        raise ConnectionError("the sender is gone")


def kept(api: ApiDesk) -> list[Path]:
    return sorted(api.desk.state.uploads.iterdir())


async def test_a_context_is_kept_byte_for_byte_and_named(api: ApiDesk) -> None:
    answer = await api.ask("PUT", "/contexts", content=pieces(CONTENT))

    told = answer.json()
    (path,) = kept(api)
    assert (answer.status_code, told["bytes"], told["sha256"]) == (201, len(CONTENT), SHA256.hexdigest())
    assert path == upload_path(api.desk.state.uploads, told["context"].removeprefix("upload:"))
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (CONTENT, 0o600)


async def test_it_is_what_a_run_may_name(api: ApiDesk) -> None:
    context = (await api.ask("PUT", "/contexts", content=CONTENT)).json()["context"]

    run_id = await api.run(context=context)

    assert Runs(api.sql).get(run_id).definition.context == context


async def test_the_digest_that_was_announced_is_compared(api: ApiDesk) -> None:
    headers = {"Content-Digest": f"sha-512=:AAAA:, sha-256=:{DIGEST}:"}

    right = await api.ask("PUT", "/contexts", content=CONTENT, headers=headers)
    wrong = await api.ask("PUT", "/contexts", content=CONTENT + b"!", headers=headers)

    assert (right.status_code, wrong.status_code) == (201, 400)
    assert SHA256.hexdigest() in wrong.json()["error"]
    assert len(kept(api)) == 1


@pytest.mark.parametrize("header", ["sha-256=:AAAA:", "md5=:AAAA:", "", "sha-256=:" + "=" * 44 + ":"])
async def test_a_digest_that_is_none_is_refused(api: ApiDesk, header: str) -> None:
    answer = await api.ask("PUT", "/contexts", content=CONTENT, headers={"Content-Digest": header})

    assert (answer.status_code, kept(api)) == (400, [])


async def test_an_empty_body_is_refused(api: ApiDesk) -> None:
    answer = await api.ask("PUT", "/contexts", content=b"")

    assert (answer.status_code, kept(api)) == (400, [])


@pytest.mark.parametrize("announced", [True, False])
async def test_what_is_too_large_is_refused_and_leaves_nothing(api: ApiDesk, announced: bool) -> None:
    large = b"x" * (LIMITS.bytes_most + 1)

    answer = await api.ask("PUT", "/contexts", content=large if announced else pieces(large))

    assert (answer.status_code, answer.headers["connection"], kept(api)) == (413, "close", [])
    assert "uploads.megabytes_most" in answer.json()["hint"]


async def test_all_together_are_bounded_and_room_comes_back(api: ApiDesk) -> None:
    large = b"x" * LIMITS.bytes_most
    await api.ask("PUT", "/contexts", content=large)

    second = await api.ask("PUT", "/contexts", content=large)
    api.desk.uploads.expire(before=now() + timedelta(days=1), in_use=())
    third = await api.ask("PUT", "/contexts", content=large)

    assert (second.status_code, third.status_code) == (507, 201)


async def test_an_upload_that_breaks_off_leaves_nothing_and_takes_no_room(api: ApiDesk) -> None:
    for _ in range(3):
        await api.ask("PUT", "/contexts", content=pieces(b"x" * (2 * 1024 * 1024), breaks=True))
    assert kept(api) == []

    answer = await api.ask("PUT", "/contexts", content=b"x" * LIMITS.bytes_most)

    assert (answer.status_code, len(kept(api))) == (201, 1)


async def test_several_uploads_at_once_do_not_mix(api: ApiDesk) -> None:
    contents = [bytes([number]) * 300_000 for number in range(8)]

    answers = await asyncio.gather(
        *(api.ask("PUT", "/contexts", content=pieces(content)) for content in contents)
    )

    assert [answer.json()["sha256"] for answer in answers] == [
        hashlib.sha256(content).hexdigest() for content in contents
    ]


async def test_contexts_expire_unless_a_run_waits_for_them(api: ApiDesk) -> None:
    contexts = [(await api.ask("PUT", "/contexts", content=CONTENT)).json()["context"] for _ in range(3)]
    waits, done, young = (context.removeprefix("upload:") for context in contexts)
    await api.run(context=contexts[0])
    ended = await api.run(context=contexts[1])
    await api.ask("POST", f"/runs/{ended}/cancel")
    for old in (waits, done):
        os.utime(upload_path(api.desk.state.uploads, old), (0, 0))

    expired = await SentContexts(api.desk.uploads, Runs(api.sql), keep_s=60, now=now).expire()

    assert (expired, len(kept(api))) == (1, 2)
    upload_path(api.desk.state.uploads, waits)
    upload_path(api.desk.state.uploads, young)
    with pytest.raises(UnknownUpload):
        upload_path(api.desk.state.uploads, done)
    answer = await api.ask("POST", "/runs", json={**DOCKER, "context": contexts[1]})
    assert (answer.status_code, "upload it again" in answer.json()["hint"]) == (422, True)


def test_what_a_killed_service_left_half_is_cleared_and_what_is_whole_counts(tmp_path: Path) -> None:
    limits = UploadLimits(bytes_most=10, total_bytes_most=10)
    with Uploads(tmp_path, limits).begin() as incoming:
        incoming.write(b"12345678")
        incoming.finish()
    (tmp_path / "abc.part").write_bytes(b"half")

    again = Uploads(tmp_path, limits)

    assert [path.suffix for path in tmp_path.iterdir()] == [".gz"]
    with pytest.raises(UploadsFull), again.begin() as incoming:
        incoming.write(b"123")


@pytest.mark.parametrize("upload_id", ["../graph", "0" * 31, "", "/etc/passwd", "0" * 32 + "/.."])
def test_no_id_leads_out_of_the_folder(tmp_path: Path, upload_id: str) -> None:
    (tmp_path / "graph.tar.gz").touch()

    with pytest.raises(UnknownUpload):
        upload_path(tmp_path / "uploads", upload_id)
