"""No archive writes outside its folder, and none costs more than the limits; run as root these hold too."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import stat
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from rebuild.context.fault import ContextError, TooLarge, Unsafe
from rebuild.context.limits import Limits, Meter
from rebuild.context.unpack import Links, unpack
from tests.rebuild.context.archives import Member, folder, hard_link, link, tar_of

SMALL = Limits(unpacked_bytes=1_000_000, files=100, path_bytes=500, depth=20)


@pytest.fixture
def into(tmp_path: Path) -> Path:
    made = tmp_path / "into"
    made.mkdir()
    return made


def unpacked(
    content: bytes, into: Path, *, limits: Limits = SMALL, links: Links = Links.INSIDE
) -> dict[str, Path]:
    """What is in the folder afterwards, by path."""
    unpack(io.BytesIO(content), into, Meter(limits), links=links)
    return {str(path.relative_to(into)): path for path in into.rglob("*")}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress, zstd.compress])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_is_recognised_however_it_is_packed(
    pack: Callable[[bytes], bytes], form: int, into: Path
) -> None:
    there = unpacked(pack(tar_of(folder("a"), Member("a/b", b"content"), form=form)), into)

    assert sorted(there) == ["a", "a/b"]
    assert there["a/b"].read_bytes() == b"content"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd.compress])
def test_several_compressed_files_in_a_row_are_one(pack: Callable[[bytes], bytes], into: Path) -> None:
    content = tar_of(Member("a", b"x" * 100_000))

    assert list(unpacked(pack(content[:5000]) + pack(content[5000:]), into)) == ["a"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress, zstd.compress])
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.7])
def test_a_tar_that_is_cut_off_is_an_error(pack: Callable[[bytes], bytes], kept: float, into: Path) -> None:
    content = pack(tar_of(*(Member(f"file{number}", os.urandom(512)) for number in range(30))))

    with pytest.raises(ContextError):
        unpacked(content[: int(len(content) * kept)], into)


def test_a_tar_that_is_cut_off_between_two_members_is_an_error(into: Path) -> None:
    with pytest.raises(ContextError, match="no end"):
        unpacked(tar_of(Member("a"), Member("b"), form=tarfile.GNU_FORMAT)[:512], into)


def test_damage_behind_the_last_member_is_noticed(into: Path) -> None:
    content = bytearray(gzip.compress(tar_of(Member("a", b"x"))))
    content[-6] ^= 1  # in the check sum

    with pytest.raises(ContextError, match="broken"):
        unpacked(bytes(content), into)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "an empty file"),
        (b"  <!DOCTYPE html><html>", "a web page"),
        (b"PK\x03\x04rest", "a zip file"),
        (b'{"message": "Not Found"}', "JSON"),
        (b"FROM scratch\n", "something that begins with b'FROM"),
        (gzip.compress(b"FROM scratch\n"), "a gzip file that holds something"),
        (b"\x1f\x8bbroken", "a gzip file that is"),
        (b"BZh9broken", "a bzip2 file that is"),
        (b"\xfd7zXZ\x00broken", "a xz file that is"),
        (b"\x28\xb5\x2f\xfdbroken!", "a zstd file that is"),
    ],
)
def test_what_is_no_tar_is_named(content: bytes, named: str, into: Path) -> None:
    with pytest.raises(ContextError, match=named):
        unpacked(content, into)


def test_a_tar_of_nothing_is_an_empty_context(into: Path) -> None:
    assert unpacked(tar_of(), into) == {}


def test_owners_and_special_bits_are_not_taken_over(into: Path) -> None:
    status = unpacked(tar_of(Member("a", b"x", mode=0o7777)), into)["a"].stat()

    assert stat.S_IMODE(status.st_mode) == 0o777
    assert (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())


def test_times_are_those_of_the_archive_for_folders_too(into: Path) -> None:
    there = unpacked(tar_of(folder("a"), Member("a/b"), link("a/c", "b"), Member("new/d", mtime=7)), into)

    assert {int(there[name].lstat().st_mtime) for name in ("a", "a/b", "a/c")} == {1_600_000_000}
    assert there["new"].stat().st_mtime == 7  # the tar does not name it: it has the time of what is in it


def test_the_last_of_two_members_with_one_name_counts(into: Path) -> None:
    there = unpacked(tar_of(Member("a", b"old"), link("a", "b"), Member("./a", b"new")), into)

    assert there["a"].read_bytes() == b"new" and not there["a"].is_symlink()


def test_names_that_differ_in_case_are_two_files(into: Path) -> None:
    assert sorted(unpacked(tar_of(Member("a", b"1"), Member("A", b"2")), into)) == ["A", "a"]


@pytest.mark.parametrize(
    ("name", "target"),
    [("l", "a"), ("l", "a/"), ("x/l", "../a"), ("x/y/l", "../../a/./b"), ("l", "."), ("l", "gone")],
)
def test_a_link_that_stays_inside_is_kept(name: str, target: str, into: Path) -> None:
    assert unpacked(tar_of(folder("a"), link(name, target)), into)[name].readlink() == Path(target)


@pytest.mark.parametrize(
    ("name", "target"),
    [("l", "/etc"), ("l", ".."), ("x/l", "../.."), ("l", "a/../.."), ("l", "a/.."), ("l", "//x")],
)
def test_a_link_out_of_the_folder_is_refused_from_strangers_and_kept_from_its_owner(
    name: str, target: str, into: Path, tmp_path: Path
) -> None:
    content = tar_of(folder("a"), link(name, target))

    with pytest.raises(Unsafe, match="outside its folder"):
        unpacked(content, into)
    own = tmp_path / "own"
    own.mkdir()
    assert unpacked(content, own, links=Links.ANYWHERE)[name].is_symlink()


def test_a_hard_link_is_a_second_name_for_a_file_before_it(into: Path) -> None:
    there = unpacked(tar_of(Member("a/b", b"x"), hard_link("c/d", "a/b")), into)

    assert there["c/d"].samefile(there["a/b"])


HOSTILE = {
    "a name with ..": [Member("../outside", b"x")],
    "a name with .. within": [Member("a/../../outside", b"x")],
    "an absolute name": [Member("/outside", b"x")],
    "a folder with ..": [folder("../outside")],
    "through a link": [link("l", "OUT"), Member("l/outside", b"x")],
    "through a link to a folder inside": [folder("a"), link("l", "a"), Member("l/b", b"x")],
    "a folder through a link": [link("l", "OUT"), folder("l/outside")],
    "a link through a link": [link("l", "OUT"), link("l/outside", "x")],
    "a folder's mode through a link": [link("l", "OUT"), folder("l"), Member("l/outside", b"x")],
    "a hard link to outside": [hard_link("h", "../kept"), Member("h", b"x")],
    "a hard link to an absolute name": [hard_link("h", "OUT/kept")],
    "a hard link through a link": [link("l", "OUT"), hard_link("h", "l/kept")],
    "a hard link to a link": [link("l", "OUT/kept"), hard_link("h", "l"), Member("h", b"x")],
    "a hard link to nothing": [hard_link("h", "gone")],
    "a hard link to itself": [Member("h"), hard_link("h", "h")],
    "a hard link to a folder": [folder("a"), hard_link("h", "a")],
    "a device": [Member("d", kind=tarfile.CHRTYPE)],
    "a block device": [Member("d", kind=tarfile.BLKTYPE)],
    "a named pipe": [Member("p", kind=tarfile.FIFOTYPE)],
    "a file in place of the folder": [Member(".", b"x")],
    "a link in place of the folder": [link(".", "OUT")],
    "a file in place of a folder that is full": [Member("a/b"), Member("a", b"x")],
    "a folder in a file": [Member("a"), Member("a/b")],
    "a name with a part of 256 bytes": [Member("x" * 256)],
}


@pytest.mark.parametrize("links", Links)
@pytest.mark.parametrize("what", HOSTILE)
def test_nothing_is_written_outside(what: str, links: Links, into: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    before = snapshot(tmp_path, into)
    members = [
        replace(one, target=one.target.replace("OUT", str(tmp_path)), name=one.name) for one in HOSTILE[what]
    ]

    if what != "a folder's mode through a link" or links is Links.INSIDE:
        with pytest.raises(ContextError):
            unpacked(tar_of(*members), into, links=links)
    else:
        unpacked(tar_of(*members), into, links=links)  # the folder takes the place of the link

    assert snapshot(tmp_path, into) == before


def snapshot(folder: Path, without: Path) -> list[tuple[str, int, bytes]]:
    """Everything in a folder but for what is in `without`: names, modes and content."""
    paths = [path for path in sorted(folder.rglob("*")) if not path.is_relative_to(without)]
    return [(str(path), path.lstat().st_mode, path.read_bytes() if path.is_file() else b"") for path in paths]


def test_a_chain_of_links_longer_than_a_path_may_be_leads_nowhere(into: Path, tmp_path: Path) -> None:
    """What deceived a check by resolving names: a path too long to resolve counted as harmless."""
    long = "d" * 247
    members: list[Member] = []
    path = ""
    for step in "abcdefghijklmnop":
        members += [folder(f"{path}{long}"), link(f"{path}{step}", long)]
        path += f"{step}/"
    members += [link(f"{path}{'l' * 254}", "../" * 16), link("escape", f"{path}{'l' * 254}/../../outside")]
    members += [Member("escape/x", b"x")]

    with pytest.raises(ContextError):
        unpacked(tar_of(*members), into, limits=Limits(), links=Links.ANYWHERE)
    assert not (tmp_path / "outside").exists()


def test_a_bomb_ends_at_the_limit(into: Path) -> None:
    bomb = gzip.compress(tar_of(Member("a", bytes(50_000_000))), 9)

    with pytest.raises(TooLarge, match="1000000 bytes unpacked"):
        unpacked(bomb, into)
    assert sum(path.stat().st_size for path in into.rglob("*")) <= SMALL.unpacked_bytes


def test_what_lies_behind_the_end_is_bounded_too(into: Path) -> None:
    with pytest.raises(TooLarge):
        unpacked(gzip.compress(tar_of(Member("a")) + bytes(5_000_000)), into)


def test_a_size_that_is_a_lie_writes_nothing(into: Path) -> None:
    header = tarfile.TarInfo("a")
    header.size = 2**60

    with pytest.raises(TooLarge):
        unpacked(header.tobuf(tarfile.GNU_FORMAT), into)
    assert list(into.iterdir()) == []


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_name_of_megabytes_is_not_read(form: int, into: Path) -> None:
    with pytest.raises(TooLarge, match="header"):
        unpacked(tar_of(Member("x/" * 2_000_000), form=form), into)


@pytest.mark.parametrize(
    ("members", "rule"),
    [
        ([Member(f"f{number}") for number in range(101)], "more than 100 files"),
        ([Member("d/" * 20 + "x")], "more than 20 folders"),
        ([Member("/".join(["x" * 200] * 3))], "more than 500"),
    ],
)
def test_files_depth_and_names_are_bounded(members: list[Member], rule: str, into: Path) -> None:
    with pytest.raises(TooLarge, match=rule):
        unpacked(tar_of(*members), into)


def test_time_is_bounded(into: Path) -> None:
    ticks = iter(range(0, 10_000, 50))
    meter = Meter(Limits(timeout_s=200), clock=lambda: next(ticks))

    with pytest.raises(TooLarge, match="longer than 200 s"):
        unpack(io.BytesIO(tar_of(*(Member(f"f{n}") for n in range(20)))), into, meter, links=Links.INSIDE)


def test_a_sparse_file_is_refused(into: Path) -> None:
    header = tarfile.TarInfo("a")
    header.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(2**50),
                          "GNU.sparse.name": "a"}  # fmt: skip
    header.size = 512
    content = header.tobuf(tarfile.PAX_FORMAT) + b"0\n".ljust(512, b"\0") + bytes(1024)

    with pytest.raises(ContextError):
        unpacked(content, into)


@pytest.mark.parametrize(
    "records",
    [
        b"30 mtime=nan\n",
        b"20 mtime=inf\n",
        b"13 path=\x00a\n",
        b"12 size=-5\n",
        b"999 path=x\n",
        b"x",
        b"0 =\n",
    ],
)
def test_odd_records_are_read_or_refused(records: bytes, into: Path) -> None:
    extended = tarfile.TarInfo("x")
    extended.type, extended.size = tarfile.XHDTYPE, len(records)
    plain = tarfile.TarInfo("a").tobuf()
    content = extended.tobuf(tarfile.USTAR_FORMAT) + records.ljust(512, b"\0") + plain + bytes(1024)

    try:
        assert list(unpacked(content, into)) in ([], ["a"])
    except ContextError:
        assert list(into.iterdir()) == []


PART = st.sampled_from(["a", "b", "..", ".", "l", "", "A", "x" * 255, "é"])
NAME = st.lists(PART, min_size=1, max_size=4).map("/".join)
MEMBERS = st.lists(
    st.builds(
        Member,
        name=NAME,
        content=st.just(b""),
        kind=st.sampled_from([tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.REGTYPE]),
        target=st.one_of(NAME, NAME.map(lambda name: f"/{name}")),
        mode=st.integers(0, 0o7777),
    ),
    max_size=8,
)


@settings(deadline=None)
@given(MEMBERS, st.sampled_from(Links))
def test_no_members_lead_outside(
    tmp_path_factory: pytest.TempPathFactory, members: list[Member], links: Links
) -> None:
    around = tmp_path_factory.mktemp("around")
    into = around / "one" / "into"
    into.mkdir(parents=True)
    (around / "a").write_text("kept")
    before = snapshot(around, into)

    try:
        there = unpacked(tar_of(*members), into, links=links)
        if links is Links.INSIDE:
            assert all(path.resolve().is_relative_to(into) for path in there.values() if resolves(path))
    except ContextError:
        pass

    assert snapshot(around, into) == before


def resolves(path: Path) -> bool:
    try:
        path.resolve()
    except RuntimeError:  # links in a circle
        return False
    return True


@settings(deadline=None)
@given(st.binary(max_size=3000), st.integers(0, 2000), st.sampled_from([bytes, gzip.compress]))
def test_any_damage_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int, pack: Callable[[bytes], bytes]
) -> None:
    content = bytearray(tar_of(Member("a", b"x" * 600), folder("b"), link("b/l", "../a")))
    content[at : at + len(noise)] = noise

    with contextlib.suppress(ContextError):
        unpacked(pack(bytes(content)), tmp_path_factory.mktemp("into"))
