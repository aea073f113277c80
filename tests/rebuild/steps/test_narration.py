"""The lines of the log that people and scripts look for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

from graph.model import BuildRecord, Manifests, RecordedBase
from graph.reference import ImageRef, Platform
from graph.words import Role, Via
from rebuild.steps.narration import Narrator, dependencies, executing
from tests.graph_samples import digest_of
from tests.rebuild.taskfile.reading import one_step

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1)))
AMD64 = Platform.parse("linux/amd64")


def base(name: str, role: Role) -> RecordedBase:
    return RecordedBase(ImageRef.parse(name), role, Via.FROM, "", 1, Manifests(digest_of(name)), (AMD64,))


def record(*names: str, bases: tuple[RecordedBase, ...] = ()) -> BuildRecord:
    images = tuple(ImageRef.parse(name) for name in names)
    at = AT.astimezone(UTC)
    return BuildRecord(images, Manifests(digest_of("it")), digest_of("content"), (AMD64,), bases, at, at, 1.0)


def test_our_own_lines_have_the_time_in_utc() -> None:
    heard: list[tuple[str, bytes]] = []

    Narrator(lambda step, piece: heard.append((step, piece)), lambda: AT).say("web", "hello")

    assert heard == [("web", b"2026/01/02 02:04:05 hello\n")]


def test_a_step_is_announced_with_its_limits_and_places() -> None:
    step = one_step("id: web\ncmd: x\ntimeout: 9\nworkingDirectory: src")

    assert executing(step, "net") == (
        "Executing step ID: web. Timeout(sec): 9, Working directory: '/workspace/src', Network: 'net'"
    )


def test_dependencies_are_told_for_each_name() -> None:
    built = record(
        "r.io/a:1", "r.io/a:2", bases=(base("r.io/b:1", Role.RUNTIME), base("r.io/c:1", Role.BUILDTIME))
    )

    told = json.loads(dependencies(built, "abc"))

    assert [one["image"]["tag"] for one in told] == ["1", "2"]
    assert told[0]["runtime-dependency"] == {
        "registry": "r.io", "repository": "b", "tag": "1", "digest": str(digest_of("r.io/b:1")),
        "reference": "r.io/b:1",
    }  # fmt: skip
    assert [one["reference"] for one in told[0]["buildtime-dependency"]] == ["r.io/c:1"]
    assert told[0]["git"] == {"git-head-revision": "abc"}


def test_a_build_without_a_name_and_bases_tells_so() -> None:
    assert json.loads(dependencies(record(), None)) == [
        {"image": None, "runtime-dependency": None, "buildtime-dependency": None,
         "git": {"git-head-revision": ""}}
    ]  # fmt: skip
