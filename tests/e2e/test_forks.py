"""What a stranger proposes reaches nothing that its task or the operator can: real registry, podman, git."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.bases import Shelf, with_shell
from tests.e2e.forge import SETTINGS, Forge, forge, post, pull_payload
from tests.e2e.yard import NO_POLL, Yard
from tests.real_service import RealService, RunRow
from tests.rebuild.context.repositories import PASSWORD as GIT_PASSWORD
from tests.rebuild.context.repositories import USER as GIT_USER
from tests.rebuild.context.repositories import Repository, git_over_http
from tests.tracker.registry.servers import PASSWORD, USER, registry_with_basic

HIDDEN = "for members only"
LOGIN = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
TRIED = (
    "--commit-trigger-enabled",
    "false",
    "--pull-request-trigger-enabled",
    "true",
    "--trigger-forks",
    "true",
)
LENT = {"TRACKER__TASK_FILES__PRIVILEGED": "true", "TRACKER__TASK_FILES__HOST_NETWORK": "true"}


@dataclass(frozen=True)
class Stranger:
    """Somebody who proposes code to a repository. Its task and the operator may read a private base, which
    the engine has here, too; and the operator lets steps have every right."""

    yard: Yard
    service: RealService
    forge: Forge
    shelf: Shelf  # behind a login
    base: str
    own: str  # an image of the operator's on it

    @property
    def base_by_digest(self) -> str:
        return f"{self.base.rpartition(':')[0]}@{self.shelf.digest('private/base')}"

    def proposes(
        self, *steps: dict[str, object], dockerfile: str = "FROM scratch\nCOPY f /f\n", **sections: object
    ) -> tuple[RunRow, str]:
        """What came of trying it out, and its log."""
        before = len(self.service.runs())
        written = {"version": "v1.1.0", **sections, "steps": steps}
        task_file = "".join(f"{key}: {json.dumps(value)}\n" for key, value in written.items())
        self.forge.commit(**{"Dockerfile": dockerfile, "acb.yaml": task_file})
        self.forge.push("refs/pull/7/head", force=True)
        self.service.until(
            lambda: len(self.service.runs()) > before and self.service.is_idle(),
            "the proposal to be tried out",
        )
        run = self.service.runs()[-1]
        return run, self.service.tracker("logs", run.run_id).stdout

    def in_storage(self, image: str) -> str:
        """The id of what the engine has under that name."""
        storage = self.yard.storage
        asked = ["podman", "--root", str(storage), "--runroot", f"{storage}-run", "image", "inspect"]
        done = subprocess.run([*asked, "--format={{.Id}}", image], capture_output=True, text=True, check=True)
        return done.stdout.strip()


@pytest.fixture(scope="module")
def stranger(shared_yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    folder = tmp_path_factory.mktemp("forks")
    files = {"f": "1", "acb.yaml": "steps: [{id: a, cmd: a}]"}
    with (
        registry_with_basic(folder / "private") as private,
        forge(folder, **files) as made,
        shared_yard.service({**NO_POLL, **SETTINGS, **LENT}) as service,
    ):
        shelf = Shelf(private, private.host, {"authorization": f"Basic {LOGIN}"})
        base = shelf.put("private/base", with_shell(HIDDEN))
        _log_in(service, private.host)
        own = f"{private.host}/private/own:1"
        service.tracker("build", shared_yard.project(f"FROM {base}\nRUN true\n"), "-t", own)
        service.tracker("task", "create", "-n", "app", "-c", made.url, "-f", "acb.yaml", *TRIED)
        word = ("-u", USER, "-p", "env:WORD")
        service.tracker("task", "credential", "add", "-n", "app", "--login-server", private.host, *word)
        service.start(WORD=PASSWORD)
        made.tell(service, head_id=2)
        yield Stranger(shared_yard, service, made, shelf, base, own)


def _log_in(service: RealService, host: str) -> None:
    """As `docker login` and `podman login` would."""
    text = json.dumps({"auths": {host: {"auth": LOGIN}}})
    for file in (".docker/config.json", ".config/containers/auth.json"):
        path = service.home / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize("named", ["by tag", "by digest"])
@pytest.mark.parametrize("step", ["build", "cmd"])
def test_a_private_image_is_not_shown_to_a_fork_though_it_lies_here(
    step: str, named: str, stranger: Stranger
) -> None:
    image = stranger.base if named == "by tag" else stranger.base_by_digest
    what = f"{image} /bin/sh -c 'read a < /base.txt; echo $a'" if step == "cmd" else "."

    run, log = stranger.proposes({step: what}, dockerfile=f"FROM {image}\nRUN read a < /base.txt; echo $a\n")

    assert run.status in ("Failed", "Error")
    assert "it asks for a user name and a password, and none are known" in log
    assert HIDDEN not in log


def test_an_image_of_the_engine_alone_is_not_shown_to_a_fork(stranger: Stranger) -> None:
    storage = stranger.yard.storage
    program = ["podman", "--root", str(storage), "--runroot", f"{storage}-run"]
    subprocess.run([*program, "tag", stranger.own, "localhost/lies-here"], check=True, capture_output=True)

    run, log = stranger.proposes({"cmd": "localhost/lies-here /bin/sh -c 'read a < /base.txt; echo $a'"})

    assert run.status in ("Failed", "Error")
    assert "localhost/lies-here:latest is a name of the engine's own" in log
    assert HIDDEN not in log


def test_a_fork_pushes_records_and_renames_nothing(stranger: Stranger) -> None:
    pushed, held = stranger.shelf.digest("private/own:1"), stranger.in_storage(stranger.own)
    counted = "SELECT (SELECT count(*) FROM builds), (SELECT count(*) FROM observations)"
    recorded = stranger.service.query(counted)

    run, log = stranger.proposes(
        {"id": "a", "build": f"-t {stranger.own} ."}, {"id": "b", "push": [stranger.own], "when": ["a"]}
    )

    assert run.status == "Succeeded", log
    assert f"Not pushed: {stranger.own}" in log
    assert stranger.shelf.digest("private/own:1") == pushed
    assert stranger.in_storage(stranger.own) == held
    assert stranger.service.query(counted) == recorded


@pytest.mark.parametrize(
    ("step", "sections", "refusal"),
    [
        ({"cmd": "a", "privileged": True}, {}, "asks for privileged"),
        ({"cmd": "a", "network": "host"}, {}, "asks for the network 'host'"),
        ({"build": "--network=host ."}, {}, "asks for --network=host"),
        ({"cmd": "a", "ports": ["8080:80"]}, {}, "asks for ports"),
        (
            {"cmd": "a", "network": "podman"},
            {"networks": [{"name": "podman", "skipCreation": True}]},
            "asks for a network with skipCreation",
        ),
        (
            {"cmd": "a", "env": ["A={{.Secrets.word}}"]},
            {"secrets": [{"id": "word", "keyvault": "https://example.vault.azure.net/secrets/word"}]},
            "no vault is at hand for word",
        ),
        (
            {"cmd": "a"},
            {"alias": {"src": ["https://example.com/a.yaml"]}},
            "none is fetched",
        ),
    ],
    ids=["privileged", "host network", "host network of a build", "ports", "networks", "vault", "aliases"],
)
def test_a_fork_is_refused_what_the_operator_lets_others_have(
    step: dict[str, object], sections: dict[str, Any], refusal: str, stranger: Stranger
) -> None:
    run, log = stranger.proposes(step, **sections)

    assert run.status in ("Failed", "Error")
    assert refusal in log


def test_a_repository_is_not_fetched_with_its_tasks_token_for_a_fork(
    shared_yard: Yard, tmp_path: Path
) -> None:
    repository = Repository.made(tmp_path / "app.git", {"Dockerfile": "FROM scratch\nCOPY . /\n"})
    with (
        git_over_http(tmp_path, private=True) as git,
        shared_yard.service({**NO_POLL, **SETTINGS}) as service,
    ):
        url = f"{git.url}/app.git"
        token = ("--git-access-token", "env:WORD")
        image = ("-f", "Dockerfile", "-t", shared_yard.shelf.name("forks/app:1"))
        word = f"{GIT_USER}:{GIT_PASSWORD}"
        command = ("task", "create", "-n", "app", "-c", url, *image, *TRIED, *token)
        service.tracker(*command, WORD=word)
        service.start(WORD=word)
        git.authorizations.clear()

        post(service, pull_payload(url, repository.git("rev-parse", "HEAD"), head_id=2), kind="pull_request")
        service.until(lambda: service.runs() and service.is_idle(), "the proposal to be tried out")

    (run,) = service.runs()
    assert (run.status, "could not read Username" in str(run.error)) == ("Error", True)
    assert set(git.authorizations) == {None}
