"""The settings: how they are read, what is refused, and that the files and the page about them are true."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.staleness import Limits
from rebuild.alias_rules import IMAGE_ALIASES, FetchRules
from rebuild.steps.step_rules import StepRules
from tracker.settings.named_files import unreadable_files
from tracker.settings.reading import check, load, setting_names
from tracker.settings.settings import Settings
from tracker.settings.written import (
    ConfigError,
    Written,
    duration_s,
    duration_text,
    limits_of,
    read_written,
    workers_of,
)

ROOT = Path(__file__).parents[3]
CONFIGS = sorted(ROOT.glob("config/*.toml"))
NAMES = dict(setting_names())


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tracker.toml"
    path.write_text(text)
    return path


def refused(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> list[str]:
    """The lines of the error that these settings cause."""
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), environment or {})
    return caught.value.message.splitlines()


def test_without_file_and_variables_everything_has_its_default() -> None:
    assert load(None, {}) == Settings()


def test_the_file_is_read_and_a_variable_wins_over_it(tmp_path: Path) -> None:
    path = written(tmp_path, '[watch]\ninterval = "10m"\nsettle = 30\n')

    settings = load(path, {"TRACKER__WATCH__INTERVAL": "90s"})

    assert (settings.watch.interval, settings.watch.settle) == (90.0, 30.0)


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("TRACKER__REBUILD__WORKERS", "7", 7),
        ("TRACKER__REBUILD__REPRODUCIBLE", "true", True),
        ("TRACKER__REBUILD__RETRY_DELAYS", '["1s", 2]', (1.0, 2.0)),
        ("TRACKER__REBUILD__TIMEOUT", "1h30m", 5400.0),
    ],
)
def test_a_variable_is_read_as_toml_where_it_is_some(variable: str, text: str, value: object) -> None:
    settings = load(None, {variable: text})

    assert getattr(settings.rebuild, variable.rpartition("__")[2].lower()) == value


def test_a_file_that_begins_with_a_byte_order_mark_is_read_without_it(tmp_path: Path) -> None:
    path = written(tmp_path, '\ufeff[watch]\ninterval = "10m"\n')

    assert load(path, {}).watch.interval == 600.0


def test_a_variable_with_two_lines_is_a_text_not_two_settings() -> None:
    with pytest.raises(ConfigError, match="Expected a whole number, got text"):
        load(None, {"TRACKER__REBUILD__WORKERS": "7\nreproducible = true"})


def test_a_variable_that_takes_a_setting_for_a_section_is_refused() -> None:
    with pytest.raises(ConfigError, match="'registry' is a setting, not a section"):
        read_written(None, {"TRACKER__REGISTRY": "ghcr.io", "TRACKER__REGISTRY__X": "1"})


def test_other_variables_are_left_alone() -> None:
    assert load(None, {"TRACKER_STATE": "/x", "TRACKER_CONFIG": "/y", "PATH": "/bin"}) == Settings()


def test_every_fault_is_told_at_once_with_path_value_and_origin(tmp_path: Path) -> None:
    faults = refused(
        tmp_path,
        '[serve]\nlisten = "here"\n[rebuild]\nworkers = 0\n[registries."http://x"]\n',
        {"TRACKER__WATCH__INTERVAL": "0"},
    )

    assert faults[0].endswith("tracker.toml: settings are not valid:")
    assert faults[1:] == [
        "  serve.listen: an address is host:port, such as 127.0.0.1:8484 or [::1]:8484 (it is 'here')",
        "  watch.interval: Expected a time in seconds >= 1.0 (it is '0', from TRACKER__WATCH__INTERVAL)",
        "  rebuild.workers: Expected a whole number >= 1 (it is '0')",
        "  registries.http://x: 'http://x' is not a registry: write host or host:port, without https://"
        " (it is 'http://x')",
    ]


def test_every_sender_that_its_name_says_too_little_of_is_told_at_once(tmp_path: Path) -> None:
    faults = refused(
        tmp_path, "[events.nexus]\n[hooks.ours]\n[hooks.theirs]\n[rebuild]\nworkers = 0\n[hooks.github]\n"
    )

    assert [fault.partition(" must be set")[0] for fault in faults[1:]] == [
        "  rebuild.workers: Expected a whole number >= 1 (it is '0')",
        "  events.nexus: registry",
        "  hooks.ours: kind",
        "  hooks.theirs: kind",
    ]


def test_an_unknown_setting_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    assert refused(tmp_path, "[watch]\nintervall = 3\n")[1:] == [
        "  watch.intervall: there is no such setting; did you mean watch.interval?"
    ]
    assert refused(tmp_path, "[elsewhere]\nx = 3\n")[1:] == ["  elsewhere: there is no such setting"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("[watch]\ninterval = nan\n", "Expected a time in seconds >= 1.0"),
        ('[watch]\ninterval = "99999d"\n', "Expected a time in seconds <= 315360000.0"),
        ('[watch]\nsettle = "2h"\n', "settle must not be longer than settle_most"),
        ("[rebuild]\nretry_delays = []\n", "Expected a list of length >= 1"),
        ('[rebuild]\nretry_delays = "30s"\n', "Expected a list (it is '30s')"),
        ("[rebuild]\nworkers = 2.5\n", "Expected a whole number (it is '2.5')"),
        ('[rebuild]\nreproducible = "yes"\n', "Expected true or false, got text"),
        ('engine = "buildah"\n', "one of 'auto', 'podman', 'docker'"),
        ('[serve]\nlisten = "localhost:99999"\n', "port '99999' is not a number up to 65535"),
        ('[serve]\nlisten = "::1:8484"\n', "an address is host:port"),
        ('[events.distribution]\nsecret = "a"\nsecret_file = "b"\n', "exclude each other"),
        ("[events.ours]\n", "events.ours: kind must be set: one of 'distribution', 'dockerhub'"),
        ('[events.ours]\nkind = "hub"\n', "events.ours.kind: Expected one of 'distribution', 'dockerhub'"),
        ("[events.Ours]\n", "a sender's name has up to 40 small letters"),
        ("[events.nexus]\n", "events.nexus: registry must be set"),
        ('[events.quay]\nsecret = ["new", ""]\n', "a secret must not be empty"),
        ("[events.quay]\nsecret = []\n", "a secret must not be empty"),
        ("[events.quay]\nsecret = [3]\n", "events.quay.secret: Expected text, or a list of texts"),
        ("[events.quay]\nsecret = 3\n", "events.quay.secret: Expected text, or a list of texts"),
        ('[events.jfrog]\nrepository_in = "port"\n', "one of 'path', 'subdomain', 'nowhere'"),
        ("watch = 3\n", "Expected a section, [watch]"),
        ("registries = 3\n", "Expected sections, such as [registries.NAME]"),
        ("[registries]\n'ghcr.io' = 3\n", "Expected a section, [registries.ghcr.io]"),
        ("state = 3\n", "state: Expected text (it is '3')"),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_the_rule(text: str, rule: str, tmp_path: Path) -> None:
    assert rule in "\n".join(refused(tmp_path, text)[1:])


def test_no_message_and_no_print_shows_a_secret(tmp_path: Path) -> None:
    both = '[events.distribution]\nsecret = "hunter2"\nsecret_file = 3\n'
    wrong = "[events.distribution]\nsecret = 424242\n"

    settings = load(written(tmp_path, '[events.distribution]\nsecret = "hunter2"\n'), {})

    assert "hunter2" not in "\n".join(refused(tmp_path, both))
    assert "424242" not in "\n".join(refused(tmp_path, wrong))
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize("content", [b"[watch", b"\xff\xfe", b"x = 1\nx = 2\n"])
def test_what_is_no_toml_is_refused_with_the_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tracker.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigError, match=str(path)):
        load(path, {})


def test_a_huge_settings_file_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at most"):
        load(written(tmp_path, "#" * (1024 * 1024 + 1)), {})


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path, {})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("30s", 30.0),
        ("15m", 900.0),
        ("1h30m", 5400.0),
        ("30d", 2_592_000.0),
        ("1.5h", 5400.0),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5 minutes", "-5s", "s", "1h 30m", "١s", "5M", "1e3s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration_s(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_duration_that_is_printed_reads_the_same(milliseconds: int) -> None:
    assert duration_s(duration_text(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@given(st.text())
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        check(Written({"watch": {"interval": text}}), None)
    except ConfigError as error:
        assert error.message.splitlines()[1].startswith("  watch.interval: ")


def test_the_light_way_and_the_checked_way_agree(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '[watch]\nsettle = "30m"\nsettle_most = 7200\n[rebuild]\nworkers = 5\nretry_delays = ["1m", 90]\n',
    )

    light, checked = read_written(path, {}), load(path, {})

    assert workers_of(light) == checked.rebuild.workers
    assert limits_of(light) == Limits(
        checked.watch.settle, checked.watch.settle_most, checked.rebuild.retry_delays
    )


def test_the_light_way_has_the_same_defaults() -> None:
    light, checked = read_written(None, {}), Settings()

    assert workers_of(light) == checked.rebuild.workers
    assert limits_of(light) == Limits(
        checked.watch.settle, checked.watch.settle_most, checked.rebuild.retry_delays
    )


@pytest.mark.parametrize(
    "text",
    [
        "[rebuild]\nworkers = 0\n",
        "[rebuild]\nworkers = true\n",
        "[rebuild]\nretry_delays = []\n",
        '[watch]\nsettle = "soon"\n',
        "[watch]\nsettle = -1\n",
        "[watch]\nsettle = nan\n",
        "[watch]\nsettle = [1]\n",
    ],
)
def test_the_light_way_refuses_what_it_cannot_use(text: str, tmp_path: Path) -> None:
    light = read_written(written(tmp_path, text), {})

    with pytest.raises(ConfigError, match="cannot be used"):
        (workers_of(light), limits_of(light))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_file_in_config_loads(path: Path) -> None:
    assert load(path, {}).watch.interval >= 1


def test_the_commented_file_sets_nothing() -> None:
    assert load(ROOT / "config/tracker.toml", {}) == Settings()


def test_the_commented_file_shows_every_setting_and_its_default() -> None:
    shown = uncommented((ROOT / "config/tracker.toml").read_text())

    assert {starred(name) for name in shown} == set(NAMES)
    settings = load_values(shown)
    for name, default in NAMES.items():
        if default is not None:
            assert settings[name] == default, name


def test_the_page_lists_every_setting_with_its_default() -> None:
    rows = re.findall(
        r"^\| `([a-z_.*]+)` \| (.+?) \| ", (ROOT / "docs/settings.md").read_text(), re.MULTILINE
    )
    told = {name: default.strip("`") for name, default in rows}

    assert set(told) == set(NAMES)
    for name, default in NAMES.items():
        assert in_words(told[name], name) == default, name


def in_words(told: str, name: str) -> Any:
    if told == "not set":
        return None
    values = tomllib.loads(f"value = {told}")["value"]
    return plain(values, NAMES[name])


def plain(value: Any, like: Any) -> Any:
    """A value as the settings keep it: times in seconds."""
    if isinstance(like, tuple):
        are_times = any(isinstance(item, float) for item in like)
        return tuple(duration_s(item) if are_times else item for item in value)
    return duration_s(value) if isinstance(like, float) else value


def uncommented(text: str) -> dict[str, Any]:
    """Every setting of the file, by its dotted name, as if all comment signs before names were gone."""
    lines = [line.lstrip("# ") for line in text.splitlines() if re.match(r"#? ?(\[|[a-z_]+ = )", line)]
    return dict(flat(tomllib.loads("\n".join(lines))))


def flat(values: dict[str, Any], before: tuple[str, ...] = ()) -> Any:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, (*before, key))
        else:
            yield "\0".join((*before, key)), value


def test_the_commented_file_shows_every_predefined_alias_of_an_image() -> None:
    shown = uncommented((ROOT / "config/tracker.toml").read_text())
    aliases = {name.partition("\0")[2]: value for name, value in shown.items() if name.startswith("image_a")}

    assert aliases == IMAGE_ALIASES


def test_an_operator_overrules_adds_and_removes_aliases_of_images(tmp_path: Path) -> None:
    text = '[image_aliases]\nbash = "{{.Run.Registry}}/bash:5"\nkube = "bitnami/kubectl:1"\ncssc = ""\n'

    images = load(written(tmp_path, text), {"TRACKER__IMAGE_ALIASES__CURL": "curlimages/curl:8"}).alias_rules

    assert images.images == {
        "acr": IMAGE_ALIASES["acr"],
        "az": IMAGE_ALIASES["az"],
        "bash": "{{.Run.Registry}}/bash:5",
        "curl": "curlimages/curl:8",
        "kube": "bitnami/kubectl:1",
    }


def test_an_alias_of_an_image_that_cannot_be_is_refused_by_name(tmp_path: Path) -> None:
    faults = refused(tmp_path, '[image_aliases]\n"a-b" = "x"\nID = "x"\nup = "UP:1"\nfive = 5\n')

    assert [fault.strip().partition(":")[0] for fault in faults[1:]] == [
        "image_aliases.a-b", "image_aliases.ID", "image_aliases.up", "image_aliases.five",
    ]  # fmt: skip


def test_alias_sources_are_fetched_from_public_addresses_unless_told_otherwise(tmp_path: Path) -> None:
    told = load(written(tmp_path, '[alias_sources]\nprivate_addresses = true\ntimeout = "5s"\n'), {})
    off = load(None, {"TRACKER__ALIAS_SOURCES__FETCH": "false"})

    assert load(None, {}).alias_rules.fetch == FetchRules(private_addresses=False, timeout_s=2.0)
    assert told.alias_rules.fetch == FetchRules(private_addresses=True, timeout_s=5.0)
    assert off.alias_rules.fetch is None


def starred(name: str) -> str:
    section, *rest = name.split("\0")
    if section in (
        "registries",
        "events",
        "forges",
        "hooks",
        "image_aliases",
        "notify",
        "ssh_hosts",
        "workers",
    ):
        rest[0] = "*"
    return ".".join([section, *rest])


def load_values(shown: dict[str, Any]) -> dict[str, Any]:
    return {starred(name): plain(value, NAMES[starred(name)]) for name, value in shown.items()}


def test_what_steps_may_ask_for_is_the_operators_to_say(tmp_path: Path) -> None:
    text = '[task_files]\nprivileged = true\nhelper_image = "debian:12"'

    rules = load(written(tmp_path, text), {}).step_rules

    assert (rules.privileged, rules.host_network, str(rules.helper)) == (
        True, False, "docker.io/library/debian:12",
    )  # fmt: skip
    assert load(None, {}).step_rules == StepRules()


def test_a_helper_that_is_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"task_files\.helper_image: .*lower case"):
        load(written(tmp_path, '[task_files]\nhelper_image = "Debian"'), {})


def worker_faults(tmp_path: Path, *lines: str) -> list[str]:
    return refused(tmp_path, "\n".join(("[workers.w]", *lines)))[1:]


@pytest.mark.parametrize(
    "host",
    [
        "ssh://builder@win1.example.com",
        "ssh://win1:2222",
        "unix:///run/docker.sock",
        "tcp://127.0.0.1:2375",
        "tcp://localhost:2375",
        "tcp://[::1]:2375",
    ],
)
def test_a_worker_is_reached_by_ssh_by_a_socket_or_on_this_machine(host: str, tmp_path: Path) -> None:
    text = f'[workers.win-1]\nhost = "{host}"\nplatforms = ["windows/amd64", "Linux/ARM64/v8"]\n'

    section = load(written(tmp_path, text), {}).workers["win-1"]  # type: ignore[index]

    known = section.named("win-1")
    assert (known.host, [str(one) for one in known.platforms]) == (host, ["windows/amd64", "linux/arm64"])


@pytest.mark.parametrize(
    "host",
    [
        "win1",
        "http://win1:2375",
        "ssh://a:secret@win1",
        "ssh://-oProxyCommand=x",
        "ssh://-o@win1",
        "tcp://win1",
        "tcp://a@win1:2376",
        "tcp://win1:2376/x",
        "unix://socket",
        "unix:///a b",
        "tcp://:1",
        "",
    ],
)
def test_what_docker_could_not_reach_or_would_take_for_more_is_no_host(host: str, tmp_path: Path) -> None:
    (fault,) = worker_faults(tmp_path, f'host = "{host}"', 'platforms = ["linux/arm64"]')

    assert "workers.w.host: Expected ssh://USER@HOST, tcp://HOST:PORT or unix:///PATH" in fault


def test_a_worker_on_the_way_to_others_wants_tls_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    bare = ('host = "tcp://win1.example.com:2375"', 'platforms = ["windows/amd64"]')

    (fault,) = worker_faults(tmp_path, *bare)
    assert "workers.w: tcp:// without tls hands the worker to everybody who reaches it" in fault

    for more in ("insecure = true", 'tls = "/etc/w"'):
        assert load(written(tmp_path, "\n".join(("[workers.w]", *bare, more))), {}).workers


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (('host = "ssh://a"',), "workers.w: host and platforms must be set"),
        (('platforms = ["linux/arm64"]',), "workers.w: host and platforms must be set"),
        (('host = "ssh://a"', "platforms = []"), "workers.w: host and platforms must be set"),
        (
            ('host = "ssh://a"', 'platforms = ["a b"]'),
            "workers.w.platforms: platform 'a b' is not of the form",
        ),
        (('host = "ssh://a"', 'platforms = ["linux/arm64"]', 'tls = "/t"'), "tls is for tcp:// alone"),
        (('host = "tcp://a:1"', 'platforms = ["linux/arm64"]', 'tls = "t"'), "tls must be a whole path"),
    ],
)
def test_a_worker_that_is_not_whole_is_a_fault(lines: tuple[str, ...], told: str, tmp_path: Path) -> None:
    (fault,) = worker_faults(tmp_path, *lines)

    assert told in fault


def test_the_files_of_a_worker_are_checked_each(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    text = f'[workers.w]\nhost = "tcp://a:1"\nplatforms = ["linux/arm64"]\ntls = "{tmp_path}"\n'

    missing = unreadable_files(load(written(tmp_path, text), {}))

    assert [str(one) for one in missing] == [
        f"workers.w.tls: {tmp_path}/{name}: No such file or directory" for name in ("cert.pem", "key.pem")
    ]
