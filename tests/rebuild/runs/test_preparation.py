"""A fetched context is read where it is, and nothing through it: its files may be links of a stranger."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from graph.errors import WrongUse
from graph.reference import Platform
from rebuild.context.dockerfile_copy import name_of_copy
from rebuild.context.folder import pack
from rebuild.images.image_build import DOCKERFILE_BYTES_MOST, examine, find_dockerfile
from rebuild.images.tools import Tools
from rebuild.runs.definition import Definition, DockerStep
from rebuild.runs.preparation import Prepared, image_build

STEP = DockerStep()
DEFINITION = Definition("https://example.com/r.git", STEP, Platform.of("linux", "amd64"))
NO_ENGINE = cast(Tools, SimpleNamespace(build_platform=DEFINITION.platform))  # nothing gets as far as one


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


def test_messages_name_a_fetched_file_by_its_path_in_the_context(tmp_path: Path) -> None:
    fetched = image_build(DEFINITION, replace(STEP, dockerfile="a/Dockerfile"), Prepared(tmp_path))
    own = replace(fetched, is_local=True)

    for wanted, said in (
        (fetched, "the context has no file 'a/Dockerfile'"),
        (own, f"no Dockerfile at {tmp_path}/a"),
    ):
        with pytest.raises(WrongUse, match=said):
            find_dockerfile(wanted)


def test_messages_name_the_copy_of_a_dockerfile_that_was_sent_as_it_was_typed(tmp_path: Path) -> None:
    (tmp_path / "app.Dockerfile").write_text("FROM scratch\n")
    name = pack(tmp_path, tmp_path / "app.Dockerfile", into=io.BytesIO()).dockerfile
    assert name is not None

    sent = image_build(DEFINITION, replace(STEP, dockerfile=name), Prepared(tmp_path))

    assert sent.told(tmp_path / name) == "app.Dockerfile"


@pytest.mark.parametrize(
    ("text", "target", "said"),
    [
        ("FROM scratch AS a\n", "nope", "app.Dockerfile:1: there is no target stage 'nope'"),
        ("#" * (DOCKERFILE_BYTES_MOST + 1), None, "app.Dockerfile is larger than"),
    ],
    ids=["no such target", "too large"],
)
def test_what_is_wrong_with_a_dockerfile_that_was_sent_names_it_as_it_was_typed(
    tmp_path: Path, text: str, target: str | None, said: str
) -> None:
    name = name_of_copy(text.encode(), "app.Dockerfile")
    (tmp_path / name).write_text(text)
    sent = image_build(DEFINITION, replace(STEP, dockerfile=name, target=target), Prepared(tmp_path))

    with pytest.raises(WrongUse) as refused:
        examine(sent, NO_ENGINE)

    assert refused.value.message.startswith(said)
