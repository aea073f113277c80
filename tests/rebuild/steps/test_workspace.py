"""The folder of a run: open to its containers, closed to links, and to everybody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.errors import WrongUse
from rebuild.secrets.secret import Secret
from rebuild.steps.build_context import shares_time, snapshot
from rebuild.steps.step_place import RunPlace
from rebuild.steps.workspace import furnish, inside, secret_file, step_outputs, write_environment
from rebuild.taskfile import Step, TaskFile, UnreadableOutput
from tests.rebuild.taskfile.reading import read

TASK = """
    volumes: [{name: keys, secret: {token: aGk=}}]
    steps: [{id: aa, cmd: x, volumeMounts: [{name: keys, mountPath: /keys}]}, {id: bb, cmd: x}]
"""


@pytest.fixture
def task() -> TaskFile:
    return read(TASK)


@pytest.fixture
def place(tmp_path: Path, task: TaskFile) -> RunPlace:
    place = RunPlace("ca1", str(tmp_path / "ca1-run"))
    furnish(place, task)
    return place


@pytest.fixture
def step(task: TaskFile) -> Step:
    return task.step("aa")


def test_only_its_owner_enters_the_folder_and_any_user_of_a_container_what_is_in_it(place: RunPlace) -> None:
    modes = [
        Path(path).stat().st_mode & 0o777 for path in (place.folder, place.workspace, place.volume("keys"))
    ]

    assert modes == [0o700, 0o777, 0o777]


def test_a_context_that_is_there_stays(tmp_path: Path, task: TaskFile) -> None:
    place = RunPlace("ca1", str(tmp_path / "run"))
    (tmp_path / "run" / "workspace").mkdir(parents=True)
    (tmp_path / "run" / "workspace" / "file").write_text("kept")

    furnish(place, task)

    assert (tmp_path / "run" / "workspace" / "file").read_text() == "kept"


def test_the_variables_with_secrets_are_for_their_owner_alone(place: RunPlace, step: Step) -> None:
    path = write_environment(place, step, "A=b\n")

    assert path.stat().st_mode & 0o777 == 0o600
    assert write_environment(place, step, "A=c\n").read_text() == "A=c\n"


def test_outputs_are_read_from_a_file_and_from_nothing_else(place: RunPlace, step: Step) -> None:
    path = Path(place.outputs(step)) / "outputs"

    assert step_outputs(place, step) == {}
    path.write_text("a=1\n")
    assert step_outputs(place, step) == {"a": "1"}
    path.unlink()
    path.symlink_to("/etc/hostname")
    with pytest.raises(UnreadableOutput):
        step_outputs(place, step)
    path.unlink()
    path.mkdir()
    with pytest.raises(UnreadableOutput):
        step_outputs(place, step)


def test_links_are_followed_within_the_workspace_and_mounted_volumes(place: RunPlace, step: Step) -> None:
    workspace = Path(place.workspace)
    (workspace / "real").mkdir()
    (workspace / "link").symlink_to("real")
    (workspace / "token").symlink_to(Path(place.volume("keys")) / "token")

    assert inside(place, workspace / "link", step, "context") == workspace / "real"
    assert secret_file(place, workspace / "token", step, "s") == Secret("hi")


@pytest.mark.parametrize("target", ["/etc", "../environments", "../volumes/keys", "../..", "../outputs/aa"])
def test_links_out_of_it_are_refused(place: RunPlace, task: TaskFile, target: str) -> None:
    (Path(place.workspace) / "link").symlink_to(target)

    with pytest.raises(WrongUse, match="leads out of the workspace"):
        inside(place, Path(place.workspace) / "link", task.step("bb"), "context")  # which mounts no volume


def test_a_copy_has_folders_files_links_and_times_and_follows_nothing(
    place: RunPlace, tmp_path: Path
) -> None:
    workspace = Path(place.workspace)
    (workspace / "deep" / "er").mkdir(parents=True)
    (workspace / "deep" / "er" / "file").write_text("text")
    (workspace / "deep" / "er" / "file").chmod(0o4755)
    (workspace / "deep" / "out").symlink_to("/etc")

    into = tmp_path / "copy"
    into.mkdir()

    snapshot(Path(place.folder), into)

    copy = into / "workspace"
    assert (copy / "deep/er/file").read_text() == "text"
    assert (copy / "deep/er/file").stat().st_mode & 0o7777 == 0o755
    assert (copy / "deep/out").readlink() == Path("/etc")
    for name in ("deep", "deep/er", "deep/er/file", "deep/out"):
        assert (copy / name).lstat().st_mtime_ns == (workspace / name).lstat().st_mtime_ns
    assert (into / "volumes/keys/token").read_text() == "hi"


@pytest.mark.parametrize(
    ("steps", "shares"),
    [
        ("{id: cc, cmd: x}, {id: bb, build: .}", False),
        ("{id: bb, build: .}, {id: cc, cmd: x}", False),
        ("{id: bb, build: .}, {id: cc, cmd: x, detach: true}", False),
        ("{id: cc, cmd: x, detach: true}, {id: bb, build: .}", True),
        ("{id: cc, cmd: x, when: ['-']}, {id: bb, build: ., when: ['-']}", True),
        ("{id: aa, build: -t a ., when: ['-']}, {id: bb, build: ., when: ['-']}", False),
        ("{id: cc, cmd: x}, {id: dd, cmd: x, when: [cc]}, {id: bb, build: ., when: [cc]}", True),
    ],
)
def test_whether_a_container_may_be_alive_while_a_step_builds(steps: str, *, shares: bool) -> None:
    task = read(f"steps: [{steps}]")

    assert shares_time(task, task.step("bb")) is shares
