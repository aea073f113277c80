"""Where a client finds its token, and what it refuses to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.errors import WrongUse
from tracker.remote.tokens import find_token

SERVER = "https://tracker.example.com"


def private(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def found(token_file: Path | None = None, **environment: str) -> str | None:
    token = find_token(SERVER, token_file, environment)
    return token.reveal() if token else None


def test_the_file_that_is_named_goes_before_the_variable_and_that_before_the_list(tmp_path: Path) -> None:
    named = private(tmp_path / "token", "trk_file\n")
    private(tmp_path / ".config/tracker/tokens", f"# mine\n\n{SERVER} trk_list\nhttps://other trk_other\n")
    home = {"HOME": str(tmp_path)}

    assert found(named, TRACKER_TOKEN="trk_variable", **home) == "trk_file"
    assert found(TRACKER_TOKEN="trk_variable", **home) == "trk_variable"
    assert found(**home) == "trk_list"


def test_a_server_without_a_token_is_asked_without_one(tmp_path: Path) -> None:
    private(tmp_path / ".config/tracker/tokens", "https://other trk_other\n")

    assert found(HOME=str(tmp_path)) is None
    assert found(HOME=str(tmp_path / "nowhere")) is None


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = private(tmp_path / "token", "trk_file\n")
    path.chmod(0o640)

    with pytest.raises(WrongUse, match="may be read by others"):
        found(path)


@pytest.mark.parametrize("text", ["", "a\nb\n", "trk_x y\n", "trk_\u00e9\n", "trk_\x01\n"])
def test_what_is_no_token_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(WrongUse) as refused:
        found(private(tmp_path / "token", text))

    assert "trk_" not in refused.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"nowhere: No such file"):
        found(tmp_path / "nowhere")
