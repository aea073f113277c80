"""What an engine's process finds around it: environment, registries, certificates. Starts nothing.

The caller's environment is not handed on as it is. Build arguments are: command lines are public on
a machine, environments are not. But a name that some program reads by itself (PATH, LD_PRELOAD,
GIT_SSH_COMMAND) would let whoever wrote the task change what runs on the host, so such a name goes
by the command line instead; and ours always win.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path

from graph.record import dataclass
from rebuild.engines.engine import EngineError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HANDED_ON = ("HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME",
              "XDG_DATA_HOME", "DBUS_SESSION_BUS_ADDRESS", "CONTAINERS_STORAGE_CONF", "SSL_CERT_FILE",
              "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy",
              "no_proxy", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH",
              "DOCKER_TLS_VERIFY", "REGISTRY_AUTH_FILE", "CONTAINERS_CONF")  # fmt: skip
_HANDED_TO_SSH = ("SSH_AUTH_SOCK",)
_READ_BY_PROGRAMS = re.compile(
    r"(_|LD_|LC_|LANG|GLIBC_|MALLOC_|GCONV|LOC|NLS|RES_|HOSTALIASES|TZ|PATH$|HOME$|USER$|LOGNAME$|SHELL|IFS$"
    r"|ENV$|PWD$|TMP|TEMP|XDG_|DBUS_|NOTIFY_|LISTEN_|WATCHDOG_|SYSTEMD_|INVOCATION|CONTAINER|BUILDAH_|PODMAN_"
    r"|STORAGE_|REGISTR|NETAVARK|AARDVARK|CNI|CONMON|RUNC|CRUN|DOCKER_|BUILDX_|BUILDKIT_|MOBY_|COMPOSE_|OTEL_"
    r"|GO|SSL_|OPENSSL|CURL|GIT|SSH|GPG|GNUPG|PYTHON|PERL|BASH|QEMU|FUSE|NSS|KRB5|PROMPT|TERM|COLUMNS|DISPLAY"
    r"|NO_COLOR|CLICOLOR|.*_PROXY$|SOURCE_DATE_EPOCH$)",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOOPBACK = re.compile(r"(?<![\w.-])((?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?)/")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where an engine works and whom it may trust."""

    folder: Path  # of tracker's own, for the files that it generates
    storage: Path | None = None  # podman only: a storage of tracker's own; None is the user's
    run_root: Path | None = None  # podman only: its volatile part; None is a folder in `storage`
    auth_file: Path | None = None  # in the format of docker's config.json
    insecure_registries: frozenset[str] = frozenset()  # host[:port]; loopback ones need not be named
    ca_files: tuple[Path, ...] = ()  # podman only: trusted besides the system's, for every registry
    docker_host: str | None = None
    docker_options: tuple[str, ...] = ()  # of every call of docker: `--host`, where, and how to trust it
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def variables(self) -> dict[str, str]:
        """The environment of an engine's process."""
        names = (*_HANDED_ON, *_HANDED_TO_SSH) if self.docker_options else _HANDED_ON
        kept = {name: self.environment[name] for name in names if name in self.environment}
        kept["PATH"] = self.environment.get("PATH", _PATH)
        kept.setdefault("HOME", "/")
        if self.docker_host:
            kept["DOCKER_HOST"] = self.docker_host
        return kept

    @property
    def daemon(self) -> str:
        """Where docker's daemon is, for people."""
        usual = self.variables().get("DOCKER_HOST", "its usual address")
        return self.docker_options[1] if self.docker_options else usual


def for_nobody(around: Surroundings, auth_file: Path) -> Surroundings:
    """The same where no login is found but those of the file, not even in the home of the user.

    podman looks there, too, if the file that it is given says nothing of a registry (before 4.4). So it gets
    another home, beside that file, with all that it is told at home but the logins. Its images stay where
    they are.
    """
    theirs = Path(around.environment.get("HOME", "/"))
    told = Path(around.environment.get("XDG_CONFIG_HOME", theirs / ".config")) / "containers"
    home = auth_file.parent / "home"
    ours = home / ".config/containers"
    if not ours.is_dir():
        ours.mkdir(parents=True, mode=0o700)
        for path in told.iterdir() if told.is_dir() else ():
            if path.name != "auth.json":
                (ours / path.name).symlink_to(path)
    environment = {name: value for name, value in around.environment.items() if name != "REGISTRY_AUTH_FILE"}
    environment |= {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": around.environment.get("XDG_DATA_HOME", str(theirs / ".local/share")),
        "DOCKER_CONFIG": str(auth_file.parent),
    }
    return replace(around, auth_file=auth_file, environment=environment)


def split_build_args(
    build_args: Mapping[str, str], taken: Iterable[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Those that may go by the environment, and those that must go by the command line."""
    ours = set(taken)
    by_environment: dict[str, str] = {}
    by_command: dict[str, str] = {}
    for name, value in build_args.items():
        if "\0" in value:
            raise EngineError(
                f"build argument {name}: its value holds a zero byte, which no program can take"
            )
        fits = _NAME.fullmatch(name) and not _READ_BY_PROGRAMS.match(name) and name not in ours
        (by_environment if fits else by_command)[name] = value
    return by_environment, by_command


def build_arg_flags(by_environment: Mapping[str, str], by_command: Mapping[str, str]) -> list[str]:
    """`--build-arg` for each; one that goes by the environment is named without its value."""
    named = [*by_environment, *(f"{name}={value}" for name, value in by_command.items())]
    return [f"--build-arg={arg}" for arg in named]


def loopback_registries(text: str) -> frozenset[str]:
    """The registries on this machine that a text names: plain http is safe there."""
    return frozenset(_LOOPBACK.findall(text))


def registries_conf(folder: Path, insecure: Iterable[str]) -> Path:
    """A registries.conf for containers/image: full names only, and plain http for `insecure`."""
    hosts = sorted(set(insecure))
    for host in hosts:
        if not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", host):
            raise EngineError(f"registry {host!r} is not of the form host[:port]")
    blocks = [f'\n[[registry]]\nlocation = "{host}"\ninsecure = true\n' for host in hosts]
    text = 'unqualified-search-registries = []\nshort-name-mode = "disabled"\n' + "".join(blocks)
    return _write_once(folder, "registries", ".conf", text.encode())


def certificates(folder: Path, ca_files: Iterable[Path]) -> Path:
    """A folder in which each CA file is called `….crt`, as containers/image wants it."""
    texts = {path: _read(path, "CA file") for path in ca_files}
    digest = hashlib.sha256(b"\0".join(texts.values())).hexdigest()[:16]
    target = folder / f"certificates-{digest}"
    for number, text in enumerate(texts.values()):
        _write_once(target, str(number), ".crt", text)
    return target


def podman_registries(around: Surroundings, text: str) -> dict[str, str]:
    """Variables that tell podman how to reach the registries that a text names."""
    insecure = around.insecure_registries | loopback_registries(text)
    return {"CONTAINERS_REGISTRIES_CONF": str(registries_conf(around.folder, insecure))}


def podman_trust(around: Surroundings) -> list[str]:
    """Flags of podman's build, pull and push: logins and certificates."""
    flags = []
    if around.auth_file is not None:
        flags.append(f"--authfile={around.auth_file}")
    if around.ca_files:
        flags.append(f"--cert-dir={certificates(around.folder, around.ca_files)}")
    return flags


def docker_config(folder: Path, auth_file: Path) -> Path:
    """The folder for DOCKER_CONFIG so that `auth_file` is read; a private copy if it has another name."""
    text = _read(auth_file, "credentials file")
    if auth_file.name == "config.json":
        return auth_file.parent
    target = folder / "docker-config"
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    copy = target / "config.json"
    temporary = target / f".config.json.{os.getpid()}"
    temporary.touch(mode=0o600)
    temporary.write_bytes(text)
    temporary.replace(copy)
    return target


def find_program(name: str, variables: Mapping[str, str]) -> str | None:
    return shutil.which(name, path=variables.get("PATH"))


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EngineError(
            f"{what} {path} cannot be read: {error.strerror}", hint="check the path in the settings"
        ) from None


def _write_once(folder: Path, stem: str, suffix: str, text: bytes) -> Path:
    """A file whose name tells its content: written at once as a whole, then left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}-{hashlib.sha256(text).hexdigest()[:16]}{suffix}"
    if not path.exists():
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(text)
        temporary.replace(path)
    return path
