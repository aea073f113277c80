"""What an attacker would send: each ends in one clear error, within its bounds, and nothing is outside."""

from __future__ import annotations

import asyncio
import bz2
import contextlib
import gzip
import io
import lzma
import os
import tarfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from rebuild.context.fault import ContextError, TooLarge
from rebuild.context.fetch import Fetched, fetch
from rebuild.context.limits import Limits, Meter
from rebuild.context.unpack import Links, unpack
from rebuild.context.where import Source
from tests.rebuild.context.archives import Member, tar_of
from tests.rebuild.context.repositories import Repository
from tests.rebuild.context.web import Handler, serving

MIB = 1024 * 1024
SMALL = Limits(unpacked_bytes=1_000_000, files=100, path_bytes=500, depth=20)


def fetched(text: str, into: Path, **more: Any) -> Fetched:
    return asyncio.run(fetch(Source.parse(text), into, log=lambda piece: None, **more))


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "into"


def unpacked(content: bytes, into: Path, *, limits: Limits = SMALL) -> list[str]:
    into.mkdir()
    unpack(io.BytesIO(content), into, Meter(limits), links=Links.INSIDE)
    return sorted(str(path.relative_to(into)) for path in into.rglob("*"))


def zstd_with_window(content: bytes, window_log: int) -> bytes:
    packing = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: window_log})
    return packing.compress(content) + packing.flush()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd.compress])
def test_a_bomb_of_any_kind_ends_at_the_limit(pack: Callable[[bytes], bytes], into: Path) -> None:
    with pytest.raises(TooLarge, match="1000000 bytes unpacked"):
        unpacked(pack(tar_of(Member("a", bytes(20 * MIB)))), into)


def test_a_window_of_zstd_that_takes_gigabytes_is_refused(into: Path) -> None:
    with pytest.raises(ContextError, match="zstd file that is broken"):
        unpacked(zstd_with_window(tar_of(Member("a", b"x")), 30), into)


def test_a_dictionary_of_xz_that_takes_gigabytes_is_refused(into: Path) -> None:
    packed = bytearray(lzma.compress(tar_of(Member("a", b"x"))))
    block = slice(12, 12 + (packed[12] + 1) * 4)  # the header of the first block, its check sum at the end
    at = packed.index(b"\x21\x01", block.start) + 2  # of LZMA2, the size of its dictionary
    packed[at] = 40  # 4 GiB
    packed[block.stop - 4 : block.stop] = zlib.crc32(packed[block.start : block.stop - 4]).to_bytes(
        4, "little"
    )

    with pytest.raises(ContextError, match=r"xz file that is broken.*[Mm]emory"):
        unpacked(bytes(packed), into)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE])
def test_headers_about_headers_without_end_are_refused(kind: bytes, into: Path) -> None:
    """tarfile calls itself for each of them."""
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, 11
    one = header.tobuf(tarfile.USTAR_FORMAT) + b"11 path=ab\n".ljust(512, b"\0")

    with pytest.raises(TooLarge, match="header upon header"):
        unpacked(one * 5000 + tar_of(Member("a")), into, limits=Limits())


@pytest.mark.parametrize(
    "name", [b"a\nb", b"caf\xe9", b"\xff\xfe", b"a\x1b[31mb", b" ", b"a\\b", b"\xe2\x80\xae"]
)
def test_odd_names_are_names(name: bytes, into: Path) -> None:
    header = tarfile.TarInfo(name.decode(errors="surrogateescape"))
    content = header.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape") + bytes(1024)

    assert unpacked(content, into) == [name.decode(errors="surrogateescape")]


def test_files_by_the_thousand_are_unpacked_wherever_their_folders_are(into: Path) -> None:
    header = tarfile.TarInfo()

    def named(name: str) -> bytes:
        header.name = name
        return header.tobuf(tarfile.USTAR_FORMAT)

    content = b"".join(named(f"d{number % 100}/{number}") for number in range(20_000)) + bytes(1024)
    into.mkdir()
    unpack(io.BytesIO(content), into, Meter(Limits()), links=Links.INSIDE)

    assert sum(1 for path in into.rglob("*") if path.is_file()) == 20_000


def test_a_repository_in_an_archive_is_files_and_acts_nowhere(into: Path, tmp_path: Path) -> None:
    acted = tmp_path / "acted"
    setting = f"[core]\n\tfsmonitor = touch {acted}\n\thooksPath = .\n".encode()

    assert ".git/config" in unpacked(tar_of(Member(".git/config", setting), Member(".git/HEAD", b"x")), into)
    assert not acted.exists()


def drip(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"\0")
        time.sleep(0.02)


def test_a_server_that_sends_byte_after_byte_is_left(into: Path) -> None:
    with serving() as web, pytest.raises(TooLarge, match="longer than 1 s"):
        fetched(web.gives("/x", drip), into, limits=Limits(timeout_s=1))


def test_an_artifact_that_comes_byte_after_byte_is_left(into: Path) -> None:
    with serving() as web, pytest.raises(TooLarge, match="longer than 1 s"):
        web.gives("/v2/a/manifests/1", drip)
        fetched(f"oci://{web.url.removeprefix('http://')}/a:1", into, limits=Limits(timeout_s=1))


def raw_tree(repository: Repository, *entries: tuple[str, bytes, str]) -> str:
    """A tree that git itself would not write."""
    content = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(at) for mode, name, at in entries)
    return repository.written("tree", content)


def branch_of(repository: Repository, tree: str) -> str:
    """The context that has this tree."""
    repository.git("update-ref", "refs/heads/hostile", repository.git("commit-tree", "-m", "x", tree))
    return f"{repository.url}#hostile"


@pytest.mark.parametrize("name", [b"..", b".git", b".GIT", b"git~1", b"a/b", b"../x", b".", b"", b"a\\..\\b"])
@pytest.mark.parametrize("mode", ["100644", "40000", "160000"])
def test_a_forged_tree_leads_nowhere(name: bytes, mode: str, tmp_path: Path) -> None:
    repository = Repository.made(tmp_path / "served/app.git", {"file": "x"})
    blob, commit = repository.git("rev-parse", "HEAD:file"), repository.git("rev-parse", "HEAD")
    at = {"100644": blob, "40000": raw_tree(repository, ("100644", b"x", blob)), "160000": commit}[mode]
    into = tmp_path / "place" / "into"
    into.parent.mkdir()

    with contextlib.suppress(ContextError):
        fetched(branch_of(repository, raw_tree(repository, (mode, name, at))), into)

    assert set(into.parent.iterdir()) <= {into}
    assert not list(into.parent.rglob(".git"))


@pytest.mark.parametrize("link_first", [True, False])
def test_no_submodule_is_put_behind_a_link_of_the_same_name(link_first: bool, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    repository = Repository.made(tmp_path / "served/app.git", {"file": "x"})
    target = repository.written("blob", str(outside).encode())
    modules = repository.written("blob", f'[submodule "s"]\npath = a/sub\nurl = {repository.url}\n'.encode())
    inner = raw_tree(repository, ("160000", b"sub", repository.git("rev-parse", "HEAD")))
    pair = [("120000", b"a", target), ("40000", b"a", inner)]
    tree = raw_tree(repository, ("100644", b".gitmodules", modules), *(pair if link_first else pair[::-1]))

    with contextlib.suppress(ContextError):  # git may take the folder and leave the link
        fetched(branch_of(repository, tree), tmp_path / "into")

    assert list(outside.iterdir()) == []


def test_a_server_of_git_that_answers_byte_after_byte_is_left(into: Path) -> None:
    with serving() as web, pytest.raises(TooLarge, match="longer than 1 s"):
        web.gives("/app.git/info/refs?service=git-upload-pack", drip)
        fetched(f"{web.url}/app.git", into, limits=Limits(timeout_s=1))


def test_an_input_into_which_nobody_writes_is_left(into: Path) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as stdin, pytest.raises(TooLarge, match="longer than 1 s"):
        fetched("-", into, stdin=stdin, limits=Limits(timeout_s=1))
    os.close(writer)

    assert not into.exists()
