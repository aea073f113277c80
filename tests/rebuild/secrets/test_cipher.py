"""Values are encrypted for one row, with keys that nobody else may read."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from rebuild.secrets.cipher import Cipher, KeyUnusable, NotOurs, find_cipher
from rebuild.secrets.secret import Secret

VALUE = Secret("hunter22")


def new_key() -> Secret:
    return Secret(Fernet.generate_key().decode())


def credential(folder: Path, *keys: Secret) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    (folder / "tracker-key").write_text("".join(f"{key.reveal()}\n" for key in keys))
    return {"CREDENTIALS_DIRECTORY": str(folder)}


@given(st.text(), st.text())
def test_a_value_comes_back_for_its_row(text: str, row: str) -> None:
    cipher = Cipher([new_key()])

    assert cipher.open(cipher.seal(Secret(text), row), row).reveal() == text


def test_a_value_that_was_moved_to_another_row_does_not_open() -> None:
    cipher = Cipher([new_key()])
    sealed = cipher.seal(VALUE, "credential 1 a.example password")

    with pytest.raises(NotOurs, match=r"credential 2 .* was encrypted for credential 1") as refusal:
        cipher.open(sealed, "credential 2 a.example password")

    assert "hunter22" not in str(refusal.value)


@pytest.mark.parametrize("damage", ["", "x", "gAAAAA", "ü"])
def test_a_damaged_value_is_an_error_and_no_crash(damage: str) -> None:
    with pytest.raises(NotOurs):
        Cipher([new_key()]).open(damage, "row")


def test_the_same_value_is_never_encrypted_to_the_same_text() -> None:
    cipher = Cipher([new_key()])

    assert cipher.seal(VALUE, "row") != cipher.seal(VALUE, "row")


def test_after_a_rotation_old_values_open_and_new_ones_need_the_new_key() -> None:
    old, new = new_key(), new_key()
    sealed = Cipher([old]).seal(VALUE, "row")
    both = Cipher([new, old])

    assert both.open(sealed, "row") == VALUE
    assert Cipher([new]).open(both.reseal(sealed, "row"), "row") == VALUE


def test_a_key_file_is_made_at_first_need_for_our_eyes_alone(tmp_path: Path) -> None:
    sealed = find_cipher(tmp_path / "state", {}).seal(VALUE, "row")

    assert (tmp_path / "state/master.key").stat().st_mode & 0o777 == 0o600
    assert find_cipher(tmp_path / "state", {}).open(sealed, "row") == VALUE
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["master.key"]


def test_processes_that_make_the_key_at_once_agree_on_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        pids = list(pool.map(lambda number: _seal_in_child(tmp_path, number), range(6)))

    assert pids == [0] * 6
    cipher = find_cipher(tmp_path, {})
    assert [cipher.open((tmp_path / f"sealed-{n}").read_text(), "row") for n in range(6)] == [VALUE] * 6


def _seal_in_child(folder: Path, number: int) -> int:
    program = (
        "import sys; from pathlib import Path; from rebuild.secrets.cipher import find_cipher;"
        "from rebuild.secrets.secret import Secret; folder = Path(sys.argv[1]);"
        "(folder / sys.argv[2]).write_text(find_cipher(folder, {}).seal(Secret('hunter22'), 'row'))"
    )

    root = Path(__file__).parents[3]
    argv = [sys.executable, "-c", program, str(folder), f"sealed-{number}"]
    return subprocess.run(argv, cwd=root, check=False).returncode


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_file_that_others_may_read_is_refused_with_the_way_out(tmp_path: Path, mode: int) -> None:
    find_cipher(tmp_path, {})
    (tmp_path / "master.key").chmod(mode)

    with pytest.raises(
        KeyUnusable, match=rf"may be read or written by others \(mode {mode:04o}\)"
    ) as refusal:
        find_cipher(tmp_path, {})

    assert refusal.value.hint is not None
    assert refusal.value.hint.startswith(f"chmod 600 {tmp_path}/master.key")


def test_a_key_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    find_cipher(tmp_path / "elsewhere", {})
    (tmp_path / "master.key").symlink_to(tmp_path / "elsewhere/master.key")

    with pytest.raises(KeyUnusable, match="cannot be read"):
        find_cipher(tmp_path, {})


def test_a_pipe_in_the_place_of_the_key_file_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "master.key", 0o600)

    with pytest.raises(KeyUnusable, match="is not a file"):
        find_cipher(tmp_path, {})


def test_a_credential_of_systemd_comes_before_the_key_file(tmp_path: Path) -> None:
    key = new_key()
    by_command = find_cipher(tmp_path, {}).seal(VALUE, "row")

    cipher = find_cipher(tmp_path, credential(tmp_path / "credentials", key))

    assert Cipher([key]).open(cipher.seal(VALUE, "row"), "row") == VALUE
    assert cipher.open(by_command, "row") == VALUE


def test_with_a_credential_no_key_file_is_made(tmp_path: Path) -> None:
    find_cipher(tmp_path / "state", credential(tmp_path / "credentials", new_key()))

    assert not (tmp_path / "state").exists()


def test_several_keys_are_lines_and_comments_are_left(tmp_path: Path) -> None:
    new, old = new_key(), new_key()
    (tmp_path / "master.key").touch(0o600)
    (tmp_path / "master.key").write_text(f"# 2026\n{new.reveal()}\n\n# 2025\n{old.reveal()}\n")

    cipher = find_cipher(tmp_path, {})

    assert cipher.open(Cipher([old]).seal(VALUE, "row"), "row") == VALUE
    assert Cipher([new]).open(cipher.seal(VALUE, "row"), "row") == VALUE


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no key"),
        ("# nothing\n", "holds no key"),
        ("my password\n", ":1: not a key"),
        (f"\n{base64.b64encode(b'short').decode()}\n", ":2: not a key"),
        ("é", ":1: not a key"),
        ("x" * 70_000, "over 65536 bytes"),
    ],
)
def test_what_is_no_key_is_refused_without_being_shown(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "master.key").touch(0o600)
    (tmp_path / "master.key").write_text(content)

    with pytest.raises(KeyUnusable, match=said) as refusal:
        find_cipher(tmp_path, {})

    assert "my password" not in f"{refusal.value} {refusal.value.hint}"


def test_a_cipher_does_not_show_its_keys() -> None:
    key = new_key()

    assert key.reveal() not in repr(Cipher([key]))
    assert key.reveal() not in str(vars(type(Cipher([key]))))
