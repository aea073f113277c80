"""Which machine a build goes to, as far as the settings and its Dockerfile say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.dockerfile import Scan, scan
from graph.reference import Platform
from rebuild.engines.engine import Engine, EngineError
from rebuild.engines.features import refuse_foreign
from rebuild.engines.workers import Worker, Workers, sent_away

AMD64, ARM64, WINDOWS = map(Platform.parse, ("linux/amd64", "linux/arm64", "windows/amd64"))
WITH_RUN = "FROM debian\nRUN make\n"


def worker(name: str, *platforms: str, tls: Path | None = None) -> Worker:
    return Worker(name, f"tcp://{name}:2376", tuple(map(Platform.parse, platforms)), tls)


def read(text: str, platform: Platform, host: Platform = AMD64) -> Scan:
    return scan(text.encode(), path="Dockerfile", platform=platform, build_platform=host)


def goes_to(text: str, platform: Platform, *workers: Worker, host: Platform = AMD64) -> list[str]:
    return [one.name for one in sent_away(read(text, platform, host), workers, host=host)]


def test_what_this_machine_runs_by_itself_is_built_here() -> None:
    assert goes_to(WITH_RUN, AMD64, worker("a", "linux/amd64")) == []
    assert goes_to(WITH_RUN, Platform.parse("linux/386"), worker("a", "linux/386")) == []


def test_what_runs_nothing_is_built_here() -> None:
    assert goes_to("FROM debian\nCOPY f /\n", WINDOWS, worker("a", "windows/amd64")) == []


def test_the_first_worker_of_the_settings_comes_first() -> None:
    workers = (worker("b", "linux/arm64"), worker("c", "windows/amd64"), worker("a", "linux/arm64"))

    assert goes_to(WITH_RUN, ARM64, *workers) == ["b", "a"]


def test_a_stage_that_runs_here_needs_no_worker() -> None:
    crossing = "FROM --platform=$BUILDPLATFORM go AS made\nRUN make\n\nFROM scratch\nCOPY --from=made /a /a\n"

    assert goes_to(crossing, ARM64, worker("a", "linux/arm64")) == []


def test_a_stage_that_the_build_does_not_reach_needs_no_worker() -> None:
    unused = "FROM --platform=windows/amd64 debian AS unused\nRUN dir\n\nFROM debian\nCOPY f /\n"

    assert goes_to(unused, AMD64, worker("a", "windows/amd64")) == []


@pytest.mark.parametrize(
    ("had", "wanted", "is_had"),
    [
        ("linux/arm/v7", "linux/arm/v6", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64", "linux/arm/v7", False),
        ("windows/amd64", "linux/amd64", False),
    ],
)
def test_a_worker_has_its_platforms_and_what_they_run(had: str, wanted: str, is_had: bool) -> None:
    assert worker("a", had).has(Platform.parse(wanted)) is is_had


PLATFORMS = st.sampled_from(["linux/amd64", "linux/arm64", "linux/arm/v7", "windows/amd64", "linux/386"])


@given(
    workers=st.lists(st.lists(PLATFORMS, min_size=1, max_size=3), max_size=4),
    wanted=PLATFORMS,
    host=st.sampled_from([AMD64, ARM64]),
)
def test_nothing_is_sent_where_its_platform_is_not(
    workers: list[list[str]], wanted: str, host: Platform
) -> None:
    known = [worker(f"w{number}", *platforms) for number, platforms in enumerate(workers)]

    sent = sent_away(read(WITH_RUN, Platform.parse(wanted), host), known, host=host)

    assert all(one.has(Platform.parse(wanted)) for one in sent)
    assert list(sent) == [one for one in known if one in sent]


def test_the_client_is_told_where_and_by_which_files_to_trust() -> None:
    assert worker("a", "linux/arm64").docker_options == ("--host", "tcp://a:2376")
    assert worker("a", "linux/arm64", tls=Path("/etc/w")).docker_options == (
        "--host", "tcp://a:2376", "--tlsverify", "--tlscacert", "/etc/w/ca.pem",
        "--tlscert", "/etc/w/cert.pem", "--tlskey", "/etc/w/key.pem",
    )  # fmt: skip


class Here:
    """The engine of a Linux machine without emulation."""

    def cannot_run(self, platform: Platform) -> str | None:
        return None if platform == AMD64 else "not here"


def test_a_refusal_names_what_is_missing_what_there_is_and_the_way_out() -> None:
    workers = (worker("arm", "linux/arm64", "linux/arm/v7"), worker("pi", "linux/arm/v6"))

    with pytest.raises(EngineError) as refused:
        refuse_foreign("Dockerfile", read(WITH_RUN, WINDOWS), Here(), workers)  # type: ignore[arg-type]

    assert "Dockerfile:2: RUN needs a machine for windows/amd64: not here" in refused.value.message
    assert "; worker arm has linux/arm64, linux/arm/v7; worker pi has linux/arm/v6" in refused.value.message
    assert '[workers.NAME] with platforms = ["windows/amd64"]' in str(refused.value.hint)


class Dressed:
    """An engine that notes what it was given."""

    def __init__(self, *given: str) -> None:
        self.given = given


def with_what(what: str) -> object:
    return lambda engine: Dressed(*engine.given, what)


@pytest.mark.anyio
async def test_a_worker_gets_what_this_machines_engine_gets_when_it_is_opened() -> None:
    opened: list[str] = []

    async def open_one(one: Worker) -> Engine:
        opened.append(one.name)
        return Dressed()  # type: ignore[return-value]

    arm = worker("arm", "linux/arm64")
    workers = Workers((arm,), open_one)
    for what in ("logins", "trial"):
        workers = workers.dressed(with_what(what))  # type: ignore[arg-type]
    assert opened == []

    engine = await workers.engine(arm)

    assert engine.given == ("logins", "trial")  # type: ignore[attr-defined]
