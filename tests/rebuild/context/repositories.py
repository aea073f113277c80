"""Real git repositories and servers for tests: files, git daemon, git http-backend, sshd."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.real_registry import free_port

TIME_S = 1_600_000_000
USER, PASSWORD = "tester", "s3cret:w@rd"
_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_AUTHOR_DATE": f"{TIME_S} +0000",
    "GIT_COMMITTER_DATE": f"{TIME_S} +0000",
}


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository with its files, that servers and file URLs may show."""

    folder: Path

    @classmethod
    def made(cls, folder: Path, files: Mapping[str, str], *, branch: str = "trunk") -> Repository:
        folder.mkdir(parents=True)
        repository = cls(folder)
        repository.git("init", "--quiet", f"--initial-branch={branch}")
        repository.git("config", "http.receivepack", "true")
        repository.commit(files)
        return repository

    @property
    def url(self) -> str:
        return f"file://{self.folder}"

    def git(self, *arguments: str, **more: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=_ENVIRONMENT | more, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def written(self, kind: str, content: bytes) -> str:
        """An object as it stands, whether git would write it or not."""
        done = subprocess.run(
            ["git", "hash-object", "-t", kind, "--literally", "-w", "--stdin"],
            input=content, cwd=self.folder, env=_ENVIRONMENT, capture_output=True, check=True,
        )  # fmt: skip
        return done.stdout.decode().strip()

    def commit(self, files: Mapping[str, str]) -> str:
        """Write the files, commit them, and answer the commit."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "-m", "change")
        return self.git("rev-parse", "HEAD")

    def commit_lfs(self, files: Mapping[str, str]) -> str:
        """Files that end in .bin, kept in LFS."""
        self.git("lfs", "install", "--local")
        self.git("lfs", "track", "*.bin")
        return self.commit(files)

    def add_submodule(self, path: str, url: str, commit: str) -> None:
        """As a hostile author would: without git's own checks."""
        with (self.folder / ".gitmodules").open("a") as file:
            file.write(
                f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n\tupdate = !touch /tmp/owned\n'
            )
        self.git("add", ".gitmodules")
        self.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
        self.git("commit", "--quiet", "-m", "submodule")


@dataclass
class GitServer:
    """What a server shows, and what it was asked. `faults` are the answers to the next requests, as statuses;
    0 is for one that is answered as it should be."""

    url: str
    faults: list[int] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@contextlib.contextmanager
def git_daemon(folder: Path) -> Iterator[GitServer]:
    """Every repository in the folder by the git protocol."""
    port = free_port()
    process = subprocess.Popen(
        ["git", "daemon", "--reuseaddr", "--export-all", "--listen=127.0.0.1", f"--port={port}",
         f"--base-path={folder}", str(folder)],
        env=_ENVIRONMENT, start_new_session=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(port)
        yield GitServer(f"git://127.0.0.1:{port}")
    finally:
        os.killpg(process.pid, 15)
        process.wait()


@contextlib.contextmanager
def git_over_http(
    folder: Path,
    *,
    private: bool = False,
    redirect_to: str | None = None,
    lfs_objects: str | None = None,
    is_old: bool = False,
) -> Iterator[GitServer]:
    """Every repository in the folder behind git's own CGI program; `private` wants a login.

    It serves LFS as well, and says that objects lie at the URL `lfs_objects`: here, where none is given. One
    that is old knows the first protocol alone, and gives no commit by its id that it has not listed.
    """
    state = GitServer("")

    class Handler(_CgiHandler):
        project_root = folder
        server_state = state
        wants_login = private
        redirect = redirect_to
        objects_url = lfs_objects
        knows_newer = not is_old

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


class _CgiHandler(BaseHTTPRequestHandler):
    project_root: Path
    server_state: GitServer
    wants_login: bool
    redirect: str | None
    objects_url: str | None
    knows_newer: bool

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self._body())

    def _serve(self, body: bytes) -> None:
        said = self.headers.get("Authorization")
        self.server_state.authorizations.append(said)
        self.server_state.paths.append(self.path)
        fault = self.server_state.faults.pop(0) if self.server_state.faults else 0
        if fault:
            self.send_error(fault)
        elif self.redirect:
            self.send_response(302)
            self.send_header("Location", f"{self.redirect}{self.path}")
            self.end_headers()
        elif self.wants_login and said != f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path.endswith("/info/lfs/objects/batch"):
            self._tell_objects(json.loads(body))
        elif "/lfs-objects/" in self.path:
            self._answer(self._object(), "application/octet-stream")
        else:
            self._run(body)

    def _tell_objects(self, asked: dict[str, Any]) -> None:
        """LFS's batch API, as far as a download needs it."""
        at = self.objects_url or self.server_state.url
        told = [
            {**one, "actions": {"download": {"href": f"{at}/lfs-objects/{one['oid']}"}}}
            for one in asked["objects"]
        ]
        answer = json.dumps({"transfer": "basic", "objects": told}).encode()
        self._answer(answer, "application/vnd.git-lfs+json")

    def _object(self) -> bytes:
        name = self.path.rpartition("/")[2]
        found = next(self.project_root.glob(f"*/.git/lfs/objects/{name[:2]}/{name[2:4]}/{name}"), None)
        return found.read_bytes() if found else b""

    def _answer(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _run(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        variables = _ENVIRONMENT | {
            "GIT_PROJECT_ROOT": str(self.project_root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", "") if self.knows_newer else "",
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=variables, capture_output=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200 OK").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@dataclass(frozen=True, slots=True)
class SshServer:
    """An sshd on loopback that lets one key in."""

    port: int
    key_file: Path
    known_hosts: Path

    def fingerprint(self) -> str:
        """As ssh-keygen tells it."""
        argv = ["ssh-keygen", "-l", "-f", str(self.key_file.with_name("host.pub"))]
        done = subprocess.run(argv, check=True, timeout=30, capture_output=True, text=True)
        return done.stdout.split()[1]


@contextlib.contextmanager
def ssh_server(folder: Path, **variables: str) -> Iterator[SshServer]:
    """`variables` are set for whoever is let in."""
    folder.mkdir(mode=0o700)
    port = free_port()
    for name in ("host", "user", "stranger"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True, timeout=30
        )
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "sshd_config").write_text(
        f'ListenAddress 127.0.0.1:{port}\nHostKey "{folder}/host"\nPidFile none\nUsePAM no\nStrictModes no\n'
        f'AuthorizedKeysFile "{folder}/user.pub"\nPasswordAuthentication no\nPermitRootLogin yes\n'
        + "".join(f"SetEnv {name}={value}\n" for name, value in variables.items())
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert sshd, "sshd is missing: run make setup"
    process = subprocess.Popen(
        [sshd, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        yield SshServer(port, folder / "user", folder / "known_hosts")
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port}")
