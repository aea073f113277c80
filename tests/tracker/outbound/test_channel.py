"""Sections of the settings: what may stand in them, where secrets come from, and that nobody sees those."""

from __future__ import annotations

from pathlib import Path

import pytest

from rebuild.runs.outbox import Kind
from rebuild.runs.record import Cause
from tests.real_receiver import KEY
from tracker.outbound.channel import Channel, channels_of
from tracker.outbound.notice import Notice
from tracker.settings.reading import check, load
from tracker.settings.written import ConfigError, read_written

HIDDEN = "s3cret-word"


def written(folder: Path, text: str) -> Path:
    path = folder / "tracker.toml"
    path.write_text(text)
    return path


def channel(folder: Path, text: str) -> Channel:
    (made,) = channels_of(load(written(folder, f"[notify.ops]\n{text}"), {}).notify).values()
    return made


def fault(folder: Path, text: str, heading: str = "[notify.ops]") -> str:
    path = written(folder, f"{heading}\n{text}")
    with pytest.raises(ConfigError) as caught:
        channels_of(check(read_written(path, {}), path).notify)
    return caught.value.message


def test_what_is_not_said_is_as_usual(tmp_path: Path) -> None:
    made = channel(tmp_path, f'webhook = "https://example.com/x"\nsecret = "{KEY}"')

    assert (made.kind, len(made.lanes), made.timeout_s) == (Kind.WEBHOOK, 1, 15.0)
    assert made.wants.on == {Notice.FAILED, Notice.RECOVERED, Notice.WAVE}
    assert made.wants.causes == set(Cause) - {Cause.QUICK, Cause.PULL_REQUEST}


def test_each_address_of_apprise_is_a_receiver(tmp_path: Path) -> None:
    made = channel(tmp_path, 'urls = ["json://a", "mailto://b"]')

    assert (made.kind, [lane.target for lane in made.lanes]) == (Kind.APPRISE, [0, 1])


def test_addresses_and_secrets_may_lie_in_files(tmp_path: Path) -> None:
    (tmp_path / "urls").write_text(f"json://{HIDDEN}\n\nmailto://b\n")
    (tmp_path / "secret").write_text(f"{KEY}\n{KEY}\n")

    by_apprise = channel(tmp_path, f'urls_file = "{tmp_path}/urls"')
    webhook = channel(tmp_path, f'webhook = "https://h/"\nsecret_file = "{tmp_path}/secret"')

    assert [address.reveal() for address in by_apprise.addresses] == [f"json://{HIDDEN}", "mailto://b"]
    assert len(webhook.keys) == 2


def test_what_is_printed_of_a_channel_holds_no_secret(tmp_path: Path) -> None:
    made = channel(tmp_path, f'webhook = "https://h/{HIDDEN}"\nsecret = "{KEY}"')

    assert HIDDEN not in repr(made)
    assert KEY.removeprefix("whsec_") not in repr(made)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "one of urls, urls_file and webhook"),
        (f'urls = ["json://{HIDDEN}"]\nwebhook = "https://h/{HIDDEN}"', "one of urls"),
        ("urls = []", "1 to 20"),
        (f'urls = ["{HIDDEN}"]', "URL 1 of urls"),
        (f'urls = [{{ a = "{HIDDEN}" }}]', "notify.ops.urls"),
        (f'webhook = "https://h/{HIDDEN}"', "one of secret and secret_file must be set"),
        (f'webhook = "https://user:{HIDDEN}@h/"\nsecret = "{KEY}"', "without user"),
        (f'webhook = "ftp://h/{HIDDEN}"\nsecret = "{KEY}"', "Expected https://"),
        (f'webhook = "https://h/"\nsecret = "{HIDDEN}"', "whsec_"),
        (f'urls = ["json://{HIDDEN}"]\nsecret = "{KEY}"', "are for a webhook"),
        (f'webhook = "https://h/{HIDDEN}"\nsecret = "{KEY}"\non = ["fialed"]', "Expected one of 'failed'"),
        (f'urls = ["json://{HIDDEN}"]\ncauses = ["timers"]', "Expected one of 'manual'"),
        (f'urls = ["json://{HIDDEN}"]\ntimeout = "0s"', "timeout"),
        (f'urls = ["json://{HIDDEN}"]\ntimeout = "6m"', "timeout"),
        (f'urls = ["json://{HIDDEN}"]\non = []', "on"),
        ('urls_file = "/nowhere"', "notify.ops.urls_file: /nowhere: No such file"),
        ('webhook = "https://h/"\nsecret_file = "/nowhere"', "notify.ops.secret_file"),
        (f'webhook = "https://h/"\nsecret = "{KEY}"\nca_file = "/nowhere"', "ca_file"),
    ],
)
def test_what_cannot_be_is_refused_without_showing_secrets(tmp_path: Path, text: str, told: str) -> None:
    message = fault(tmp_path, text)

    assert told in message
    assert HIDDEN not in message


@pytest.mark.parametrize("heading", ["[notify.Ops]", "[notify.'a b']"])
def test_a_name_is_one_that_a_log_can_show(tmp_path: Path, heading: str) -> None:
    assert "small letters" in fault(tmp_path, 'urls = ["json://a"]', heading)


def test_a_section_that_is_an_address_is_not_repeated(tmp_path: Path) -> None:
    assert HIDDEN not in fault(tmp_path, f'ops = "json://{HIDDEN}"', "[notify]")
