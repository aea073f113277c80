"""Runs git closed off: no hooks, no configuration but ours, no protocol but those named, no prompt.

A login is handed over by a credential helper that git asks only for the scheme, host and port that it was
given for, redirects included; its text lies in the environment of git, never in a file or command line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from urllib.parse import urlsplit

from graph.record import dataclass
from rebuild import process
from rebuild.context.fault import ContextError, TooLarge, masked
from rebuild.context.limits import Meter
from rebuild.context.reach import SshFiles
from rebuild.context.ssh import is_unknown_host, ssh_command, unknown_host
from rebuild.context.where import Git
from rebuild.secrets.login import Login

_OUTPUT_BYTES_MOST = 4 * 1024 * 1024
_HANDED_ON = ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
              "http_proxy", "https_proxy", "no_proxy", "all_proxy", "TMPDIR")  # fmt: skip
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HELPER = (
    r"""!f() { test "$1" = get && printf "username=%s\npassword=%s\n" "$LOGIN_USER" "$LOGIN_WORD"; }; f"""
)
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "credential.helper": "",  # forgets any helper that was named before
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.ext.allow": "never",
    "submodule.recurse": "false",
    "init.templateDir": "",
    "init.defaultBranch": "context",
    "advice.detachedHead": "false",
}


@dataclass(frozen=True, slots=True)
class GitCommand:
    """git for one repository: where it comes from, who we are there."""

    source: Git
    login: Login | None
    ssh: SshFiles | None  # None: no key, and the hosts that user and system know
    meter: Meter
    scratch: Path  # HOME: an empty folder
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    async def run(
        self, *arguments: str, folder: Path | None = None, limit_bytes: int = _OUTPUT_BYTES_MOST
    ) -> bytes:
        """What git prints; raises `ContextError` with its complaint where it fails."""
        answer = await self.capture(*arguments, folder=folder, limit_bytes=limit_bytes)
        if answer.exit_code != 0:
            raise await self._told(answer.stderr)
        return answer.stdout

    async def capture(
        self, *arguments: str, folder: Path | None = None, limit_bytes: int = _OUTPUT_BYTES_MOST
    ) -> process.Captured:
        self.meter.check_time()
        answer = await process.capture(
            self._argv(arguments, folder),
            env=self._variables(),
            timeout_s=self.meter.left_s,
            limit_bytes=limit_bytes,
        )
        if answer.timed_out:
            raise self.meter.too_slow()
        return answer

    async def lines(self, *arguments: str, folder: Path, take: Callable[[bytes], None]) -> None:
        """Hand over what git prints, split at its zero bytes; what `take` raises ends git."""
        split = _Split(take)
        ended = await process.run(
            self._argv(arguments, folder), env=self._variables(), log=split, timeout_s=self.meter.left_s
        )
        if ended.timed_out:
            raise self.meter.too_slow()
        if ended.exit_code != 0:
            raise self.failure(ended.tail)

    async def _told(self, complaint: bytes) -> ContextError:
        """As `failure`; of a host that ssh does not know also its key."""
        text = complaint.decode(errors="replace")
        if self.source.scheme != "ssh" or not is_unknown_host(text):
            return self.failure(complaint)
        return await unknown_host(self.source.url, text, self.ssh or SshFiles(), self._variables())

    @property
    def path(self) -> str:
        """Where programs are looked for."""
        return self.environment.get("PATH", _PATH)

    def failure(self, complaint: bytes) -> ContextError:
        """What git said, without passwords, as an error of ours."""
        text = masked(complaint.decode(errors="replace"), *([self.login.password] if self.login else []))
        if re.search(r"File too large|died of signal 25", text):
            most = self.meter.limits.transfer_bytes
            return TooLarge(f"context {self.source.url} has more than {most} bytes to transfer")
        lines = text.strip().splitlines() or ["nothing"]
        words = next((line for line in lines if _TELLING.match(line)), lines[0])[:300]
        hint = next((hint for pattern, hint in _HINTS if re.search(pattern, text, re.IGNORECASE)), None)
        return ContextError(f"context {self.source.url}: git says: {words}", hint=hint)

    def _argv(self, arguments: Sequence[str], folder: Path | None) -> list[str]:
        place = ["-C", str(folder)] if folder else []
        # The kernel ends whatever writes a file larger than a context may be: a pack, too.
        bound = ["prlimit", f"--fsize={self.meter.limits.transfer_bytes}", "--core=0", "--"]
        return [*bound, "git", *place, *arguments]

    def _variables(self) -> dict[str, str]:
        kept = {name: self.environment[name] for name in _HANDED_ON if name in self.environment}
        protocols = ["https", "http", "ssh", "git", *(["file"] if self.source.scheme == "file" else [])]
        ours = {
            "PATH": self.path,
            "HOME": str(self.scratch),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": ":".join(protocols),
            "GIT_SSH_COMMAND": ssh_command(self.ssh or SshFiles()),
            "GIT_SSH_VARIANT": "ssh",
            "GIT_NO_LAZY_FETCH": "1",
        }
        return kept | ours | self._settings() | self._secrets()

    def _settings(self) -> dict[str, str]:
        settings = [*_SETTINGS.items(), *self._helper()]
        pairs = {"GIT_CONFIG_COUNT": str(len(settings))}
        for number, (key, value) in enumerate(settings):
            pairs |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return pairs

    def _helper(self) -> list[tuple[str, str]]:
        if self.login is None or self.source.scheme not in ("http", "https"):
            return []
        url = urlsplit(self.source.url)
        return [(f"credential.{url.scheme}://{url.netloc}.helper", _HELPER)]

    def _secrets(self) -> dict[str, str]:
        if self.login is None:
            return {}
        return {"LOGIN_USER": self.login.username, "LOGIN_WORD": self.login.password.reveal()}


_TELLING = re.compile(
    r"(?!.*Could not read from remote repository)(?:(?:fatal|error|remote: error|prlimit): |Permissions \d)"
)


class _Split:
    """Cuts what comes in pieces at its zero bytes."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._rest = b""

    def __call__(self, piece: bytes) -> None:
        *whole, self._rest = (self._rest + piece).split(b"\0")
        if len(self._rest) > _OUTPUT_BYTES_MOST:
            raise TooLarge("the context has a file with a name that no file can have")
        for line in whole:
            self._take(line)


_HINTS = (
    (r"could not read Username|could not read Password|Authentication failed|Invalid username",
     "the repository is private, or the login is not its: give one with --git-access-token, or check it"),
    (r"not found|does not exist|does not appear to be a git repository",
     "check the name; hosts also answer so to hide a private repository"),
    (r"UNPROTECTED PRIVATE KEY FILE", "let nobody else read the key file: chmod 600"),
    (r"incorrect passphrase|error in libcrypto|invalid format",
     "ssh cannot use the key: it must be whole, and without a passphrase, for nobody is there to type it"),
    (r"Permission denied \([^)]*publickey",
     "give a key that the host knows, without a passphrase: --git-ssh-key, or the setting ssh.key_file"),
    (r"transport '\w+' not allowed", "only https, http, ssh and git are fetched"),
    (r"failed to execute git\b", "install git"),
    (r"dubious ownership", "run as the owner of the repository, or make the one who runs this its owner"),
)  # fmt: skip
