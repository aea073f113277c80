"""Which ignore file an engine is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from rebuild.engines.emulation import this_machine
from rebuild.engines.engine import BuildRequest
from rebuild.engines.left_out import given_ignore_file


def given(context: Path, folder: Path, *leaves_out: str, own: Path | None = None) -> Path | None:
    request = BuildRequest(context, context / "Dockerfile", own, this_machine(), "x", leaves_out=leaves_out)
    return given_ignore_file(request, folder)


def test_where_nothing_else_is_left_out_the_engine_reads_the_contexts_own(tmp_path: Path) -> None:
    own = tmp_path / "Dockerfile.dockerignore"

    assert given(tmp_path, tmp_path) is None
    assert given(tmp_path, tmp_path, own=own) == own


@pytest.mark.parametrize("name", [".dockerignore", "Dockerfile.dockerignore"])
def test_what_is_left_out_comes_before_the_rules_of_the_context(name: str, tmp_path: Path) -> None:
    rules = tmp_path / name
    rules.write_text("\ufeff# a comment\r\n./secret/\n! kept\n #odd\n\n")
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    written = given(tmp_path, scratch, "**/.git", own=None if name == ".dockerignore" else rules)

    assert written is not None
    assert written.parent == scratch
    assert written.read_text() == "**/.git\nsecret\n!kept\n\\#odd\n"


def test_a_context_without_rules_leaves_out_what_is_left_out_anyway(tmp_path: Path) -> None:
    written = given(tmp_path, tmp_path, "**/.git")

    assert written is not None
    assert written.read_text() == "**/.git\n"
