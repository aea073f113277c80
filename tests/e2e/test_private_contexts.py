"""A login or a signature in a context's URL opens it, wherever the run is, and is left nowhere: real git."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.test_remote import token
from tests.e2e.test_secrets import files_with
from tests.e2e.yard import NO_POLL, Yard
from tests.real_service import RealService
from tests.rebuild.context.repositories import PASSWORD, USER, GitServer, Repository, git_over_http
from tests.rebuild.context.web import TARBALL, body, serving

IN_URL = f"{USER}:{PASSWORD.replace(':', '%3A').replace('@', '%40')}"
SIGNATURE = "S1GNATURE-never-to-be-found"
TASK_FILE = "version: v1.1.0\nsteps:\n  - build: -t REGISTRY/private/steps:1 .\n"


@dataclass(frozen=True)
class Elsewhere:
    """A private repository, a signed archive, and the commands that may have them."""

    git: GitServer
    archive: str  # without its query
    yard: Yard
    service: RealService

    @property
    def private_url(self) -> str:
        """With the login in it."""
        return f"{self.git.url.replace('://', f'://{IN_URL}@')}/app.git#trunk"

    @property
    def signed_url(self) -> str:
        return f"{self.archive}?sv=1&sig={SIGNATURE}"

    def name(self, image: str) -> str:
        return f"{self.yard.registry.host}/private/{image}:1"

    def shows(self) -> set[str]:
        """All that is kept or told of runs and tasks, by file or command, that shows a secret."""
        kept = [
            path for text in (PASSWORD, IN_URL, SIGNATURE) for path in files_with(text, self.service.folder)
        ]
        told = [
            self.service.tracker("runs", "--json").stdout,
            self.service.tracker("task", "list", "--json").stdout,
        ]
        runs = self.service.runs()
        told += [self.service.tracker("task", "show-run", "--run-id", runs[-1].run_id).stdout] if runs else []
        return {str(path) for path in kept} | {
            text for text in told if PASSWORD in text or IN_URL in text or SIGNATURE in text
        }

    def secrets_left(self) -> int:
        return int(self.service.query("SELECT count(*) FROM run_secrets")[0][0])


@pytest.fixture
def elsewhere(shared_yard: Yard, tmp_path: Path) -> Iterator[Elsewhere]:
    task_file = TASK_FILE.replace("REGISTRY", shared_yard.registry.host)
    Repository.made(
        tmp_path / "app.git", {"Dockerfile": "FROM scratch\nCOPY acb.yaml /\n", "acb.yaml": task_file}
    )
    with (
        git_over_http(tmp_path, private=True) as git,
        serving() as web,
        shared_yard.service(NO_POLL) as service,
    ):
        web.gives(f"/x.tar?sv=1&sig={SIGNATURE}", body(TARBALL))
        yield Elsewhere(git, f"{web.url}/x.tar", shared_yard, service)


@pytest.mark.parametrize("where", ["this process", "the service of this machine", "a service elsewhere"])
def test_a_login_in_a_url_opens_the_context_wherever_the_run_is(where: str, elsewhere: Elsewhere) -> None:
    service = elsewhere.service
    if where != "this process":
        service.start()
    variables = token(service, "read", "run") if where == "a service elsewhere" else {}

    built = service.tracker("build", elsewhere.private_url, "-t", elsewhere.name("git"), **variables)
    ran = service.tracker("run", elsewhere.private_url, **variables)
    signed = service.tracker("build", elsewhere.signed_url, "-t", elsewhere.name("tar"), **variables)

    assert [run.status for run in service.runs()] == ["Succeeded"] * 3
    for done in (built, ran, signed):
        assert PASSWORD not in done.stderr + done.stdout and SIGNATURE not in done.stderr + done.stdout
    assert elsewhere.shows() == set()
    assert elsewhere.secrets_left() == 0


def test_what_was_typed_with_a_task_opens_its_context_for_every_run(elsewhere: Elsewhere) -> None:
    service = elsewhere.service
    service.tracker("task", "create", "-n", "git", "-c", elsewhere.private_url, "-t", elsewhere.name("git"))
    service.tracker("task", "create", "-n", "tar", "-c", elsewhere.signed_url, "-t", elsewhere.name("tar"))
    service.start()

    service.tracker("task", "run", "-n", "git")
    service.tracker("task", "run", "-n", "tar")

    assert elsewhere.shows() == set()
    assert service.read("task", "show", "-n", "tar")["context"] == f"{elsewhere.archive}?***"


def test_another_context_for_one_run_brings_its_own_login(elsewhere: Elsewhere) -> None:
    service = elsewhere.service.start()
    service.tracker("task", "create", "-n", "tar", "-c", elsewhere.signed_url, "-t", elsewhere.name("tar"))

    service.tracker("task", "run", "-n", "tar", "-c", elsewhere.private_url)
    elsewhere.git.authorizations.clear()
    service.tracker("task", "run", "-n", "tar", "-c", f"{elsewhere.git.url}/app.git", expect=1)

    assert set(elsewhere.git.authorizations) == {None}
    assert elsewhere.secrets_left() == 0


def test_a_task_that_moves_to_another_server_takes_no_token_along(elsewhere: Elsewhere) -> None:
    service = elsewhere.service
    service.tracker("task", "create", "-n", "git", "-c", elsewhere.private_url, "-t", elsewhere.name("git"))

    service.tracker("task", "update", "-n", "git", "-c", elsewhere.signed_url)

    assert [secret["use"] for secret in service.read("task", "show", "-n", "git")["secrets"]] == ["query"]


def test_a_wrong_login_ends_the_run_and_is_not_shown(elsewhere: Elsewhere) -> None:
    wrong = elsewhere.private_url.replace(IN_URL, "wr0ng-t0ken")

    done = elsewhere.service.tracker("build", wrong, "-t", elsewhere.name("git"), expect=1)

    assert "hint: the repository is private, or the login is not its" in done.stderr
    assert "wr0ng-t0ken" not in done.stderr
    assert files_with("wr0ng-t0ken", elsewhere.service.folder) == []
