"""An engine's process finds around it what was meant for it, and nothing that changes what it runs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.reference import Platform
from rebuild.engines.emulation import why_not
from rebuild.engines.engine import EngineError
from rebuild.engines.surroundings import (
    Surroundings,
    build_arg_flags,
    certificates,
    docker_config,
    loopback_registries,
    registries_conf,
    split_build_args,
)

AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")
FIXED = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: PF\noffset 0\n"


@pytest.mark.parametrize(
    "name",
    ["LD_PRELOAD", "PATH", "GIT_SSH_COMMAND", "GODEBUG", "https_proxy", "CONTAINERS_CONF", "_X", "a-b"],
)
def test_a_build_argument_that_some_program_reads_does_not_reach_its_environment(name: str) -> None:
    by_environment, by_command = split_build_args({name: "x", "MY_WORD": "y"}, ["HOME"])

    assert (by_environment, by_command) == ({"MY_WORD": "y"}, {name: "x"})


@given(st.dictionaries(st.text(), st.text().filter(lambda value: "\0" not in value)), st.sets(st.text()))
def test_every_build_argument_is_passed_exactly_once(arguments: dict[str, str], taken: set[str]) -> None:
    by_environment, by_command = split_build_args(arguments, taken)

    assert {**by_environment, **by_command} == arguments
    assert not by_environment.keys() & (by_command.keys() | taken)
    assert len(build_arg_flags(by_environment, by_command)) == len(arguments)


def test_a_value_that_no_program_can_take_is_refused() -> None:
    with pytest.raises(EngineError, match="build argument A: its value holds a zero byte"):
        split_build_args({"A": "x\0y"}, [])


def test_the_callers_environment_is_not_handed_on(tmp_path: Path) -> None:
    around = Surroundings(
        tmp_path, environment={"PATH": "/bin", "HOME": "/h", "API_TOKEN": "s", "LD_PRELOAD": "x"}
    )

    assert around.variables() == {"PATH": "/bin", "HOME": "/h"}


@pytest.mark.parametrize(
    ("text", "registries"),
    [
        ("FROM localhost:5000/a@sha256:0", {"localhost:5000"}),
        ("COPY --from=127.0.0.1:5000/a /x /x\nFROM [::1]:80/b", {"127.0.0.1:5000", "[::1]:80"}),
        ("FROM example.com/localhost:5000", set()),
        ("FROM notlocalhost:5000/a", set()),
        ("FROM localhost.example.com/a", set()),
    ],
)
def test_registries_on_this_machine_are_found_in_a_dockerfile(text: str, registries: set[str]) -> None:
    assert loopback_registries(text) == registries


def test_the_registries_file_allows_plain_http_where_it_was_asked_for_only(tmp_path: Path) -> None:
    path = registries_conf(tmp_path, {"localhost:5000", "hub.example.com"})

    assert tomllib.loads(path.read_text()) == {
        "unqualified-search-registries": [],
        "short-name-mode": "disabled",
        "registry": [
            {"location": "hub.example.com", "insecure": True},
            {"location": "localhost:5000", "insecure": True},
        ],
    }
    assert registries_conf(tmp_path, {"hub.example.com", "localhost:5000"}) == path


def test_a_registry_name_cannot_write_lines_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"is not of the form host\[:port\]"):
        registries_conf(tmp_path, {'x"\n[[registry]]\nlocation = "docker.io'})


def test_ca_files_are_offered_under_the_name_that_podman_wants(tmp_path: Path) -> None:
    (tmp_path / "corporate.pem").write_text("certificate")

    folder = certificates(tmp_path / "state", [tmp_path / "corporate.pem"])

    assert [path.read_text() for path in folder.glob("*.crt")] == ["certificate"]


def test_a_ca_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="CA file /no/such cannot be read: No such file"):
        certificates(tmp_path, [Path("/no/such")])


def test_credentials_under_another_name_are_given_to_docker_as_a_private_copy(tmp_path: Path) -> None:
    (tmp_path / "auth.json").write_text("{}")

    folder = docker_config(tmp_path / "state", tmp_path / "auth.json")

    assert (folder / "config.json").read_text() == "{}"
    assert (folder / "config.json").stat().st_mode & 0o077 == 0


def test_this_machines_own_platform_needs_no_emulation(tmp_path: Path) -> None:
    assert why_not(AMD64, host=AMD64, binfmt=tmp_path / "none") is None
    assert why_not(Platform.parse("linux/386"), host=AMD64, binfmt=tmp_path / "none") is None


@pytest.mark.parametrize(
    ("handler", "status", "lack"),
    [
        (FIXED, "enabled\n", None),
        (FIXED.replace("flags: PF", "flags: P"), "enabled\n", "has no flag F"),
        (FIXED.replace("enabled", "disabled"), "enabled\n", "is disabled"),
        (FIXED, "disabled\n", "binfmt_misc is switched off"),
        (None, "enabled\n", "no qemu-aarch64 is registered"),
    ],
)
def test_what_emulation_lacks_is_told_with_the_way_out(
    tmp_path: Path, handler: str | None, status: str, lack: str | None
) -> None:
    (tmp_path / "register").touch()
    (tmp_path / "status").write_text(status)
    if handler is not None:
        (tmp_path / "qemu-aarch64").write_text(handler)

    reason = why_not(ARM64, host=AMD64, binfmt=tmp_path)

    assert (reason is None) == (lack is None)
    assert (lack or "") in (reason or "")
    assert lack is None or "as root" in (reason or "")


def test_emulation_that_somebody_registered_under_another_name_counts(tmp_path: Path) -> None:
    (tmp_path / "register").touch()
    (tmp_path / "status").write_text("enabled\n")
    (tmp_path / "arm64").write_text("enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OCF\n")

    assert why_not(ARM64, host=AMD64, binfmt=tmp_path) is None


def test_a_machine_without_binfmt_misc_hears_how_to_mount_it(tmp_path: Path) -> None:
    reason = why_not(ARM64, host=AMD64, binfmt=tmp_path)

    assert "mount binfmt_misc -t binfmt_misc" in (reason or "")


def test_another_system_cannot_be_emulated(tmp_path: Path) -> None:
    assert "another kernel" in (why_not(Platform.parse("windows/amd64"), host=AMD64, binfmt=tmp_path) or "")
