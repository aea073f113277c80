"""What engines print of a push becomes a count and a plain log; what is not understood passes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graph.reference import ImageRef
from rebuild.engines.push_progress import DockerLines, PodmanBars, PushSeen

TO = ImageRef.parse("localhost:5000/shop:1")
ONE, TWO, CONFIG = (f"sha256:{digit * 64}" for digit in "12c")
BARS = (
    b"Getting image source signatures\r\n"
    b"Copying blob 111111111111 [>-----] 960.0KiB / 30.0MiB\r\n"
    b"Copying blob 222222222222 [----] 8.0b / 1.0GiB\r\n"
    b"\x1b[2A\x1b[JCopying blob 111111111111 done  \r\nCopying blob 222222222222 [=>--] 512.0MiB / 1.0GiB\r\n"
    b"\x1b[2A\x1b[JCopying blob 111111111111 done  \r\nCopying blob 222222222222 done  \r\n"
    b"Copying config cccccccccc [======] 1.0KiB / 1.0KiB\r\n\x1b[1A\x1b[JCopying config cccccccccc done  \r\n"
    b"Writing manifest to image destination\r\nStoring signatures\r\n"
)
LOG = (
    f"Getting image source signatures\nCopying blob {ONE}\nCopying blob {TWO}\nCopying config {CONFIG}\n"
    "Writing manifest to image destination\nStoring signatures\n"
)
MIB = 1024 * 1024


def of_podman(*pieces: bytes, layers: int = 2) -> tuple[str, list[PushSeen]]:
    log: list[bytes] = []
    seen: list[PushSeen] = []
    names = (ONE, TWO, CONFIG)
    bars = PodmanBars(TO, names, layers=layers, log=log.append, tell=lambda one: seen.append(one or seen[-1]))
    for piece in pieces:
        bars(piece)
    bars.finish()
    return b"".join(log).decode(), seen


def test_bars_become_the_lines_of_a_push_without_a_terminal() -> None:
    log, seen = of_podman(BARS)

    assert log == LOG
    assert seen[0] == PushSeen(TO, 2, 0, 960 * 1024, 30 * MIB)
    assert PushSeen(TO, 2, 1, (30 + 512) * MIB, (30 + 1024) * MIB) in seen
    assert seen[-1] == PushSeen(TO, 2, 2, (30 + 1024) * MIB, (30 + 1024) * MIB)


@given(st.integers(1, 40))
def test_it_does_not_matter_where_bars_are_cut(size: int) -> None:
    pieces = [BARS[at : at + size] for at in range(0, len(BARS), size)]

    assert of_podman(*pieces) == of_podman(BARS)


def test_a_layer_that_is_there_already_counts_as_done() -> None:
    log, seen = of_podman(
        b"Copying blob 333333333333 .      \r\n\x1b[1A\x1b[J"
        b"Copying blob 333333333333 skipped: already exists\r\n"
    )

    assert log == "Copying blob sha256:333333333333\n"
    assert seen[-1] == PushSeen(TO, 2, 1)


def test_an_error_is_in_the_log_as_it_was_printed() -> None:
    log, _ = of_podman(BARS[:90], b"\r\nError: writing blob: denied\r\n")

    assert log.endswith("Error: writing blob: denied\n")


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_what_is_not_understood_breaks_nothing(pieces: list[bytes]) -> None:
    log, seen = of_podman(*pieces)

    assert "\x1b[" not in log
    assert all(one.layers_done <= one.layers for one in seen)


def test_a_line_without_end_is_not_kept_for_ever() -> None:
    log, _ = of_podman(*[b"x" * 1000] * 20)

    assert log.replace("\n", "") == "x" * 20_000


def test_lines_of_docker_are_counted_and_pass_as_they_are() -> None:
    printed = (
        b"The push refers to repository [localhost:5000/shop]\n"
        b"111111111111: Preparing\n222222222222: Preparing\n"
        b"222222222222: Layer already exists\n111111111111: Pushed\n1: digest: sha256:abc size: 1\n"
    )
    log: list[bytes] = []
    seen: list[PushSeen | None] = []
    lines = DockerLines(TO, layers=2, log=log.append, tell=seen.append)

    for at in range(0, len(printed), 7):
        lines(printed[at : at + 7])

    assert b"".join(log) == printed
    assert seen == [PushSeen(TO, 2, 0), PushSeen(TO, 2, 0), PushSeen(TO, 2, 1), PushSeen(TO, 2, 2)]
