"""Places that need no server: folders, standard input, nothing."""

from __future__ import annotations

import asyncio
import gzip
import io
import threading
from pathlib import Path
from typing import Any

import pytest

from graph.errors import WrongUse
from rebuild.context.fault import ContextError, TooLarge
from rebuild.context.fetch import Access, Fetched, fetch
from rebuild.context.input import DOCKERFILE_BYTES_MOST
from rebuild.context.limits import Limits
from rebuild.context.where import Source
from tests.rebuild.context.archives import Member, link, tar_of


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "into"


def fetched(text: str, into: Path, **more: Any) -> Fetched:
    return asyncio.run(fetch(Source.parse(text), into, log=lambda piece: None, **more))


def test_a_folder_is_used_where_it_is(tmp_path: Path, into: Path) -> None:
    (tmp_path / "app").mkdir()

    assert fetched(str(tmp_path / "app"), into) == Fetched(tmp_path / "app")
    assert not into.exists()


def test_a_folder_is_copied_by_its_ignore_rules_where_it_is_not_to_be_touched(
    tmp_path: Path, into: Path
) -> None:
    app = tmp_path / "app"
    (app / ".git").mkdir(parents=True)
    (app / "kept").write_text("x")
    (app / "link").symlink_to("/usr/bin/python3")

    assert fetched(str(app), into, in_place=False).folder == into
    assert sorted(path.name for path in into.iterdir()) == ["kept", "link"]


def test_a_folder_that_is_none_is_named(tmp_path: Path, into: Path) -> None:
    with pytest.raises(WrongUse, match="is not a folder"):
        fetched(str(tmp_path / "gone"), into)


def test_nothing_is_an_empty_context(into: Path) -> None:
    assert list(fetched("/dev/null", into).folder.iterdir()) == []


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_tar_from_standard_input_is_unpacked_as_its_owner_made_it(pack: Any, into: Path) -> None:
    stdin = io.BytesIO(pack(tar_of(Member("a", b"x" * 100_000), link("l", "/etc"))))

    fetched("-", into, stdin=stdin)

    assert sorted(path.name for path in into.iterdir()) == ["a", "l"]


@pytest.mark.parametrize("text", ["FROM scratch\n", "FROM scratch\n" + "# long\n" * 10_000])
def test_a_dockerfile_alone_comes_from_standard_input(text: str, into: Path) -> None:
    fetched("-", into, stdin=io.BytesIO(text.encode()))

    assert (into / "Dockerfile").read_text() == text


@pytest.mark.parametrize("content", [b"", b"\x7fELF\0", b"x" * (DOCKERFILE_BYTES_MOST + 1)])
def test_what_is_neither_is_refused(content: bytes, into: Path) -> None:
    with pytest.raises(ContextError, match="neither a tar nor a Dockerfile"):
        fetched("-", into, stdin=io.BytesIO(content))
    assert not into.exists()


def test_standard_input_is_bounded(into: Path) -> None:
    with pytest.raises(TooLarge):
        fetched(
            "-", into, stdin=io.BytesIO(tar_of(Member("a", bytes(9000)))), limits=Limits(transfer_bytes=5000)
        )


def test_a_folder_that_is_there_already_is_left_alone(into: Path) -> None:
    into.mkdir()
    (into / "kept").touch()

    with pytest.raises(ContextError, match="cannot be made"):
        fetched("/dev/null", into)
    assert (into / "kept").exists()


def test_cancelling_ends_the_thread_before_the_folder_goes(into: Path) -> None:
    class Endless:
        """A tar of one member after the other."""

        def __init__(self) -> None:
            self.begun = threading.Event()
            self.piece = tar_of(Member("a", b"x" * 400))[:1024]

        def fileno(self) -> int:
            raise OSError("it is no file")

        def read(self, size: int) -> bytes:
            self.begun.set()
            return self.piece[:size]

    async def cancelled() -> None:
        stdin: Any = Endless()
        running = asyncio.create_task(fetch(Source.parse("-"), into, log=lambda piece: None, stdin=stdin))
        await asyncio.to_thread(stdin.begun.wait)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancelled())

    assert not into.exists()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("asyncio")] == []


def test_links_of_what_a_caller_sent_may_lead_anywhere(into: Path, tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    name = "0" * 32
    (uploads / f"{name}.tar.gz").write_bytes(tar_of(link("l", "/etc")))

    fetched(f"upload:{name}", into, access=Access(uploads=uploads))

    assert (into / "l").readlink() == Path("/etc")
