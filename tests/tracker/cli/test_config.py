"""Checking and showing the settings."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.tracker.cli.conftest import Tracker


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    return tmp_path / "tracker.toml"


def test_good_settings_are_ok_and_say_which_file(settings: Path, tracker: Tracker) -> None:
    settings.write_text('[watch]\ninterval = "10m"\n')

    answer = tracker("--config", str(settings), "config", "check")

    assert (answer.status, answer.out, answer.err) == (0, f"ok: settings file {settings}\n", "")


def test_the_check_names_the_variables_that_count_too(
    settings: Path, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.write_text("")
    monkeypatch.setenv("TRACKER__WATCH__INTERVAL", "1m")

    answer = tracker("--config", str(settings), "config", "check")

    assert answer.out == f"ok: settings file {settings}, and TRACKER__WATCH__INTERVAL\n"


def test_without_a_file_the_check_says_where_it_looked(tracker: Tracker, tmp_path: Path) -> None:
    answer = tracker("config", "check")

    assert answer.status == 0
    assert str(tmp_path / "config-home/tracker/tracker.toml") in answer.out


def test_all_faults_come_at_once_each_with_its_path(settings: Path, tracker: Tracker) -> None:
    settings.write_text('[watch]\ninterval = "soon"\nintervall = 3\n[rebuild]\nworkers = "2"\n')

    answer = tracker("--config", str(settings), "config", "check")

    assert (answer.status, answer.out) == (2, "")
    assert answer.err.splitlines() == [
        f"error: {settings}: settings are not valid:",
        "  watch.interval: 'soon' is not a duration such as '30s', '15m', '1h30m' or '30d' (it is 'soon')",
        "  watch.intervall: there is no such setting; did you mean watch.interval?",
        "  rebuild.workers: Expected a whole number, got text (it is '2')",
        "hint: docs/settings.md explains every setting",
    ]


def test_files_that_settings_name_and_that_do_not_exist_are_faults_all_at_once(
    settings: Path, tracker: Tracker, tmp_path: Path
) -> None:
    there = tmp_path / "there.pem"
    there.write_text("")
    settings.write_text(
        f'[registries."r.example"]\nca_file = "{there}"\n[registries."s.example"]\nca_file = "/no/ca.pem"\n'
        '[ssh]\nkey_file = "/no/key"\n[notify.ops]\nurls_file = "/no/urls"\n'
    )

    answer = tracker("--config", str(settings), "config", "check")

    assert answer.status == 2
    assert answer.err.splitlines()[1:-1] == [
        "  ssh.key_file: /no/key: No such file or directory",
        "  registries.s.example.ca_file: /no/ca.pem: No such file or directory",
        "  notify.ops.urls_file: /no/urls: No such file or directory",
    ]


def test_a_file_that_systemd_gives_to_the_service_need_not_be_there(settings: Path, tracker: Tracker) -> None:
    settings.write_text('[events.quay]\nsecret_file = "/run/credentials/tracker.service/quay"\n')

    assert tracker("--config", str(settings), "config", "check").status == 0


def test_a_file_that_is_no_toml_says_in_which_line(settings: Path, tracker: Tracker) -> None:
    settings.write_text("[watch\n")

    answer = tracker("--config", str(settings), "config", "check")

    assert answer.status == 2
    assert "at line 1" in answer.err
    assert "hint: the file is TOML" in answer.err


def test_a_file_that_does_not_exist_is_wrong_use(tracker: Tracker, tmp_path: Path) -> None:
    answer = tracker("--config", str(tmp_path / "no.toml"), "config", "check")

    assert answer.status == 2
    assert answer.err.startswith(f"error: --config: settings file {tmp_path}/no.toml does not exist\nhint: ")


def test_what_is_shown_is_toml_with_the_origin_of_each_setting(
    settings: Path, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.write_text('[watch]\ninterval = "90s"\n')
    monkeypatch.setenv("TRACKER__REBUILD__WORKERS", "7")

    answer = tracker("--config", str(settings), "config", "show")

    shown = tomllib.loads(answer.out)
    assert (shown["watch"]["interval"], shown["rebuild"]["workers"]) == ("1m30s", 7)
    origins = {line.split(" = ")[0]: line.split("# ")[-1] for line in answer.lines if " = " in line}
    assert origins["interval"] == str(settings)
    assert origins["workers"] == "TRACKER__REBUILD__WORKERS"
    assert origins["settle"] == "default"


def test_what_is_shown_is_what_counts_when_it_is_kept_as_a_file(
    settings: Path, tracker: Tracker, tmp_path: Path
) -> None:
    settings.write_text('[registries."localhost:5000"]\ninsecure = true\nconnect_timeout = "250ms"\n')
    kept = tmp_path / "kept.toml"
    kept.write_text(tracker("--config", str(settings), "config", "show").out)

    before = tracker("--config", str(settings), "config", "show", "--json").json["settings"]
    after = tracker("--config", str(kept), "config", "show", "--json").json["settings"]

    assert {name: s["value"] for name, s in before.items()} == {name: s["value"] for name, s in after.items()}
    assert before["registries.localhost:5000.connect_timeout"] == {"value": 0.25, "from": str(settings)}


def test_a_secret_is_never_shown(settings: Path, tracker: Tracker) -> None:
    settings.write_text('[events.distribution]\nsecret = "hunter2"\nsecret_file = "/run/secret"\n')
    refused = tracker("--config", str(settings), "config", "check")
    settings.write_text('[events.distribution]\nsecret = "hunter2"\n')
    text = tracker("--config", str(settings), "config", "show")
    as_json = tracker("--config", str(settings), "config", "show", "--json")

    assert refused.status == 2
    assert 'secret = ["***"]' in text.out
    assert as_json.json["settings"]["events.distribution.secret"]["value"] == ["***"]
    assert "hunter2" not in refused.err + text.out + as_json.out


def test_the_state_folder_that_counts_is_shown(settings: Path, tracker: Tracker, tmp_path: Path) -> None:
    settings.write_text('state = "/somewhere/else"\n')

    shown = tracker("--config", str(settings), "config", "show", "--json").json

    assert shown["state_folder"] == str(tmp_path / "state")
    assert shown["settings"]["state"]["value"] == "/somewhere/else"


def test_the_address_that_a_sender_sends_to_is_shown_and_its_secret_is_not(
    settings: Path, tracker: Tracker
) -> None:
    settings.write_text(
        '[events.hub]\nkind = "dockerhub"\nsecret = ["hunter2", "hunter1"]\n'
        '[events.harbor]\nsecret = "hunter3"\n'
    )

    text = tracker("--config", str(settings), "config", "events", "--url", "https://tracker.example.com/")
    rows = tracker("--config", str(settings), "config", "events", "--json").json

    assert [(row["name"], row["kind"]) for row in rows] == [
        ("distribution", "distribution"),
        ("hub", "dockerhub"),
        ("harbor", "harbor"),
    ]
    assert [len(row["addresses"]) for row in rows] == [1, 2, 1]
    assert "https://tracker.example.com/events/harbor\n" in text.out
    assert "this address or the secret in the Authorization header" in text.out
    assert "from this machine only" in text.out
    assert "hunter" not in text.out + json.dumps(rows)


def test_where_a_forge_sends_to_is_shown_with_what_it_proves_itself_with(
    settings: Path, tracker: Tracker
) -> None:
    settings.write_text(
        '[events.gitlab]\nsecret = "hunter1"\n[hooks.gitlab]\nsecret = "hunter2"\n'
        '[hooks.our-forgejo]\nkind = "gitea"\nsecret = "hunter3"\n[hooks.generic]\n'
    )

    text = tracker("--config", str(settings), "config", "events", "--url", "https://tracker.example.com").out
    rows = tracker("--config", str(settings), "config", "events", "--json").json

    assert [(row["section"], row["name"]) for row in rows][1:] == [
        ("events", "gitlab"),
        ("hooks", "gitlab"),
        ("hooks", "our-forgejo"),
        ("hooks", "generic"),
    ]
    assert rows[3] == {
        "section": "hooks",
        "name": "our-forgejo",
        "kind": "gitea",
        "addresses": ["http://127.0.0.1:8484/hooks/our-forgejo"],
        "proof": "the signature in the X-Gitea-Signature header or the secret in the Authorization header",
    }
    assert (
        "hooks.gitlab (gitlab): the signature in the Webhook-Signature header"
        " or the secret in the X-Gitlab-Token header\n"
        "  https://tracker.example.com/hooks/gitlab\n" in text
    )
    assert "hooks.generic (generic): from this machine only, because no secret is set\n" in text
    assert "hunter" not in text + json.dumps(rows)


@pytest.mark.parametrize("section", ["events.quay", "hooks.github"])
def test_a_secret_file_that_cannot_be_read_is_named(section: str, settings: Path, tracker: Tracker) -> None:
    settings.write_text(f'[{section}]\nsecret_file = "/nowhere/secret"\n')

    refused = tracker("--config", str(settings), "config", "events")

    assert refused.status == 2
    assert f"{section}.secret_file" in refused.err
