"""Logins that docker keeps in a helper for all registries, made known to podman."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rebuild.engines.podman_logins import pinned_registries, with_helpers
from rebuild.engines.surroundings import Surroundings

PIN = f"@sha256:{'a' * 64}"


def around(folder: Path, config: object) -> Surroundings:
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return Surroundings(folder, auth_file=path)


def given(folder: Path, config: object, *registries: str) -> Any:
    changed = with_helpers(around(folder, config), frozenset(registries), folder)
    assert changed.auth_file is not None
    return json.loads(changed.auth_file.read_text())


def test_the_store_becomes_the_helper_of_each_registry_that_is_asked(tmp_path: Path) -> None:
    config = {"credsStore": "pass"}
    helpers = {"ghcr.io": "pass", "quay.io": "pass"}

    assert given(tmp_path, config, "ghcr.io", "quay.io") == {**config, "credHelpers": helpers}


def test_logins_are_copied_only_where_one_of_them_is_needed(tmp_path: Path) -> None:
    config = {"auths": {"ghcr.io": {"auth": "YTpi"}}, "credsStore": "pass"}

    assert "auths" not in given(tmp_path, config, "quay.io")
    (tmp_path / "logins.json").unlink()
    assert given(tmp_path, config, "quay.io", "ghcr.io")["auths"] == config["auths"]


def test_a_login_or_a_helper_of_its_own_counts_before_the_store(tmp_path: Path) -> None:
    config = {"auths": {"ghcr.io": {"auth": "YTpi"}}, "credHelpers": {"quay.io": "own"}, "credsStore": "pass"}

    assert given(tmp_path, config, "ghcr.io", "quay.io") == config


def test_the_file_is_for_our_eyes_alone(tmp_path: Path) -> None:
    changed = with_helpers(around(tmp_path, {"credsStore": "pass"}), frozenset({"ghcr.io"}), tmp_path)

    assert changed.auth_file == tmp_path / "logins.json"
    assert changed.auth_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "config", [{}, {"credsStore": ""}, {"credsStore": 3}, [], {"auths": 3, "credsStore": "x"}]
)
def test_without_a_store_nothing_is_written(tmp_path: Path, config: object) -> None:
    unchanged = around(tmp_path, config)

    assert with_helpers(unchanged, frozenset({"ghcr.io"}), tmp_path) is unchanged


def test_the_registries_of_a_pinned_dockerfile_are_found() -> None:
    text = f"""FROM ghcr.io/a/b{PIN} AS x
FROM --platform=linux/arm64 docker.io/library/c{PIN}
COPY --from=localhost:5000/d{PIN} / /
RUN --mount=type=bind,from=[::1]:5000/e{PIN},target=/e curl https://example.com/f
"""

    assert pinned_registries(text) == {"ghcr.io", "docker.io", "localhost:5000", "[::1]:5000"}
