"""A forge on loopback: bare repositories behind git http-backend, whose hooks tell the service of pushes."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.real_service import RealService
from tests.rebuild.context.repositories import Repository, git_over_http

SECRET = "of the forge"
ZERO = "0" * 40
SETTINGS = {"TRACKER__HOOKS__GITHUB__SECRET": SECRET, "TRACKER__SOURCES__POLL": "false"}

# What GitHub would send, out of what git tells its post-receive hook.
_HOOK = """#!{python}
import hashlib, hmac, json, subprocess, sys, urllib.request
def git(*words):
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()
zero = "0" * 40
repository = {{"id": 1, "clone_url": {url!r}, "default_branch": "main"}}
for line in sys.stdin:
    old, new, ref = line.split()
    if ref.startswith("refs/pull/"):
        kind, body = "pull_request", {{
            "action": "opened" if old == zero else "synchronize", "number": int(ref.split("/")[2]),
            "before": old, "repository": repository,
            "pull_request": {{"head": {{"sha": new, "ref": "feature", "repo": {{"id": {head_id}}}}},
                              "base": {{"ref": "main"}}}},
        }}
    else:
        changed = git("diff", "--name-only", old, new).splitlines() if zero not in (old, new) else []
        message = git("log", "-1", "--format=%B", new) if new != zero else ""
        head = {{"id": new, "message": message, "added": [], "modified": changed, "removed": []}}
        kind, body = "push", {{"ref": ref, "before": old, "after": new, "repository": repository,
                               "head_commit": head, "commits": [head] if changed else []}}
    sent = json.dumps(body).encode()
    signature = "sha256=" + hmac.new({secret!r}.encode(), sent, hashlib.sha256).hexdigest()
    headers = {{"X-GitHub-Event": kind, "X-Hub-Signature-256": signature, "X-GitHub-Delivery": new[:8]}}
    asked = urllib.request.Request({hook!r}, sent, headers)
    print("the service says", urllib.request.urlopen(asked, timeout=20).status)
"""


@dataclass(frozen=True)
class Forge:
    """One repository of it, and the clone that somebody works in."""

    url: str
    bare: Path
    work: Repository

    def push(self, ref: str = "main", *, force: bool = False) -> str:
        """Push what is checked out, and answer its commit. The hook has ended when git has."""
        self.work.git("push", "--quiet", *(["--force"] if force else []), self.url, f"HEAD:{_full(ref)}")
        return self.work.git("rev-parse", "HEAD")

    def commit(self, message: str = "change", **files: str) -> str:
        """A new commit on what is checked out; `__` in a file's name stands for a slash."""
        for name, text in files.items():
            path = self.work.folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.work.git("add", "--all")
        self.work.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.work.git("rev-parse", "HEAD")

    def tell(self, service: RealService, *, head_id: int = 1) -> None:
        """From now on the service hears of every push."""
        hook = self.bare / "hooks/post-receive"
        text = _HOOK.format(
            python=sys.executable,
            url=self.url,
            hook=f"{service.url}/hooks/github",
            secret=SECRET,
            head_id=head_id,
        )
        hook.write_text(text)
        hook.chmod(0o755)


@contextlib.contextmanager
def forge(folder: Path, **files: str) -> Iterator[Forge]:
    """A forge with one repository of these files, of which nobody is told yet."""
    bare = folder / "served/app.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(bare)], check=True)
    subprocess.run(["git", "-C", str(bare), "config", "http.receivepack", "true"], check=True)
    work = Repository.made(folder / "work", {"README": "first"}, branch="main")
    with git_over_http(folder / "served") as server:
        made = Forge(f"{server.url}/app.git", bare, work)
        made.commit(**files)
        made.push()
        yield made


def push_payload(url: str, commit: str, before: str, **more: Any) -> bytes:
    """GitHub's, of a push to main."""
    repository = {"id": 1, "clone_url": url, "default_branch": "main"}
    body = {"ref": "refs/heads/main", "before": before, "after": commit, "repository": repository, **more}
    return json.dumps(body).encode()


def pull_payload(url: str, commit: str, *, head_id: int) -> bytes:
    """GitHub's, of pull request 7 into main; one with another `head_id` than 1 is from a fork."""
    head = {"sha": commit, "ref": "feature", "repo": {"id": head_id}}
    repository = {"id": 1, "clone_url": url, "default_branch": "main"}
    pull = {"head": head, "base": {"ref": "main"}}
    return json.dumps(
        {"action": "opened", "number": 7, "repository": repository, "pull_request": pull}
    ).encode()


def post(service: RealService, body: bytes, *, secret: str = SECRET, kind: str = "push") -> int:
    """The status of the answer."""
    signature = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    return service.post("/hooks/github", body, **{"X-Hub-Signature-256": signature, "X-GitHub-Event": kind})


def _full(ref: str) -> str:
    return ref if ref.startswith("refs/") else f"refs/heads/{ref}"
