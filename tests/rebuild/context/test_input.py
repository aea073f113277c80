"""What comes by standard input is a tar, or a Dockerfile alone; on its way to a service it stays one."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from rebuild.context.fault import ContextError
from rebuild.context.input import DOCKERFILE_BYTES_MOST, pass_on
from rebuild.context.limits import Limits, Meter
from rebuild.context.unpack import Links, unpack
from tests.rebuild.context.archives import Member, tar_of

DOCKERFILE = b"FROM scratch\n"


def passed_on(content: bytes) -> bytes:
    sink = io.BytesIO()
    pass_on(io.BytesIO(content), sink)
    return sink.getvalue()


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_tar_is_passed_on_byte_for_byte(size: int) -> None:
    content = gzip.compress(tar_of(Member("Dockerfile", bytes(size))))

    assert passed_on(content) == content


def test_a_dockerfile_alone_is_passed_on_as_the_tar_that_holds_it(tmp_path: Path) -> None:
    unpack(io.BytesIO(passed_on(DOCKERFILE)), tmp_path, Meter(Limits()), links=Links.INSIDE)

    assert (tmp_path / "Dockerfile").read_bytes() == DOCKERFILE


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"FROM \0", b"#" * (DOCKERFILE_BYTES_MOST + 1), b"PK\x03\x04\0"]
)
def test_what_is_neither_is_refused(content: bytes) -> None:
    with pytest.raises(ContextError, match="neither a tar nor a Dockerfile"):
        passed_on(content)


def test_the_tar_of_a_dockerfile_depends_on_nothing_else() -> None:
    with tarfile.open(fileobj=io.BytesIO(passed_on(DOCKERFILE))) as tar:
        members = [(member.name, member.mtime, member.uid) for member in tar]

    assert members == [("Dockerfile", 0, 0)]
