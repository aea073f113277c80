"""`tracker render` as it is typed: what it prints, and what it says where it cannot."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tracker.cli.main import run

TASK = """\
version: v1.1.0
# a comment
alias:
  values:
    app: $Registry/web
steps:
  - build: -t $app:{{.Run.ID}} --build-arg V={{.Values.v}} .
  - cmd: bash echo {{.Values.token}} {{.Secrets.db}}
secrets:
  - id: db
    keyvault: https://vault.example/secrets/db
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "acb.yaml").write_text(TASK.replace("$Registry/web", "'{{.Run.Registry}}/web'"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_the_text_goes_to_standard_output_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    status = run(
        [
            "render",
            "acb.yaml",
            "--set",
            "v=1=2",
            "--set-secret",
            "token=abc",
            "--run",
            "ID=7",
            "--run",
            "Registry=r.io",
        ]
    )

    assert status == 0
    assert capsys.readouterr() == (
        "version: v1.1.0\n"
        "steps:\n"
        "  - build: -t r.io/web:7 --build-arg V=1=2 .\n"
        "  - cmd: bash echo *** ***\n"
        "secrets:\n"
        "  - id: db\n"
        "    keyvault: https://vault.example/secrets/db\n",
        "",
    )


@pytest.mark.usefixtures("folder")
def test_a_secret_value_may_come_from_the_environment_and_is_shown_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("token", "t0ken")

    assert run(["render", "acb.yaml", "--set-secret", "token", "--show-secrets"]) == 0

    assert "echo t0ken ***" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_a_source_of_a_secret_value_is_not_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["render", "acb.yaml", "--set-secret", "token=file:/nowhere", "--show-secrets"]) == 0

    assert "echo *** ***" in capsys.readouterr().out


def test_values_of_a_later_file_and_then_those_of_the_command_line_count(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "t.yaml").write_text("{{.Values.a}} {{.Values.m.x}} {{.Values.m.y}} {{.Values.s}}")
    (folder / "one.yaml").write_text("a: 1\nm: {x: 1, y: 1}\ns: 1.10")
    (folder / "two.yaml").write_text("m: {y: 2}")

    assert run(["render", "t.yaml", "--values", "one.yaml", "--values", "two.yaml", "--set", "a=9"]) == 0

    assert capsys.readouterr().out == "9 1 2 1.10\n"


def test_a_file_may_come_from_standard_input_and_the_answer_be_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"version: v1.0.0\nx: {{.Run.ID}}\n")))

    assert run(["render", "-", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {"version": "v1.0.0", "text": "version: v1.0.0\nx: 1\n"}


def test_alias_sources_are_read_beside_the_file_or_in_the_context(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "context").mkdir()
    (folder / "context" / "names.yaml").write_text("base: alpine\n")
    (folder / "t.yaml").write_text("version: v1.1.0\nalias:\n  src: [names.yaml]\nx: $base\n")

    assert run(["render", "t.yaml"]) == 2
    assert "error: t.yaml:3: alias source 'names.yaml' cannot be read" in capsys.readouterr().err
    assert run(["render", "t.yaml", "--context", "context"]) == 0
    assert capsys.readouterr().out == "version: v1.1.0\nx: alpine\n"


@pytest.mark.usefixtures("folder")
def test_the_date_of_the_run_can_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.yaml").write_text("{{.Run.Date}}")

    assert run(["render", "t.yaml", "--run", "date=20240131-235959z"]) == 0

    assert capsys.readouterr().out == "20240131-235959z\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.yaml"], "'none.yaml' cannot be read: No such file or directory"),
        (["."], "'.' cannot be read: Is a directory"),
        (["acb.yaml", "--set", "v"], "--set 'v' has no value"),
        (
            ["acb.yaml", "--set-secret", "NOT_THERE"],
            "--set-secret 'NOT_THERE' has no value, and the environment",
        ),
        (["acb.yaml", "--run", "Nope=1"], "--run: a run has no variable 'Nope'"),
        (["acb.yaml", "--run", "Date=today"], "--run Date='today' is no time"),
        (["acb.yaml", "--values", "broken.yaml"], "broken.yaml:2: a key is a list or a map"),
        (["latin.yaml"], "latin.yaml:2: this is not UTF-8"),
        (["broken.yaml"], "broken.yaml:2: function 'nope' is not defined"),
    ],
)
def test_wrong_use_says_what_is_wrong_and_prints_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (folder / "latin.yaml").write_bytes(b"a: b\nc: \xe9\n")
    (folder / "broken.yaml").write_text("a: b\nc: {{ nope }}\n")

    assert run(["render", *arguments]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {message}")


def test_help_and_errors_load_neither_the_service_nor_a_web_client(folder: Path) -> None:
    program = (
        "import sys; from tracker.cli.main import run; run(['render', 'acb.yaml']);"
        "print(sorted({'httpx', 'fastapi', 're2', 'sqlite_utils'} & sys.modules.keys()), file=sys.stderr)"
    )

    place = {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=folder, env=place
    )

    assert done.stderr == "[]\n"


def test_every_variable_of_a_run_can_be_given(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [
        *("ID", "Registry", "RegistryName", "OS", "OSVersion", "Architecture", "Commit", "Branch"),
        *("TaskName", "SharedVolume", "Repository", "GitTag", "PullRequest", "TriggeredBy"),
    ]
    (folder / "t.yaml").write_text(" ".join(f"{{{{.Run.{name}}}}}" for name in names))
    given = [word for name in names for word in ("--run", f"{name}=the-{name}")]

    assert run(["render", "t.yaml", *given]) == 0
    assert capsys.readouterr().out.split() == [f"the-{name}" for name in names]


def test_render_takes_the_registry_and_the_aliases_of_the_settings(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "t.yaml").write_text("version: v1.1.0\nx: $Registry $bash $kube $SharedVolume\n")
    monkeypatch.setenv("TRACKER__REGISTRY", "registry.example")
    monkeypatch.setenv("TRACKER__IMAGE_ALIASES__BASH", "")
    monkeypatch.setenv("TRACKER__IMAGE_ALIASES__KUBE", "tools/kubectl:1")

    assert run(["render", "t.yaml", "--run", "ID=ca1"]) == 0
    assert "x: registry.example $bash tools/kubectl:1 workspace-ca1" in capsys.readouterr().out
