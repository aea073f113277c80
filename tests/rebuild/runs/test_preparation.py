"""A fetched context is read where it is, and nothing through it: its files may be links of a stranger."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.errors import WrongUse
from graph.reference import Platform
from rebuild.runs.definition import Definition, DockerStep
from rebuild.runs.preparation import Prepared, image_build

STEP = DockerStep()
DEFINITION = Definition("https://example.com/r.git", STEP, Platform.of("linux", "amd64"))


@pytest.mark.parametrize("name", ["Dockerfile", "Containerfile", ".dockerignore", "Dockerfile.dockerignore"])
def test_a_link_out_of_a_fetched_context_is_not_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("FROM scratch\n")
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / name).symlink_to("../secret")

    with pytest.raises(WrongUse, match=f"'{name}' leads out of the context"):
        image_build(DEFINITION, STEP, Prepared(folder))


def test_a_link_inside_a_fetched_context_is_read(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("FROM scratch\n")
    (tmp_path / "Dockerfile").symlink_to("real")

    assert image_build(DEFINITION, STEP, Prepared(tmp_path)).context == tmp_path


def test_the_users_own_folder_may_link_to_anywhere(tmp_path: Path) -> None:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").symlink_to("../shared.Dockerfile")

    assert image_build(DEFINITION, STEP, Prepared(folder, is_local=True)).context == folder


def test_the_users_own_folder_is_built_from_without_what_packing_leaves_out(tmp_path: Path) -> None:
    assert "**/.git" in image_build(DEFINITION, STEP, Prepared(tmp_path, is_local=True)).leaves_out
    assert image_build(DEFINITION, STEP, Prepared(tmp_path)).leaves_out == ()
