"""What opens a context over ssh, or in a registry, for a run, a task or the machine: real sshd, real git."""

from __future__ import annotations

import getpass
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import oras.client
import pytest

from tests.e2e.test_remote import token
from tests.e2e.test_secrets import files_with
from tests.e2e.yard import NO_POLL, Yard
from tests.real_registry import RealRegistry
from tests.real_service import RealService
from tests.rebuild.context.repositories import Repository, SshServer, ssh_server
from tests.tracker.registry.servers import PASSWORD, USER, registry_with_basic

DOCKERFILE = "FROM scratch\nCOPY Dockerfile /\n"


@dataclass(frozen=True)
class Elsewhere:
    """A repository that ssh leads to, and the commands that may have it."""

    ssh: SshServer
    url: str
    service: RealService
    yard: Yard

    @property
    def key(self) -> str:
        return f"file:{self.ssh.key_file}"

    def name(self, image: str) -> str:
        return f"{self.yard.registry.host}/ssh/{image}:1"

    def shows_the_key(self) -> list[Path]:
        """Files of the state that have a line of it."""
        return files_with(self.ssh.key_file.read_text().splitlines()[2], self.service.folder)


@pytest.fixture
def elsewhere(shared_yard: Yard, tmp_path: Path) -> Iterator[Elsewhere]:
    repository = Repository.made(tmp_path / "app.git", {"Dockerfile": DOCKERFILE})
    with ssh_server(tmp_path / "ssh") as server:
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{server.port}{repository.folder}"
        hosts = {"TRACKER__SSH__KNOWN_HOSTS_FILE": str(server.known_hosts)}
        lent = {"TRACKER__SECRETS__FOLDERS": f'["{tmp_path}"]'}
        with shared_yard.service({**NO_POLL, **hosts, **lent}) as service:
            yield Elsewhere(server, url, service, shared_yard)


@pytest.mark.parametrize("where", ["this process", "the service of this machine", "a service elsewhere"])
def test_a_key_opens_the_context_of_a_build_wherever_the_run_is(where: str, elsewhere: Elsewhere) -> None:
    service = elsewhere.service
    if where != "this process":
        service.start()
    variables = token(service, "read", "run") if where == "a service elsewhere" else {}

    service.tracker(
        "build", elsewhere.url, "-t", elsewhere.name("a"), "--git-ssh-key", elsewhere.key, **variables
    )

    assert [run.status for run in service.runs()] == ["Succeeded"]
    assert elsewhere.shows_the_key() == []
    assert service.query("SELECT count(*) FROM run_secrets") == [(0,)]


def test_a_task_has_its_own_key_until_it_is_told_to_forget_it(elsewhere: Elsewhere) -> None:
    service = elsewhere.service
    key = ["--git-ssh-key", elsewhere.key]
    created = service.tracker(
        "task", "create", "-n", "a", "-c", elsewhere.url, "-t", elsewhere.name("t"), *key
    )
    service.start()
    service.tracker("task", "run", "-n", "a")
    shown = service.read("task", "show", "-n", "a")
    service.tracker("task", "update", "-n", "a", "--git-ssh-key", "")
    refused = service.tracker("task", "run", "-n", "a", expect=1)

    assert "warning" not in created.stderr  # its bases were looked up with the key
    assert [(secret["use"], secret["source"]) for secret in shown["secrets"]] == [("ssh", elsewhere.key)]
    assert "give a key that the host knows" in refused.stderr


def test_the_key_of_the_machine_opens_what_no_key_was_given_for(elsewhere: Elsewhere) -> None:
    key = str(elsewhere.ssh.key_file)

    elsewhere.service.tracker("build", elsewhere.url, "-t", elsewhere.name("m"), TRACKER__SSH__KEY_FILE=key)

    assert [run.status for run in elsewhere.service.runs()] == ["Succeeded"]


def test_a_key_itself_is_refused_on_a_command_line(elsewhere: Elsewhere) -> None:
    path = str(elsewhere.ssh.key_file)

    done = elsewhere.service.tracker("build", elsewhere.url, "--git-ssh-key", path, expect=2)

    assert "--git-ssh-key takes no value" in done.stderr and path not in done.stderr


def test_an_artifact_is_pulled_with_the_login_of_the_task_or_of_the_user(
    shared_yard: Yard, tmp_path: Path
) -> None:
    with registry_with_basic(tmp_path / "registry") as registry, shared_yard.service(NO_POLL) as service:
        context = pushed_artifact(registry, tmp_path)
        image = f"{shared_yard.registry.host}/artifacts/a:1"
        service.tracker("task", "create", "-n", "a", "-c", context, "-t", image)
        refused = service.tracker("task", "run", "-n", "a", expect=1)
        login = ["--login-server", registry.host, "-u", "env:U", "-p", "env:P"]
        service.tracker("task", "credential", "add", "-n", "a", *login)
        service.tracker("task", "run", "-n", "a", U=USER, P=PASSWORD)
        docker = service.home / ".docker/config.json"
        docker.parent.mkdir()
        auth = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        docker.write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
        service.tracker("build", context, "-t", f"{shared_yard.registry.host}/artifacts/b:1")

    assert "wants a login, and none was given" in refused.stderr
    assert "hint: 'tracker login" in refused.stderr
    assert [run.status for run in service.runs()] == ["Error", "Succeeded", "Succeeded"]


def pushed_artifact(registry: RealRegistry, folder: Path) -> str:
    """A context in a registry, put there while it asked for no password."""
    (folder / "Dockerfile").write_text(DOCKERFILE)
    guarded = registry.extra
    registry.stop()
    registry.extra = {}
    registry.start()
    target = f"{registry.host}/private/context:1"
    client = oras.client.OrasClient(insecure=True)
    client.push(target=target, files=[str(folder / "Dockerfile")], disable_path_validation=True, quiet=True)
    registry.stop()
    registry.extra = guarded
    registry.start()
    return f"oci://{target}"
