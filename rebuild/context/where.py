"""What the text of a context names: folder, git, tarball, artifact, input or nothing. Looks nowhere."""

from __future__ import annotations

import re
from dataclasses import field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from graph.errors import InvalidReference, WrongUse
from graph.record import dataclass
from graph.reference import ImageRef
from rebuild.context.fault import masked
from rebuild.runs.uploads import PREFIX, upload_id_of
from rebuild.secrets.login import Login
from rebuild.secrets.secret import HIDDEN, Secret
from rebuild.secrets.web_url import is_loopback

TOKEN_USER = "x-access-token"  # git hosts look at the token alone; GitHub wants this name for an app's
TEXT_MOST = 4096

_GIT_SCHEMES = ("https", "http", "git", "ssh", "file")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
_SCP = re.compile(r"(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@(?P<host>\[[0-9a-fA-F:]+\]|[^:/@\s]+):(?P<path>.+)")
_SSH_ADDRESS = re.compile(r"git@|[\w.-]+@(?:vs-ssh\.visualstudio\.com|ssh\.dev\.azure\.com):", re.ASCII)
_UNFIT_FOR_REF = re.compile(r"[\x00-\x20\x7f~^?*\[\\]|\.\.|@\{|//|^[-/]|/$|\.lock$|\.$")
_HINT = (
    "write a folder, https://HOST/REPOSITORY.git#REF:FOLDER, the URL of a tarball, or oci://REGISTRY/NAME:TAG"
)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this machine."""

    path: Path

    @property
    def expanded(self) -> Path:
        """With the home that its `~` stands for; raise `WrongUse` where it stands for none."""
        try:
            return self.path.expanduser()
        except RuntimeError:
            raise WrongUse(f"{str(self.path)!r} is in nobody's home", hint="write the whole path") from None


@dataclass(frozen=True, slots=True)
class Git:
    """A repository, at a ref (None: its default branch), and the folder in it ("": all of it)."""

    url: str  # without user and password, except ssh's user
    ref: str | None = None
    folder: str = ""
    login: Login | None = field(default=None, repr=False)

    @property
    def scheme(self) -> str:
        found = _SCHEME.match(self.url)
        return found[1] if found else "ssh"


@dataclass(frozen=True, slots=True)
class Tarball:
    """An archive behind http or https. A query may be a signature: it is kept apart like a login.

    Where the text was printed before, the query is `HIDDEN`: there was one, and somebody else has it.
    """

    url: str  # without user, password and query
    login: Login | None = field(default=None, repr=False)
    query: Secret | None = field(default=None, repr=False)

    @property
    def misses_its_query(self) -> bool:
        return self.query is not None and self.query.reveal() == HIDDEN


@dataclass(frozen=True, slots=True)
class Artifact:
    """An OCI artifact in a registry."""

    reference: ImageRef


@dataclass(frozen=True, slots=True)
class StandardInput:
    """`-`: a tar, or a Dockerfile alone."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """`/dev/null`: an empty context."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A context that a caller has sent to the service before."""

    upload_id: str


Place = Folder | Git | Tarball | Artifact | StandardInput | Nothing | Uploaded


@dataclass(frozen=True, slots=True)
class Source:
    """Where a context comes from. Its text has no secret in it, and parses to the same place."""

    place: Place

    @classmethod
    def parse(cls, text: str) -> Source:
        """Read what a person wrote; raise `WrongUse` naming the rule that it breaks."""
        _check_text(text)
        return cls(_place(text))

    @property
    def is_local(self) -> bool:
        """Whether it is read from this machine, which not everybody may ask for."""
        match self.place:
            case Folder() | StandardInput():
                return True
            case Git(url=url):
                return url.startswith("file:")
            case Tarball() | Artifact() | Nothing() | Uploaded():
                return False

    @property
    def server(self) -> str | None:
        """Scheme, host and port of whom a login for it is sent to; None where nobody is."""
        match self.place:
            case Git(url=url) if found := _SCP.fullmatch(url):
                return f"ssh://{found['user']}@{found['host']}".lower()
            case Git(url=url) | Tarball(url=url) if _SCHEME.match(url):
                parts = urlsplit(url)
                return f"{parts.scheme}://{parts.netloc}".lower() if parts.netloc else None
            case _:
                return None

    def __str__(self) -> str:
        match self.place:
            case Folder(path=path):
                return str(path) if path.is_absolute() else f"./{path}"  # else "./-" would print as "-"
            case Git(url=url, ref=ref, folder=folder):
                part = f":{folder}" if folder else ""
                return f"{url}#{ref or ''}{part}" if ref or part else url
            case Tarball(url=url, query=query):
                return url if query is None else f"{url}?{query}"  # which prints as ***
            case Artifact(reference=reference):
                return f"oci://{reference}"
            case StandardInput():
                return "-"
            case Nothing():
                return "/dev/null"
            case Uploaded(upload_id=upload_id):
                return f"{PREFIX}{upload_id}"


def parse_repository(url: str) -> Git:
    """A repository's URL as a submodule names it: any scheme of git's that talks to a server, or file."""
    _check_text(url)
    if _SCP.fullmatch(url):
        return _scp(url)
    found = _SCHEME.match(url)
    if found is None or found[1].lower() not in _GIT_SCHEMES:
        raise WrongUse(f"repository {masked(url)!r} is none of {', '.join(_GIT_SCHEMES)} and user@host:path")
    return _git(url)


def _place(text: str) -> Place:
    found = _SCHEME.match(text)
    scheme = found[1].lower() if found else ""
    if text == "-":
        return StandardInput()
    if upload_id := upload_id_of(text):
        return Uploaded(upload_id)
    if not scheme and str(Path(text)).lower() == "/dev/null":
        return Nothing()
    if scheme == "oci":
        return _artifact(text)
    if scheme in ("http", "https"):
        return _web(text)
    if scheme in _GIT_SCHEMES:
        return _git(text)
    if text.startswith("github.com/"):
        name, mark, fragment = text.partition("#")
        return _git(f"https://{name.rstrip('/').removesuffix('.git')}.git{mark}{fragment}")
    if _SSH_ADDRESS.match(text):
        return _scp(text)
    if scheme:
        raise WrongUse(f"context {masked(text)!r}: {scheme}:// is no kind of context", hint=_HINT)
    return Folder(Path(text))


def _check_text(text: str) -> None:
    shown = masked(text[:200])
    if not text:
        raise WrongUse("context is empty", hint="write . for the folder that you are in")
    if len(text) > TEXT_MOST:
        raise WrongUse(f"context {shown!r}… has {len(text)} characters: more than {TEXT_MOST} is no place")
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise WrongUse(f"context {shown!r} has a control character in it")
    if text != text.strip() and (_SCHEME.match(text.strip()) or text.strip().startswith("git@")):
        raise WrongUse(f"context {shown!r} has white space around it", hint=f"write {shown.strip()!r}")


def _artifact(text: str) -> Artifact:
    try:
        return Artifact(ImageRef.parse(text.partition("://")[2]))
    except InvalidReference as error:
        message = f"context {masked(text)!r}: {error.message}"
        raise WrongUse(message, hint="write oci://REGISTRY/NAME:TAG") from None


def _web(text: str) -> Git | Tarball:
    """git where the path says so, a tarball otherwise."""
    base, mark, _ = text.partition("#")
    url = _split(base)
    if re.search(r"\.git/?$", url.path) and not url.query:
        return _git(text)
    if _is_azure(url):
        return _git(text)
    if mark:
        repository = f"{masked(base).rstrip('/')}.git{text[len(base) :]}"
        raise WrongUse(
            f"context {masked(text)!r} is the URL of a tarball, and those have no '#'",
            hint=f"if it is a git repository, write {repository!r}",
        )
    query = Secret(url.query) if url.query else None
    return Tarball(_without_user(url._replace(query="")), _login(url), query)


def _is_azure(url: SplitResult) -> bool:
    """Azure Repos, in the form of each of its two hosts; their repositories' names do not end in .git."""
    host = (url.hostname or "").lower()
    is_host = host == "dev.azure.com" or host.endswith(".visualstudio.com")
    return url.scheme == "https" and is_host and "/_git/" in url.path and not url.query


def _git(text: str) -> Git:
    base, _, fragment = text.partition("#")
    url = _split(base)
    ref, folder = _fragment(text, fragment)
    if url.scheme == "file":
        if url.netloc not in ("", "localhost") or not url.path.startswith("/"):
            raise WrongUse(f"context {masked(text)!r}: a file URL is file:// and an absolute path")
        return Git(f"file://{url.path}", ref, folder)
    if url.query:
        raise WrongUse(f"context {masked(text)!r}: the URL of a git repository has no '?'")
    path = url.path.rstrip("/") if _is_azure(url) else url.path
    if not path.strip("/"):
        raise WrongUse(f"context {masked(text)!r} names a host and no repository")
    url = url._replace(path=path)
    if url.scheme == "ssh":
        return Git(_with_user_alone(text, url), ref, folder)
    return Git(_without_user(url), ref, folder, _login(url))


def _scp(text: str) -> Git:
    base, _, fragment = text.partition("#")
    found = _SCP.fullmatch(base)
    if found is None:
        raise WrongUse(f"context {masked(text)!r} is not of the form git@HOST:PATH")
    if found["host"].startswith("-") or found["path"].startswith("-"):
        raise WrongUse(f"context {masked(text)!r}: a host or path that begins with '-' would be an option")
    return Git(base, *_fragment(text, fragment))


def _fragment(text: str, fragment: str) -> tuple[str | None, str]:
    ref, _, folder = fragment.partition(":")
    if ref and (_UNFIT_FOR_REF.search(ref) or len(ref) > 255):
        raise WrongUse(
            f"context {masked(text)!r}: {ref[:100]!r} is no branch, tag, commit or pull request",
            hint="write …#main, …#v1.2, …#pull/42/head or …#REF:FOLDER",
        )
    parts = [part for part in folder.split("/") if part not in ("", ".")]
    if ".." in parts or ".git" in (part.lower() for part in parts):
        raise WrongUse(f"context {masked(text)!r}: folder {folder[:100]!r} is not one inside the repository")
    return ref or None, "/".join(parts)


def _split(base: str) -> SplitResult:
    try:
        url = urlsplit(base)
        _ = url.port  # raises where it is none
    except ValueError as error:
        raise WrongUse(f"context {masked(base)!r} is not a URL: {masked(str(error))}") from None
    host = url.hostname or ""
    if url.scheme != "file" and (not host or host.startswith("-") or re.search(r"[\s\\]", base)):
        raise WrongUse(f"context {masked(base)!r} is not a URL with a host", hint=_HINT)
    return url


def _without_user(url: SplitResult) -> str:
    return url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()


def _with_user_alone(text: str, url: SplitResult) -> str:
    """ssh's user is a part of the address; a password in it would be of no use to ssh."""
    if url.password:
        raise WrongUse(f"context {masked(text)!r}: ssh takes no password from a URL", hint="give a key file")
    if url.username and url.username.startswith("-"):
        raise WrongUse(f"context {masked(text)!r}: a user that begins with '-' would be an option")
    return url.geturl()


def _login(url: SplitResult) -> Login | None:
    """User and password of a URL; a lone user is a token, but not the organisation in Azure's own URLs."""
    user, password = unquote(url.username or ""), unquote(url.password or "")
    if any(ord(c) < 32 for c in user + password):
        raise WrongUse(f"user or password in the URL of {url.hostname!r} has a control character in it")
    if password and ":" in user:
        raise WrongUse(f"the user in the URL of {url.hostname!r} has a ':' in it, which no login can have")
    if not user + password or (not password and _is_azure(url) and url.path.startswith(f"/{user}/")):
        return None
    if not keeps_secrets(url.geturl()):
        raise WrongUse(
            f"context {masked(url.geturl())!r} would send its login in the clear",
            hint="write https://, or leave the login out",
        )
    return Login(user, Secret(password)) if password else Login(TOKEN_USER, Secret(user))


def keeps_secrets(url: str) -> bool:
    """Whether what is sent to a URL is read by its server alone: by TLS, or without leaving this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
