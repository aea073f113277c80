"""`tracker scan` as it is typed: what it prints, and what it says where it cannot."""
# ruff: noqa: E501 - tables, a case a line

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tracker.cli.main import run
from tracker.cli.scan import command

ROOT = Path(__file__).parents[3]
DOCKERFILE = """\
ARG V=3
FROM golang:1.22 AS Build
FROM busybox AS spare
FROM alpine:${V}
COPY --from=build /x /x
COPY --from=ghcr.io/o/tools@sha256:%s /t /t
""" % ("a" * 64)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a Dockerfile, and the current folder at the same time."""
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("context")
def test_json_tells_stages_and_bases_in_the_order_of_the_file() -> None:
    assert printed("Dockerfile", "--platform", "arm64", "--json") == {
        "dockerfile": "Dockerfile",
        "target": None,
        "platform": "linux/arm64",
        "stages": [
            {"name": "build", "index": 0, "base": "docker.io/library/golang:1.22", "reachable": True, "line": 2},
            {"name": "spare", "index": 1, "base": "docker.io/library/busybox:latest", "reachable": False, "line": 3},
            {"name": None, "index": 2, "base": "docker.io/library/alpine:3", "reachable": True, "line": 4},
        ],
        "bases": [
            base("docker.io/library/golang:1.22", "golang:1.22", "buildtime", "from", "build", 2),
            base("docker.io/library/busybox:latest", "busybox", "buildtime", "from", "spare", 3, reachable=False),
            base("docker.io/library/alpine:3", "alpine:${V}", "runtime", "from", "2", 4),
            base(f"ghcr.io/o/tools@sha256:{'a' * 64}", f"ghcr.io/o/tools@sha256:{'a' * 64}", "buildtime", "copy", "2", 6),
        ],
    }  # fmt: skip


@pytest.mark.usefixtures("context")
def test_a_target_and_build_arguments_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("V", "3.20")

    found = printed("Dockerfile", "--build-arg", "V", "--target", "SPARE", "--json")

    assert found["target"] == "SPARE"
    assert [each["reachable"] for each in found["stages"]] == [False, True, False]
    assert found["stages"][2]["base"] == "docker.io/library/alpine:3.20"


@pytest.mark.usefixtures("context")
def test_a_build_argument_that_the_environment_lacks_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("V", raising=False)

    found = printed("Dockerfile", "--build-arg", "V", "--json")

    assert found["stages"][2]["base"] == "docker.io/library/alpine:3"


def test_a_folder_means_its_dockerfile(context: Path) -> None:
    assert printed(str(context), "--json")["dockerfile"] == str(context / "Dockerfile")


def test_a_folder_may_have_a_containerfile_instead(tmp_path: Path) -> None:
    (tmp_path / "Containerfile").write_text("FROM scratch")

    assert printed(str(tmp_path), "--json")["dockerfile"] == str(tmp_path / "Containerfile")


def test_a_file_can_be_named_beside_its_folder(context: Path) -> None:
    other = context / "other.dockerfile"
    other.write_text("FROM scratch AS only")

    assert [each["name"] for each in printed(".", "-f", "other.dockerfile", "--json")["stages"]] == ["only"]


def test_standard_input_is_read() -> None:
    done = CliRunner().invoke(command, ["-", "--json"], input="FROM scratch\n", catch_exceptions=False)

    assert json.loads(done.stdout)["dockerfile"] == "-"


@pytest.mark.usefixtures("context")
def test_the_table_fits_into_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    lines = CliRunner().invoke(command, ["."], catch_exceptions=False).stdout.splitlines()

    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["BASE", "ROLE", "VIA", "STAGE", "LINE", "USED"]
    assert lines[2].split() == ["busybox:latest", "buildtime", "from", "spare", "3", "no"]
    assert lines[-1].startswith("4 bases in 3 stages, 2 of them used, for linux/")


def test_a_file_that_is_refused_is_told_with_line_rule_and_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM alpine\nFROM Python:3\n")

    status = run(["scan", str(tmp_path)])

    path = tmp_path / "Dockerfile"
    assert status == 2
    assert capsys.readouterr() == (
        "",
        f"error: {path}:2: image name 'Python:3' is not valid: repositories are lower case: FROM Python:3\n"
        "hint: write 'python:3'\n",
    )


WRONG = {
    "a file that is not there": (["nothing"], "error: 'nothing' cannot be read: No such file or directory\n"),
    "a folder without a Dockerfile": (["empty"], "error: folder 'empty' holds no Dockerfile or Containerfile\n"),
    "an empty name": ([""], "error: the name of the file or folder is empty\n"),
    "a repository": (["https://git.example/a.git#b"], "error: 'https://git.example/a.git#b' is not on this machine,"),
    "a repository by ssh": (["git@git.example:a.git"], "error: 'git@git.example:a.git' is not on this machine, where"),
    "-f behind a file": (["Dockerfile", "-f", "x"], "error: -f needs a folder before it, and 'Dockerfile' is none\n"),
    "a platform of no form": ([".", "--platform", "a/b/c/d"], "error: platform 'a/b/c/d' is not of the form"),
    "a build argument without a name": ([".", "--build-arg", "=1"], "error: --build-arg '=1' has no name\n"),
    "a target that is not there": ([".", "--target", "x"], "error: Dockerfile:4: there is no target stage 'x'\n"),
    "a file without end": (["/dev/zero"], "error: /dev/zero:1: the file is longer than 1,048,576 bytes\n"),
    "a null character": (["a\0b"], "error: 'a\\x00b' cannot be read: embedded null byte\n"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", WRONG)
def test_wrong_use_is_told(sentence: str, context: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (context / "empty").mkdir()
    arguments, message = WRONG[sentence]

    status = run(["scan", *arguments])

    said = capsys.readouterr()
    assert status == 2
    assert said.out == ""
    assert said.err.startswith(message)


def test_the_command_loads_no_client_and_no_database() -> None:
    program = "import sys, tracker.cli.scan; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert "tracker.cli.scan" in loaded
    assert not {"httpx", "sqlite_utils", "dockerfile_parse", "asyncio"} & set(loaded)


def printed(*arguments: str) -> Any:
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return json.loads(done.stdout)


def base(
    reference: str, as_written: str, role: str, via: str, stage: str, line: int, *, reachable: bool = True
) -> dict[str, object]:
    return {
        "reference": reference,
        "as_written": as_written,
        "role": role,
        "via": via,
        "stage": stage,
        "line": line,
        "reachable": reachable,
    }
