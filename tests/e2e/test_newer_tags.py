"""A base that follows newer tags, with a real registry, a real engine and a real service."""

from __future__ import annotations

from tests.e2e.yard import Yard, assert_recorded_is_used, base_of


def test_a_newer_tag_rebuilds_what_follows_it_on_its_digest(shared_yard: Yard) -> None:
    library = shared_yard.shelf.name("newer/lib").rpartition(":")[0]
    app = shared_yard.shelf.name("newer/app")
    lib = shared_yard.project("FROM scratch\nCOPY f /lib\n", f="one")
    project = shared_yard.project(f"FROM {library}:1\nCOPY f /app\n", f="app")
    with shared_yard.service() as service:
        service.start()
        for tag in ("1", "2-rc1"):
            (lib / "f").write_text(tag)
            service.tracker("build", lib, "-t", f"{library}:{tag}")
        service.tracker("build", project, "-t", app, "--task", "newer-app", "--follow", f"{library}:*")
        assert [*base_of(service, app)] == [f"{library}:1"]

        (lib / "f").write_text("two")
        service.tracker("build", lib, "-t", f"{library}:2")
        service.until(lambda: [*base_of(service, app)] == [f"{library}:2"], "the newer tag to be taken")

        assert_recorded_is_used(service, shared_yard.shelf, app)
        assert [run.cause for run in service.runs("newer-app") if run.cause != "manual"] == ["base-image"]
