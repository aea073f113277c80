"""From where a context is to a folder that holds it: one way for each kind of place. Builds nothing."""

from __future__ import annotations

import asyncio
import select
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import field, replace
from pathlib import Path
from typing import BinaryIO, TypeVar, assert_never

from graph.errors import WrongUse
from graph.record import dataclass
from graph.reference import Digest
from rebuild.context.archive import HEAD_BYTES, kind_of, what_came
from rebuild.context.fault import ContextError, Unsafe, masked
from rebuild.context.folder import pack
from rebuild.context.git import Checkout
from rebuild.context.input import read_dockerfile, read_whole
from rebuild.context.limits import Limits, Meter
from rebuild.context.oci import pull
from rebuild.context.reach import Reach
from rebuild.context.ssh import files_for
from rebuild.context.tarball import download
from rebuild.context.unpack import Links, unpack
from rebuild.context.where import (
    Artifact,
    Folder,
    Git,
    Nothing,
    Source,
    StandardInput,
    Tarball,
    Uploaded,
    keeps_secrets,
)
from rebuild.runs.uploads import upload_path
from rebuild.secrets.login import Login
from rebuild.secrets.secret import Secret

_LOOK_EVERY_S = 0.2
LogSink = Callable[[bytes], None]
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Access:
    """What this one fetch may use. What is in the source's own URL goes before these."""

    login: Login | None = None  # for the source's host alone, and for submodules on it
    query: Secret | None = None  # of a tarball's URL
    ssh_key: Secret | None = None  # goes before those that the reach has
    reach: Reach = field(default_factory=Reach)
    uploads: Path | None = None  # the folder of contexts that were sent here; None: there are none
    pull: int | None = None  # the number of the pull request that the commit of the source is of


@dataclass(frozen=True, slots=True)
class Fetched:
    """A context in a folder, and what it was at that moment."""

    folder: Path
    commit: str | None = None
    branch: str | None = None  # None for a tag, a commit, a pull request, and all that is not git
    commit_time: int | None = None  # seconds since 1970; all its files have it
    digest: Digest | None = None  # of a tarball's bytes, or an artifact's manifest


async def fetch(
    source: Source,
    into: Path,
    *,
    log: LogSink,
    limits: Limits | None = None,
    access: Access | None = None,
    stdin: BinaryIO | None = None,
    in_place: bool = True,
    keep_git: bool = False,
    kept: tuple[str, ...] = (),
) -> Fetched:
    """Fetch a context into `into`, which must not exist; after an error it does not exist either.

    A local folder is answered as it is, and `into` not made, unless `in_place` is off: then it is copied
    by its ignore rules, which hide none of the files `kept`. `stdin` is what `-` stands for, unbuffered.
    `keep_git` leaves `.git` in a git context; without it the same commit gives the same files, times
    included. Raises `ContextError`, and `WrongUse` where the place cannot be one.
    """
    if isinstance(source.place, Folder) and in_place:
        return Fetched(_folder(source.place))
    await asyncio.to_thread(_make, into)
    errand = _Errand(into, Meter(limits or Limits()), access or Access(), log, kept)
    try:
        async with asyncio.timeout(errand.meter.limits.timeout_s):
            return await errand.fetch(source, stdin, keep_git=keep_git)
    except BaseException as error:
        await asyncio.to_thread(shutil.rmtree, into, ignore_errors=True)
        if isinstance(error, TimeoutError):
            raise errand.meter.too_slow() from None
        if isinstance(error, OSError):
            raise ContextError(f"context {masked(str(source))!r}: {error.strerror or error}") from error
        raise


@dataclass(frozen=True, slots=True)
class _Errand:
    """One fetch under way."""

    into: Path
    meter: Meter
    access: Access
    log: LogSink
    kept: tuple[str, ...]  # files of a folder that no ignore rule hides

    async def fetch(self, source: Source, stdin: BinaryIO | None, *, keep_git: bool) -> Fetched:
        match source.place:
            case Folder() as folder:
                return await self._copy(_folder(folder))
            case Git() as git:
                return await self._git(git, keep_git=keep_git)
            case Tarball() as tarball:
                return await self._tarball(tarball)
            case Artifact() as artifact:
                return await self._artifact(artifact)
            case StandardInput():
                return await self._standard_input(stdin)
            case Nothing():
                return Fetched(self.into)
            case Uploaded(upload_id=upload_id):
                return await self._uploaded(upload_id)
            case _:
                assert_never(source.place)

    async def _copy(self, folder: Path) -> Fetched:
        def copy() -> None:
            with tempfile.TemporaryFile(dir=self.into.parent) as file:
                pack(folder, None, into=file, kept=self.kept)
                file.seek(0)
                unpack(file, self.into, self.meter, links=Links.ANYWHERE)

        await self._in_thread(copy)
        return Fetched(self.into)

    async def _git(self, source: Git, *, keep_git: bool) -> Fetched:
        if not source.login and source.scheme == "http":
            self._check_login(source.url)
        with tempfile.TemporaryDirectory(dir=self.into.parent) as scratch:
            home = Path(scratch) / "home"
            home.mkdir()
            access = self.access
            ssh = files_for(source.url, access.reach.ssh, access.ssh_key, Path(scratch))
            checkout = Checkout(access.login, ssh, self.meter, home, self.log, self.access.pull)
            done = await checkout.fetch(source, self.into, keep_git=keep_git)
        folder = inside(self.into, source.folder)
        return Fetched(folder, done.commit, done.branch, done.commit_time)

    async def _tarball(self, source: Tarball) -> Fetched:
        whole = self._opened(source)
        with tempfile.TemporaryFile(dir=self.into.parent) as file:
            digest = await download(whole, file, self.meter)
            await self._in_thread(lambda: self._unpack_tarball(source, file))
        self._say(f"{masked(source.url)}: {self.meter.transferred} bytes, {digest}")
        return Fetched(self.into, digest=digest)

    def _opened(self, source: Tarball) -> Tarball:
        """With all that its server wants to see."""
        query = self.access.query if source.misses_its_query else source.query
        if source.query and not query:
            raise ContextError(
                f"context {source.url}: the query of its URL was kept apart, and is not here",
                hint="give the URL once more, with its query",
            )
        if not source.login:
            self._check_login(source.url)
        return replace(source, login=source.login or self.access.login, query=query)

    def _check_login(self, url: str) -> None:
        if self.access.login and not keeps_secrets(url):
            raise ContextError(
                f"context {masked(url)!r} would be sent its token in the clear",
                hint="name it with https://, or take the token from it",
            )

    def _unpack_tarball(self, source: Tarball, file: BinaryIO) -> None:
        file.seek(0)
        head = file.read(HEAD_BYTES)
        if kind_of(head) is None:
            raise ContextError(
                f"context {masked(source.url)!r} is {what_came(head)}, not a tar",
                hint=f"if it is a git repository, write {masked(source.url).rstrip('/')}.git",
            )
        unpack(file, self.into, self.meter, links=Links.INSIDE, head=head)

    async def _artifact(self, artifact: Artifact) -> Fetched:
        reference = artifact.reference
        registry = await self.access.reach.find_registry(reference.registry)
        digest = await self._in_thread(lambda: pull(reference, self.into, registry, self.meter))
        self._say(f"oci://{reference}: {digest}")
        return Fetched(self.into, digest=digest)

    async def _uploaded(self, upload_id: str) -> Fetched:
        if self.access.uploads is None:
            raise WrongUse("an uploaded context is with the service it was sent to, not here")
        path = upload_path(self.access.uploads, upload_id)

        def take() -> None:
            with path.open("rb") as file:
                unpack(file, self.into, self.meter, links=Links.ANYWHERE)

        await self._in_thread(take)
        return Fetched(self.into)

    async def _standard_input(self, stdin: BinaryIO | None) -> Fetched:
        if stdin is None:
            raise WrongUse("context - is the standard input, and there is none here")
        await self._in_thread(lambda: self._take_input(stdin))
        return Fetched(self.into)

    def _take_input(self, stdin: BinaryIO) -> None:
        counted = _Counted(stdin, self.meter)
        head = read_whole(counted, HEAD_BYTES)
        if kind_of(head) is not None:
            unpack(counted, self.into, self.meter, links=Links.ANYWHERE, head=head)
            return
        (self.into / "Dockerfile").write_bytes(read_dockerfile(counted, head))

    async def _in_thread(self, work: Callable[[], _Answer]) -> _Answer:
        """Its answer; where the call is cancelled, the thread ends first: it works in our folder."""
        running = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self.meter.stop()
            await asyncio.wait([running])
            if not running.cancelled():
                running.exception()  # it was stopped, and says so
            raise

    def _say(self, text: str) -> None:
        self.log(f"{text}\n".encode())


def inside(root: Path, folder: str) -> Path:
    """A folder of a context, by its path in it; raises where it is none, or links lead out of the context."""
    found = (root / folder).resolve()
    if not found.is_relative_to(root.resolve()):
        raise Unsafe(f"folder {folder!r} leads out of the context")
    if not found.is_dir():
        raise ContextError(
            f"the context has no folder {folder!r}", hint="name one that is in it at that commit"
        )
    return found


def _make(folder: Path) -> None:
    try:
        folder.mkdir()
    except OSError as error:
        raise ContextError(f"folder {folder} for the context cannot be made: {error.strerror}") from None
    folder.chmod(0o755)  # the same for every umask


def _folder(folder: Folder) -> Path:
    if not folder.path.is_dir():
        raise WrongUse(
            f"context {str(folder.path)!r} is not a folder",
            hint="name the folder that the Dockerfile copies from",
        )
    return folder.path.resolve()


class _Counted:
    """A stream whose bytes count as transferred. A pipe into which nobody writes holds up no one for ever."""

    def __init__(self, file: BinaryIO, meter: Meter) -> None:
        self._file = file
        self._meter = meter
        try:
            self._pipe: int | None = file.fileno()
        except OSError:  # something in memory
            self._pipe = None

    def read(self, size: int) -> bytes:
        while self._pipe is not None and not select.select([self._pipe], [], [], _LOOK_EVERY_S)[0]:
            self._meter.check_time()
        piece = self._file.read(size)
        self._meter.transfer(len(piece))
        return piece
