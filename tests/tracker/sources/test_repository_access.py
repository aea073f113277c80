"""What opens the repository of a task opens it for questions, too, and for nobody else's server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.database import immediate
from rebuild.context.reach import SshFiles, SshHosts
from rebuild.context.refs import RefKind, list_refs
from rebuild.context.where import Git
from rebuild.runs.definition import Definition, DockerStep
from rebuild.secrets.context_secrets import ContextSecrets
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_reader import Places
from rebuild.secrets.secret_source import FromFile
from rebuild.secrets.task_secrets import SecretUse, TaskSecrets
from rebuild.tasks.stored_task import no_cipher
from rebuild.tasks.task import Tasks
from tests.graph_samples import AMD64, Sample
from tests.rebuild.context.repositories import Repository, SshServer, ssh_server
from tracker.sources.repository_access import RepositoryAccess

pytestmark = pytest.mark.anyio

BRANCHES = frozenset({RefKind.BRANCHES})


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    made = Sample.make(tmp_path / "state")
    yield made
    made.sql.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    with ssh_server(tmp_path / "sshd") as running:
        yield running


def access(sample: Sample, server: SshServer, key_file: Path | None = None) -> RepositoryAccess:
    hosts = SshHosts(SshFiles(key_file, server.known_hosts))
    return RepositoryAccess(TaskSecrets(sample.sql, no_cipher), Places(folders=None), hosts)


def repository_at(server: SshServer, tmp_path: Path) -> Git:
    Repository.made(tmp_path / "shop.git", {"a": "1"})
    return Git(f"ssh://root@127.0.0.1:{server.port}{tmp_path}/shop.git")


async def test_a_key_that_is_kept_with_a_task_asks_for_its_refs(
    sample: Sample, server: SshServer, tmp_path: Path
) -> None:
    context, asking = repository_at(server, tmp_path), access(sample, server)
    with immediate(sample.sql):
        task = Tasks(sample.sql).save("web", Definition(context.url, DockerStep(), AMD64), sample.at)
        asking.secrets.set(task.task_id, SecretUse.SSH, "", FromFile(server.key_file), sample.at)

    with asking.git(context, await asking.opened(task)) as git:
        heads = await list_refs(git, BRANCHES)

    assert set(heads) == {"refs/heads/trunk"}


async def test_the_key_of_the_operator_asks_where_a_task_has_none(
    sample: Sample, server: SshServer, tmp_path: Path
) -> None:
    context, asking = repository_at(server, tmp_path), access(sample, server, server.key_file)

    with asking.git(context, ContextSecrets()) as git:
        heads = await list_refs(git, BRANCHES)

    assert set(heads) == {"refs/heads/trunk"}


async def test_no_token_goes_over_the_net_in_the_clear(sample: Sample, server: SshServer) -> None:
    opened = ContextSecrets(token=Secret("t0ken"))

    with access(sample, server).git(Git("http://git.example.com/shop.git"), opened) as git:
        assert git.login is None
    with access(sample, server).git(Git("https://git.example.com/shop.git"), opened) as git:
        assert git.login is not None
