"""Sets of images that e2e tests begin with, and what is said about them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.bases import Shelf
from tests.e2e.yard import QUICK, Yard, assert_recorded_is_used
from tests.real_service import DEADLINE_S, RealService, RunRow


@dataclass(frozen=True)
class Scene:
    """Images of ours by short name, with the base below them; each image is built by a task `PREFIX-NAME`."""

    yard: Yard
    prefix: str
    shelf: Shelf
    projects: dict[str, Path]

    @property
    def base(self) -> str:
        return f"{self.prefix}/base"

    @property
    def base_name(self) -> str:
        return self.shelf.name(self.base)

    def image(self, name: str) -> str:
        return self.shelf.name(f"{self.prefix}/{name}")

    def task(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def build(self, service: RealService, *names: str, options: tuple[str, ...] = ()) -> None:
        for name in names or tuple(self.projects):
            command = ("build", self.projects[name], "-t", self.image(name), "--task", self.task(name))
            service.tracker(*command, *options)

    def push_base(self, text: str) -> None:
        self.shelf.push(self.base, text)

    def runs(self, service: RealService, name: str) -> list[RunRow]:
        return service.runs(self.task(name))

    def rebuilt(self, service: RealService, name: str) -> list[RunRow]:
        """The runs of a task that the service asked for by itself."""
        return [run for run in self.runs(service, name) if run.cause in ("base-image", "upstream")]

    def is_settled(self, service: RealService) -> bool:
        """Whether every image stands on what its bases' tags hold now, and nothing is left to do."""
        mine = ",".join(f"'{self.image(name)}'" for name in self.projects)
        edges = service.query(
            "SELECT b.name, d.value FROM edges e JOIN images i ON i.id = e.image_id"
            " JOIN images b ON b.id = e.base_id JOIN digests d ON d.id = e.digest_id"
            f" WHERE i.name IN ({mine})"
        )
        return service.is_idle() and all(str(self.shelf.digest(base)) == used for base, used in edges)

    def wait_until_settled(self, service: RealService, *, deadline_s: float = DEADLINE_S) -> None:
        service.until(lambda: self.is_settled(service), f"{self.prefix} to settle", deadline_s=deadline_s)
        for name in self.projects:
            assert_recorded_is_used(service, self.shelf, self.image(name))


def scene(yard: Yard, prefix: str, shelf: Shelf | None = None, **dockerfiles: str) -> Scene:
    """`BASE`, and `X:` for an image of the scene, are replaced by full names. Each context has a file `f`."""
    made = Scene(yard, prefix, shelf or yard.shelf, {})
    for name, text in dockerfiles.items():
        text = text.replace("BASE", made.base_name)
        for other in dockerfiles:
            text = text.replace(f"IMAGE_{other}", made.image(other))
        made.projects[name] = yard.project(text, f=f"{prefix} {name}")
    return made


def diamond(yard: Yard, prefix: str, shelf: Shelf | None = None) -> Scene:
    """BASE → b and c → d."""
    return scene(
        yard,
        prefix,
        shelf,
        b="FROM BASE\nCOPY f /b\n",
        c="FROM BASE\nCOPY f /c\n",
        d="FROM IMAGE_b\nCOPY --from=IMAGE_c /c /base.txt /from-c/\n",
    )


@dataclass(frozen=True)
class Seed:
    """A scene that was built once: tests begin with a copy of its state and with the tags as they were."""

    scene: Scene
    state: Path
    tags: dict[str, str]

    @classmethod
    def plant(cls, made: Scene) -> Seed:
        made.push_base("first")
        with made.yard.service() as service:
            made.build(service)
            kept = made.yard.folder / f"seed-{made.prefix}"
            shutil.copytree(service.state, kept)
        names = [made.base_name, *map(made.image, made.projects)]
        return cls(made, kept, {name: str(made.shelf.digest(name)) for name in names})

    @contextlib.contextmanager
    def service(self, settings: Mapping[str, str] = QUICK, *, events: bool = False) -> Iterator[RealService]:
        for name, digest in self.tags.items():
            self.scene.shelf.retag(name, digest)
        with self.scene.yard.service(settings, events=events) as service:
            shutil.rmtree(service.state, ignore_errors=True)
            shutil.copytree(self.state, service.state)
            yield service
