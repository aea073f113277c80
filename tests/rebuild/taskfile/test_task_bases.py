"""The images that a task stands on, before it has ever run."""

from __future__ import annotations

from collections.abc import Mapping

from graph.reference import ImageRef, Platform
from graph.words import Role, Via
from rebuild.tasks.task_bases import DockerfileAt, TaskBases, bases_of_task
from tests.rebuild.taskfile.reading import read

AMD64 = Platform.parse("linux/amd64")


class Files:
    """Dockerfiles by path; remembers what was asked for."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self.asked: list[DockerfileAt] = []

    def __call__(self, place: DockerfileAt) -> bytes | None:
        self.asked.append(place)
        path = place.path or f"{place.folder}/Dockerfile".removeprefix("/")
        text = self.files.get(path)
        return None if text is None else text.encode()


def bases(text: str, files: Files | None = None) -> TaskBases:
    return bases_of_task(read(text), files or Files({}), platform=AMD64, build_platform=AMD64)


def test_a_build_step_stands_on_the_bases_of_its_dockerfile() -> None:
    files = Files({"Dockerfile": "FROM golang:1 AS b\nFROM alpine:3\nCOPY --from=b /x /x\n"})

    found = bases("steps: [{id: img, build: '-t app .'}]", files).bases

    assert [(base.step, base.reference.familiar, base.role, base.via, base.line) for base in found] == [
        ("img", "golang:1", Role.BUILDTIME, Via.FROM, 1),
        ("img", "alpine:3", Role.RUNTIME, Via.FROM, 2),
    ]


def test_build_arguments_and_the_target_of_the_line_count() -> None:
    files = Files({"Dockerfile": "ARG V=1\nFROM alpine:$V AS a\nFROM debian:12\n"})
    text = "steps: [{build: '--build-arg V --target a .', env: [V=9]}]"

    assert bases(text, files).watched == {ImageRef.parse("alpine:9")}


def test_the_image_of_a_cmd_step_is_recorded_as_such() -> None:
    (base,) = bases("steps:\n- cmd: bash:5 echo\n").bases

    assert (base.reference, base.role, base.via, base.stage, base.line, base.built_by) == (
        ImageRef.parse("bash:5"),
        Role.BUILDTIME,
        Via.CMD,
        "",
        2,
        None,
    )


def test_what_the_task_builds_itself_is_not_watched() -> None:
    files = Files({"base/Dockerfile": "FROM alpine\n", "app/Dockerfile": "FROM reg.io/base:1\n"})
    text = """
        steps:
          - {id: base, build: -t reg.io/base:1 base}
          - {id: app, build: -t reg.io/app:1 app}
          - {id: try, cmd: reg.io/app:1 test}
    """

    found = bases(text, files)

    assert [(base.step, base.built_by) for base in found.bases] == [
        ("base", None),
        ("app", "base"),
        ("try", "app"),
    ]
    assert found.watched == {ImageRef.parse("alpine")}


def test_the_dockerfile_is_looked_for_where_docker_looks() -> None:
    files = Files({})
    text = """
        steps:
          - {build: .}
          - {build: sub, workingDirectory: src}
          - {build: -f docker/D sub, workingDirectory: src}
          - {build: /workspace/x}
          - {build: 'https://github.com/x/y.git#main:z'}
          - {build: '-f a/D https://github.com/x/y.git'}
    """

    bases(text, files)

    assert [(place.context, place.folder, place.path) for place in files.asked] == [
        (None, "", None),
        (None, "src/sub", None),
        (None, "src/sub", "src/docker/D"),
        (None, "x", None),
        ("https://github.com/x/y.git#main:z", "", None),
        ("https://github.com/x/y.git", "", "a/D"),
    ]


def test_each_platform_of_a_build_is_scanned() -> None:
    files = Files({"Dockerfile": "FROM --platform=$TARGETPLATFORM alpine\n"})

    found = bases("steps: [{build: ., platforms: [linux/amd64, linux/arm64]}]", files).bases

    assert [str(base.platform) for base in found] == ["linux/amd64", "linux/arm64"]


def test_what_cannot_be_known_is_told_and_hides_nothing_else() -> None:
    text = """
        steps:
          - {id: v, cmd: alpine}
          - {id: missing, build: nowhere}
          - {id: wrong, build: wrong}
          - {id: outside, build: /etc}
          - {id: later, build: '-t a:%{steps.v.outputs.tag} .'}
          - {id: run, cmd: 'a:%{steps.v.outputs.tag}'}
          - {id: far, build: '-f ../x https://github.com/x/y.git'}
          - {id: last, cmd: busybox}
    """

    found = bases(text, Files({"wrong/Dockerfile": "FORM alpine\n"}))

    assert [base.step for base in found.bases] == ["v", "last"]
    reasons = {one.step: one.reason for one in found.unscanned}
    assert reasons.keys() == {"missing", "wrong", "outside", "later", "run", "far"}
    assert reasons["missing"] == "there is no nowhere/Dockerfile"
    assert reasons["wrong"].startswith("wrong/Dockerfile:1: ")
    assert "outside of /workspace" in reasons["outside"]


def test_the_image_of_the_helper_is_used_by_a_step_that_needs_one() -> None:
    found = bases("steps: [{id: a, cmd: x | y}, {id: b, cmd: z}, {id: c, cmd: 'z > /dev/null'}]").bases

    assert [(base.step, str(base.reference), base.via) for base in found] == [
        ("a", "docker.io/library/x:latest", Via.CMD),
        ("a", "docker.io/library/busybox:stable", Via.CMD),
        ("b", "docker.io/library/z:latest", Via.CMD),
        ("c", "docker.io/library/z:latest", Via.CMD),
    ]
