"""A packed folder is what its ignore file leaves of it: the same bytes each time, nothing followed."""

from __future__ import annotations

import gzip
import io
import os
import socket
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebuild.context.fault import ContextError
from rebuild.context.folder import Packed, list_folder, pack
from rebuild.context.limits import Limits, Meter
from rebuild.context.unpack import Links, unpack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def packed(folder: Path, dockerfile: Path | None = None) -> tuple[Packed, tarfile.TarFile]:
    content = io.BytesIO()
    result = pack(folder, dockerfile, into=content)
    return result, tarfile.open(fileobj=io.BytesIO(gzip.decompress(content.getvalue())))


def names(folder: Path) -> list[str]:
    return [entry.path for entry in list_folder(folder, None).entries]


def test_everything_is_sent_sorted_each_folder_before_what_is_in_it(folder: Path) -> None:
    write(folder, "b", "a/z", "a/b/c", "a-b")

    assert names(folder) == ["a", "a/b", "a/b/c", "a/z", "a-b", "b"]


def test_a_folder_that_is_left_out_is_sent_if_an_exception_brings_something_in_it_back(folder: Path) -> None:
    write(folder, ".dockerignore", "a/b/keep", "a/b/drop", "a/x/drop", "c/drop")
    (folder / ".dockerignore").write_text("*\n!a/b/keep")

    assert names(folder) == [".dockerignore", "a", "a/b", "a/b/keep"]


def test_a_folder_that_no_exception_could_reach_is_not_opened(folder: Path) -> None:
    write(folder, ".dockerignore")
    (folder / ".dockerignore").write_text("closed\n!open")
    (folder / "closed").symlink_to("/nowhere")
    (folder / "closed").unlink()
    os.mkfifo(folder / "closed")  # whoever opened it would wait for ever

    assert names(folder) == [".dockerignore"]


def test_equal_content_gives_equal_bytes_wherever_it_lies(tmp_path: Path) -> None:
    streams = []
    for place in ("one", "other/deeper"):
        write(tmp_path / place, "b", "a/c", "Dockerfile")
        for path in (tmp_path / place).rglob("*"):
            os.utime(path, (1_600_000_000, 1_600_000_000))
        stream = io.BytesIO()
        pack(tmp_path / place, tmp_path / place / "Dockerfile", into=stream)
        streams.append(stream.getvalue())

    assert streams[0] == streams[1]


def test_owners_and_special_bits_stay_behind(folder: Path) -> None:
    write(folder, "program")
    (folder / "program").chmod(0o6755)

    member = packed(folder)[1].getmember("program")

    assert (member.uid, member.gid, member.uname, member.mode) == (0, 0, "", 0o755)


def test_a_link_is_sent_as_a_link(folder: Path) -> None:
    (folder / "link").symlink_to("/etc")

    member = packed(folder)[1].getmember("link")

    assert member.issym() and member.linkname == "/etc"


def test_the_dockerfile_goes_in_once_more_where_no_rule_hides_it(folder: Path) -> None:
    write(folder, "Dockerfile", ".dockerignore")
    (folder / ".dockerignore").write_text("*")

    result, tar = packed(folder, folder / "Dockerfile")

    assert result.dockerfile is not None and result.dockerfile.endswith("_Dockerfile")
    assert tar.getnames() == [result.dockerfile]
    assert tar.extractfile(result.dockerfile).read() == b"Dockerfile"  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["acb.yaml", "sub/odd [1].yaml"])
def test_a_task_file_is_sent_whatever_the_rules_hide(name: str, tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("*\n")
    for file in (name, "Dockerfile", "sub/other", "secret"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("x")

    sent = {entry.path for entry in list_folder(tmp_path, None, ["./" + name, "../out", "/abs"]).entries}

    assert sent - {"sub"} == {".dockerignore", "Dockerfile", name}


def test_a_dockerfile_from_outside_brings_its_own_ignore_file(folder: Path, tmp_path: Path) -> None:
    write(folder, "a", "b")
    write(tmp_path, "elsewhere/app.Dockerfile", "elsewhere/app.Dockerfile.dockerignore")
    (tmp_path / "elsewhere/app.Dockerfile.dockerignore").write_text("b")

    result, tar = packed(folder, tmp_path / "elsewhere/app.Dockerfile")

    assert tar.getnames() == ["a", result.dockerfile, f"{result.dockerfile}.dockerignore"]


def test_what_no_tar_can_hold_is_named(folder: Path) -> None:
    write(folder, "a")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        result, tar = packed(folder)

    assert (sorted(result.left_out), tar.getnames()) == (["pipe", "socket"], ["a"])


def test_progress_ends_at_the_whole(folder: Path) -> None:
    write(folder, "a", "b/c")
    steps: list[tuple[int, int]] = []

    result = pack(
        folder, folder / "a", into=io.BytesIO(), progress=lambda done, total: steps.append((done, total))
    )

    assert steps[-1] == (result.size, result.size) == (5, 5)
    assert steps == sorted(steps)


def test_what_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(ContextError, match="nowhere"):
        pack(folder, folder / "nowhere", into=io.BytesIO())
    with pytest.raises(ContextError, match="is not a folder"):
        pack(folder / "nowhere", None, into=io.BytesIO())


def test_a_file_that_shrinks_meanwhile_is_named(folder: Path) -> None:
    (folder / "file").write_bytes(bytes(8 * 1024 * 1024))

    with pytest.raises(ContextError, match="changed while it was packed"):
        pack(folder, None, into=io.BytesIO(), progress=lambda done, total: os.truncate(folder / "file", 0))


def test_a_deep_folder_is_packed(folder: Path) -> None:
    deep = str(folder)
    for _ in range(500):
        deep += "/d"
        Path(deep).mkdir()

    assert len(list_folder(folder, None).entries) == 500


NAME = st.text(min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..") and not set(name) & {"/", "\0"}
)
NAME = NAME.filter(lambda name: not any(0xD800 <= ord(char) < 0xE000 for char in name))
TREES = st.dictionaries(st.tuples(NAME, NAME), st.binary(max_size=50), max_size=6)


@settings(deadline=None)
@given(TREES)
def test_any_folder_comes_out_as_it_went_in(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[tuple[str, str], bytes]
) -> None:
    before, after = tmp_path_factory.mktemp("before"), tmp_path_factory.mktemp("after")
    for (above, name), content in tree.items():
        (before / above).mkdir(exist_ok=True)
        (before / above / name).write_bytes(content)
    sent = {entry.path for entry in list_folder(before, None).entries}
    stream = io.BytesIO()
    pack(before, None, into=stream)
    stream.seek(0)

    unpack(stream, after, Meter(Limits()), links=Links.ANYWHERE)

    there = {str(path.relative_to(after)): path for path in after.rglob("*")}
    assert set(there) == sent
    assert all(
        path.read_bytes() == (before / name).read_bytes() for name, path in there.items() if path.is_file()
    )
