"""Asking real registries what images stand on: few requests, each once, and only where we may ask."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from graph.ancestry import bases_of
from graph.database import immediate
from graph.model import BuildRecord, Manifests, RecordedBase
from graph.names import find_image
from graph.reference import Digest, ImageRef, Platform
from graph.store import GraphStore
from graph.words import Role, Via
from rebuild.engines.podman_command import Podman
from rebuild.engines.surroundings import Surroundings
from tests.graph.world import at
from tests.real_engine import podman_storage
from tests.real_registry import RealRegistry
from tests.tracker.registry.content import OCI_CONFIG, OCI_MANIFEST, Document, Image, Pusher, image, index
from tracker import ancestry
from tracker.ancestry import Ancestry, trusted_registries
from tracker.registry import RegistryClient
from tracker.state import State

pytestmark = pytest.mark.anyio
ELSEWHERE = "sha256:" + "d" * 64
AMD64 = Platform.parse("linux/amd64")
NAME, DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"


def words(name: str, digest: Digest | str) -> dict[str, str]:
    return {NAME: name, DIGEST: str(digest)}


def labelled(labels: dict[str, str]) -> Image:
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": labels},
        "rootfs": {"diff_ids": []},
    }
    blob = Document(OCI_CONFIG, json.dumps(config).encode())
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": blob.descriptor(), "layers": []}
    return Image(blob, Document(OCI_MANIFEST, json.dumps(manifest).encode()))


@dataclass
class Asking:
    """A state folder and a registry."""

    registry: RealRegistry
    state: State
    sql: sqlite3.Connection

    @property
    def push(self) -> Pusher:
        return Pusher(self.registry.url)

    def push_python(self, annotations: dict[str, str]) -> None:
        self.push.image("python", "1", image("python", annotations=annotations))

    def name(self, short: str) -> str:
        return f"{self.registry.host}/{short}"

    async def build_on(self, short: str, *, client: RegistryClient) -> None:
        """Record app as built on this now."""
        reference = ImageRef.parse(self.name(short))
        held = await client.manifests(reference, await client.digest(reference))
        base = RecordedBase(reference, Role.RUNTIME, Via.FROM, "0", 1, held, (AMD64,))
        app = Manifests(Digest("sha256", "a" * 64))
        record = BuildRecord(
            (ImageRef.parse(self.name("app:1")),), app, app.digest, (AMD64,), (base,), at(0), at(1), 1.0
        )
        with immediate(self.sql):
            GraphStore(self.sql).record(record)

    def asker(self, client: RegistryClient, *trusted: str) -> Ancestry:
        return Ancestry(self.sql, client, connect=self.state.read, trusted=trusted_registries(trusted))

    def line(self) -> list[str]:
        """The names below app, each the first base of the one before."""
        found, tree = [], bases_of(self.sql, find_image(self.sql, self.name("app:1"))[0])
        while tree.bases:
            found.append(tree.bases[0].reference.removeprefix(f"{self.registry.host}/"))
            tree = tree.bases[0].image
        return found


@pytest.fixture
def asking(registry: RealRegistry, tmp_path: Path) -> Iterator[Asking]:
    state = State(tmp_path / "state")
    with contextlib.closing(state.write()) as connection:
        yield Asking(registry, state, connection)


async def test_manifests_are_followed_down_to_the_root_one_request_each(asking: Asking) -> None:
    root = image("root", annotations={NAME: "scratch"})
    middle = image("middle", annotations=words(asking.name("root:1"), root.digest))
    for name, pushed in (("root", root), ("middle", middle)):
        asking.push.image(name, "1", pushed)
    asking.push.image(
        "python", "1", image("python", annotations=words(asking.name("middle:1"), middle.digest))
    )

    async with RegistryClient() as client:
        await asking.build_on("python:1", client=client)
        before = len(asking.registry.requests())
        asked = await asking.asker(client).ask()

    assert asking.line() == ["python:1", "middle:1", "root:1"]
    assert (asked, len(asking.registry.requests()) - before) == (3, 3)


async def test_nothing_is_asked_twice(asking: Asking) -> None:
    root = image("root", annotations={NAME: "scratch"})
    asking.push.image("root", "1", root)
    asking.push_python(words(asking.name("root:1"), root.digest))

    async with RegistryClient() as client:
        await asking.build_on("python:1", client=client)
        await asking.asker(client).ask()
        before = len(asking.registry.requests())
        asked = await asking.asker(client).ask()

    assert (asked, len(asking.registry.requests()) - before) == (0, 0)


async def test_words_in_an_index_cost_no_request(asking: Asking) -> None:
    python = image("python")
    asking.push.image("python", python.digest.hex, python)
    entry = python.manifest.descriptor(
        platform={"os": "linux", "architecture": "amd64"},
        annotations=words("debian:12", ELSEWHERE),
    )
    asking.push.manifest("python", "1", index([entry]))

    async with RegistryClient() as client:
        await asking.build_on("python:1", client=client)

    assert asking.line() == ["python:1", "docker.io/library/debian:12"]


async def test_labels_are_the_last_resort(asking: Asking) -> None:
    root = image("root")
    asking.push.image("root", "1", root)
    asking.push.image("python", "1", labelled(words(asking.name("root:1"), root.digest)))

    async with RegistryClient() as client:
        await asking.build_on("python:1", client=client)
        await asking.asker(client).ask()

    assert asking.line() == ["python:1", "root:1"]


async def test_a_host_that_nobody_here_named_is_not_asked(asking: Asking) -> None:
    asking.push.image("python", "1", image("python", annotations=words("127.0.0.9:1/x:1", ELSEWHERE)))
    seen: list[str] = []

    async with RegistryClient(on_request=lambda request: seen.append(request.registry)) as client:
        await asking.build_on("python:1", client=client)
        await asking.asker(client).ask()
        without = set(seen)
        await asking.asker(client, "127.0.0.9:1").ask()

    assert asking.line() == ["python:1", "127.0.0.9:1/x:1"]
    assert without == {asking.registry.host}
    assert "127.0.0.9:1" in seen


@pytest.mark.parametrize(
    "annotations",
    [
        words("Not A Name", ELSEWHERE),
        words("debian:12", "sha256:short"),
        words("x" * 5000, ELSEWHERE),
        {NAME: "debian:12"},
        {DIGEST: ELSEWHERE},
        words("\x1b[2Jdebian", ELSEWHERE),
    ],
)
async def test_words_that_are_not_valid_are_no_words(asking: Asking, annotations: dict[str, str]) -> None:
    asking.push_python(annotations)

    async with RegistryClient() as client:
        await asking.build_on("python:1", client=client)
        await asking.asker(client).ask()

    assert asking.line() == ["python:1"]


async def test_an_image_that_is_gone_is_asked_for_once_without_a_word(
    asking: Asking, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = words(asking.name("gone:1"), ELSEWHERE)
    asking.push_python(gone)

    async with RegistryClient() as client:
        await asking.build_on("python:1", client=client)
        asker = asking.asker(client)
        await asker.ask()
        before = len(asking.registry.requests())
        await asker.ask()

    assert asking.line() == ["python:1", "gone:1"]
    assert capsys.readouterr() == ("", "")
    assert len(asking.registry.requests()) == before


async def test_a_registry_that_is_down_is_asked_again_later(asking: Asking) -> None:
    asking.push_python(words("debian:12", ELSEWHERE))

    async with RegistryClient() as client:
        await asking.build_on("python:1", client=client)
        asker = asking.asker(client)
        asking.registry.stop()
        await asker.work()
        asking.registry.start()
        await asker.ask()

    assert asking.line() == ["python:1", "docker.io/library/debian:12"]


async def test_one_go_is_bounded(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ancestry, "ASKED_MOST", 1)
    root = image("root", annotations={NAME: "scratch"})
    asking.push.image("root", "1", root)
    asking.push_python(words(asking.name("root:1"), root.digest))

    async with RegistryClient() as client:
        await asking.build_on("python:1", client=client)
        asker = asking.asker(client)

        assert [await asker.ask() for _ in range(3)] == [1, 1, 0]


def podman_makes(around: Surroundings, folder: Path, name: str, base: str) -> None:
    """A real build and push by somebody who uses podman alone, which names the base by itself."""
    executable = shutil.which("podman")
    assert executable and around.storage and around.run_root
    podman = Podman(executable, around.storage, around.run_root)
    (folder / "Dockerfile").write_text(f"FROM {base}\nCOPY Dockerfile /{name.rpartition('/')[2]}\n")
    for words in (
        ("build", "--format", "oci", "--isolation", "chroot", "--tls-verify=false", "-t", name, str(folder)),
        ("push", "--tls-verify=false", name),
        ("rmi", "--all", "--force"),  # of a base that was never pulled it names a digest that is nowhere else
    ):
        subprocess.run(podman.argv(*words), check=True, capture_output=True)


async def test_what_podman_built_says_what_it_stands_on(asking: Asking, tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    with podman_storage(tmp_path / "podman") as around:
        for short, base in (("root:1", "scratch"), ("middle:1", "root:1"), ("python:1", "middle:1")):
            base = base if base == "scratch" else asking.name(base)
            podman_makes(around, tmp_path / "context", asking.name(short), base)

    async with RegistryClient() as client:
        await asking.build_on("python:1", client=client)
        await asking.asker(client).ask()

    assert asking.line() == ["python:1", "middle:1", "root:1"]
