"""A mistake in a task file that is at hand makes no run; what would have to be fetched is left to the run."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from rebuild.secrets.api_token import Scope
from tests.tracker.api.desk import GIT, ApiDesk
from tracker.api.v1 import rehearsal

pytestmark = pytest.mark.anyio

WRONG = "version: v1.1.0\nsteps:\n  - cmd: busybox true\n    when: [nothing]\n"
RIGHT = "version: v1.1.0\nsteps:\n  - cmd: busybox echo {{.Values.who}} {{.Run.ID}}\n"
PRIVILEGED = "version: v1.1.0\nsteps:\n  - cmd: busybox true\n    privileged: true\n"
FILE = {"kind": "file", "file": "acb.yaml"}


def packed(**files: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("_", "."))
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


async def asked(api: ApiDesk, step: dict[str, Any], *, context: str = "/dev/null", **more: Any) -> Any:
    return await api.ask("POST", "/runs", json={"context": context, "step": step, **more})


async def upload(api: ApiDesk, text: str) -> str:
    answer = await api.ask("PUT", "/contexts", Scope.RUN, content=packed(acb_yaml=text))
    return str(answer.json()["context"])


async def runs(api: ApiDesk) -> int:
    return len((await api.ask("GET", "/runs")).json())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (WRONG, "task file:4: "),
        (PRIVILEGED, "privileged"),
        ("version: v1.1.0\nsteps:\n  - cmd: busybox {{.Values.who\n", "task file:3"),
        ("steps: {}", "steps"),
    ],
)
async def test_a_wrong_task_file_in_the_request_makes_no_run(api: ApiDesk, text: str, said: str) -> None:
    answer = await asked(api, {"kind": "inline", "text": text})

    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert await runs(api) == 0


async def test_a_wrong_task_file_in_an_upload_makes_no_run(api: ApiDesk) -> None:
    context = await upload(api, WRONG)

    answer = await asked(api, FILE, context=context)

    assert (answer.status_code, await runs(api)) == (400, 0)
    assert answer.json()["error"].startswith("acb.yaml:4: ")
    assert list(api.desk.state.scratch.iterdir()) == []


async def test_a_task_file_that_an_upload_lacks_makes_no_run(api: ApiDesk) -> None:
    context = await upload(api, RIGHT)

    answer = await asked(api, {"kind": "file", "file": "other.yaml"}, context=context)

    assert (answer.status_code, await runs(api)) == (400, 0)
    assert "the context has no file 'other.yaml'" in answer.json()["error"]


async def test_a_wrong_task_file_in_a_folder_makes_no_run(api: ApiDesk, tmp_path: Path) -> None:
    (tmp_path / "acb.yaml").write_text(WRONG)

    answer = await asked(api, FILE, context=str(tmp_path))

    assert (answer.status_code, await runs(api)) == (400, 0)


async def test_unknown_keys_are_refused_where_that_is_asked_for(api: ApiDesk) -> None:
    text = f"{RIGHT}nothing: 1\n"

    answers = [
        await asked(api, {"kind": "inline", "text": text, "strict": strict}) for strict in (True, False)
    ]

    assert [answer.status_code for answer in answers] == [400, 201]


async def test_a_secret_in_a_command_line_makes_no_run(api: ApiDesk) -> None:
    answer = await asked(api, {"kind": "inline", "text": RIGHT}, secrets={"who": "correct-horse-battery"})

    assert answer.status_code == 400
    assert "a secret in its command line" in answer.json()["error"]
    assert await runs(api) == 0


async def test_secrets_that_came_along_are_what_templates_see(api: ApiDesk) -> None:
    text = 'version: v1.1.0\nsteps:\n  - cmd: busybox {{ if eq .Values.who "me" }}true{{ else }}{{ end }}\n'

    answer = await asked(api, {"kind": "inline", "text": text}, secrets={"who": "me"})

    assert answer.status_code == 201


@pytest.mark.parametrize("context", [GIT, "https://127.0.0.1:1/a.tar.gz"])
async def test_what_would_have_to_be_fetched_is_left_to_the_run(api: ApiDesk, context: str) -> None:
    assert (await asked(api, FILE, context=context)).status_code == 201


async def test_a_large_upload_is_left_to_the_run(api: ApiDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    context = await upload(api, WRONG)
    monkeypatch.setattr(rehearsal, "UPLOAD_BYTES_MOST", 10)

    assert (await asked(api, FILE, context=context)).status_code == 201


async def test_what_takes_long_is_left_to_the_run(api: ApiDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    context = await upload(api, WRONG)
    monkeypatch.setattr(rehearsal, "WAIT_S", 0.0)

    assert (await asked(api, FILE, context=context)).status_code == 201
