"""Where e2e tests work: a registry and a podman storage for the session, a state folder for each test."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from graph.reference import ImageRef
from tests.e2e.bases import Shelf
from tests.real_engine import clear_storage
from tests.real_registry import RealRegistry, free_port, real_registry
from tests.real_service import RealService, hooked_podman, real_service

QUICK = {"TRACKER__WATCH__INTERVAL": "1s", "TRACKER__REBUILD__RETRY_DELAYS": '["1s"]'}
NO_POLL = {"TRACKER__WATCH__INTERVAL": "1h"}


@dataclass
class Yard:
    """The parts that tests share. The registry sends its events to `event_port`."""

    folder: Path
    registry: RealRegistry
    event_port: int
    programs: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def storage(self) -> Path:
        return self.folder / "storage"

    @property
    def shelf(self) -> Shelf:
        return Shelf(self.registry, self.registry.host)

    @property
    def variables(self) -> dict[str, str]:
        return {
            "PATH": f"{self.programs}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "TRACKER__ENGINE_STORAGE": str(self.storage),
            "TRACKER__ENGINE": "podman",
        }

    @contextlib.contextmanager
    def service(self, settings: Mapping[str, str] = QUICK, *, events: bool = False) -> Iterator[RealService]:
        """A state folder in which the engine is known; `events` listens where the registry sends them."""
        folder = self.folder / f"{next(self._numbers)}"
        port = self.event_port if events else free_port()
        with real_service(folder, {**self.variables, **settings}, port=port) as service:
            if self.probe.is_dir():
                shutil.copytree(self.probe, service.state / "engine")
            yield service

    @property
    def probe(self) -> Path:
        """What the engine was found to do, which takes seconds to find out."""
        return self.folder / "probe"

    def project(self, dockerfile: str, **files: str) -> Path:
        """A new build context; `_` in a file's name stands for a dot."""
        folder = self.folder / "projects" / f"{next(self._numbers)}"
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text(dockerfile)
        for name, text in files.items():
            (folder / name.replace("_", ".")).write_text(text)
        return folder


@contextlib.contextmanager
def yard(folder: Path) -> Iterator[Yard]:
    """podman wants short paths, so its storage is no folder of pytest's."""
    short = Path(tempfile.mkdtemp(prefix="tk-"))
    port = free_port()
    endpoint = {
        "name": "tracker",
        "url": f"http://127.0.0.1:{port}/events/distribution",
        "timeout": "1s",
        "threshold": 1000000,
        "backoff": "100ms",
        "ignore": {"actions": ["pull"]},
    }
    try:
        with real_registry(folder / "registry", notifications={"endpoints": [endpoint]}) as registry:
            made = Yard(short, registry, port, hooked_podman(short / "bin"))
            _try_the_engine(made)
            yield made
    finally:
        clear_storage(str(shutil.which("podman")), short / "storage", short / "storage-run")
        shutil.rmtree(short, ignore_errors=True)


def _try_the_engine(made: Yard) -> None:
    with made.service() as service:
        service.tracker("doctor", expect=0)
        shutil.copytree(service.state / "engine", made.probe)


def base_of(service: RealService, image: str) -> dict[str, str]:
    """Base → the digest of the platform's manifest that the image was built on, as recorded."""
    told = service.read("deps", image)
    return {
        base["reference"]: next(iter(base["recorded_platform_digests"].values())) for base in told["bases"]
    }


def assert_recorded_is_used(service: RealService, shelf: Shelf, image: str) -> None:
    """What is recorded of an image is what the registry holds, and it stands on its newest base."""
    name = str(ImageRef.parse(image))
    (digest,) = service.query(
        "SELECT d.value FROM images i JOIN builds b ON b.id = i.build_id JOIN digests d ON d.id = b.digest_id"
        " WHERE i.name = ?",
        name,
    )
    assert (name, digest[0]) == (name, str(shelf.digest(name)))
    layers = shelf.layers(name)
    for base, used, role in service.query(
        "SELECT b.name, d.value, e.role FROM edges e JOIN images i ON i.id = e.image_id"
        " JOIN images b ON b.id = e.base_id JOIN digests d ON d.id = e.digest_id WHERE i.name = ?",
        name,
    ):
        assert (base, used) == (base, str(shelf.digest(base)))
        if role == "runtime" and "manifests" not in shelf.manifest(base):
            lowest = shelf.layers(base, digest=used)
            assert layers[: len(lowest)] == lowest
            annotations = shelf.manifest(name)["annotations"]
            assert annotations["org.opencontainers.image.base.digest"] == used
