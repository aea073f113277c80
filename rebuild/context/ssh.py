"""What ssh is told for git: one key, hosts that are known, nothing else of this machine. Starts only a look
at the key of a host that is not known, for people to compare.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from graph.record import dataclass
from rebuild import process
from rebuild.context.fault import ContextError
from rebuild.context.reach import SshFiles, SshHosts
from rebuild.secrets.secret import Secret

_SCAN_S = 15
_SCAN_BYTES_MOST = 64 * 1024
_UNKNOWN = re.compile(r"Host key verification failed|No \S+ host key is known", re.IGNORECASE)
_CHANGED = "REMOTE HOST IDENTIFICATION HAS CHANGED"
_BEST_FIRST = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
_SCP = re.compile(r"(?:[^@/]+@)?(?P<host>\[[^\]]+\]|[^:/]+):")


@dataclass(frozen=True, slots=True)
class SshAddress:
    """Who is asked, without the user."""

    host: str
    port: int = 22

    @classmethod
    def of(cls, url: str) -> SshAddress | None:
        """None for a URL of another protocol."""
        if url.startswith("ssh://"):
            parts = urlsplit(url)
            return cls((parts.hostname or "").lower(), parts.port or 22)
        found = None if "://" in url else _SCP.match(url)
        return cls(found["host"].strip("[]").lower()) if found else None

    def __str__(self) -> str:
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"


def ssh_command(files: SshFiles) -> str:
    """For `GIT_SSH_COMMAND`: no configuration, agent or key but that one, and no host on trust."""
    options = ["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
               "-o", "UpdateHostKeys=no", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
               "-o", "ForwardAgent=no", "-o", "PermitLocalCommand=no", "-o", "ConnectTimeout=30",
               *(["-i", str(files.key_file)] if files.key_file else ["-o", "IdentityFile=none"])]  # fmt: skip
    if files.known_hosts is not None:
        known = f'UserKnownHostsFile="{files.known_hosts}"'  # it may be several, with spaces between them
        options += ["-o", known, "-o", "GlobalKnownHostsFile=/dev/null"]
    return shlex.join(["ssh", *options])


def files_for(url: str, hosts: SshHosts, key: Secret | None, folder: Path) -> SshFiles | None:
    """The key that was given for this URL, written into the folder, else that of its host; who the hosts are
    is not the URL's to say. None for a URL of another protocol."""
    address = SshAddress.of(url)
    if address is None:
        return None
    files = hosts.of(address.host)
    return SshFiles(write_key(key, folder), files.known_hosts) if key else files


def write_key(key: Secret, folder: Path) -> Path:
    """The key as the file that ssh wants: nobody else's to read, with a line end. Raises `ContextError`."""
    text = key.reveal().replace("\r\n", "\n").strip()
    if "PRIVATE KEY-----" not in text.partition("\n")[0]:
        raise ContextError(
            "what was given as the key for ssh is no private key",
            hint="give the whole file that ssh-keygen made, not the one that ends in .pub",
        )
    path = folder / "ssh-key"
    path.touch(mode=0o600)
    path.write_text(f"{text}\n")
    return path


def is_unknown_host(complaint: str) -> bool:
    """Whether ssh has refused the host, and not the host us."""
    return _UNKNOWN.search(complaint) is not None


async def unknown_host(
    url: str, complaint: str, files: SshFiles, variables: Mapping[str, str]
) -> ContextError:
    """Says which key the host has now, for a person to compare with what the host publishes."""
    address = SshAddress.of(url)
    assert address is not None
    place = files.known_hosts or Path("~/.ssh/known_hosts")
    key = await _key_of(address, variables)
    told = f"its {key[0]} key is {key[1]}" if key else "its key cannot be had"
    if _CHANGED in complaint:
        return ContextError(
            f"context {url}: {address} has another key than {place} says: {told}",
            hint="somebody may be in between; if its owner confirms the new key, take the old line out with"
            f" 'ssh-keygen -R {shlex.quote(str(address))} -f {place}', and add the new one",
        )
    scan = f"ssh-keyscan -p {address.port} {address.host} >> {place}"
    return ContextError(
        f"context {url}: {place} does not know the host {address}; {told}",
        hint=f"compare that with what the host publishes; if it is the same, '{scan}' lets it in"
        " (setting ssh.known_hosts_file)",
    )


async def _key_of(address: SshAddress, variables: Mapping[str, str]) -> tuple[str, str] | None:
    """Kind and fingerprint, as ssh prints them."""
    argv = ["ssh-keyscan", "-T", str(_SCAN_S), "-p", str(address.port), "--", address.host]
    try:
        answer = await process.capture(argv, env=variables, timeout_s=_SCAN_S, limit_bytes=_SCAN_BYTES_MOST)
    except FileNotFoundError:
        return None
    lines = (line.split() for line in answer.stdout.decode(errors="replace").splitlines())
    keys = {words[1]: words[2] for words in lines if len(words) >= 3 and not words[0].startswith("#")}
    kind = next((kind for kind in (*_BEST_FIRST, *keys) if kind in keys), None)
    return (kind, _fingerprint(keys[kind])) if kind else None


def _fingerprint(key: str) -> str:
    try:
        blob = base64.b64decode(key, validate=True)
    except binascii.Error:
        return "unreadable"
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}"
