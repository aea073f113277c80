"""Asks registries about images, each as sparingly as its protocol allows. Decides and stores nothing."""

from __future__ import annotations

import asyncio
import copy
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

from graph.model import Manifests
from graph.reference import Digest, ImageRef
from rebuild.images.pause import OnPause
from rebuild.images.registry import RegistryRefused, RegistryUnavailable, TagList
from tracker.registry.budget import BudgetLeft
from tracker.registry.budgets import Budgets
from tracker.registry.credentials import Credentials, FixedCredentials
from tracker.registry.host import Host
from tracker.registry.manifest import (
    ACCEPT,
    IMAGE_TYPES,
    check_image_config,
    read_annotations,
    read_config_blob,
    read_labels,
    read_manifests,
    read_object,
    read_said_base,
    verify,
)
from tracker.registry.retry import patiently, untold
from tracker.registry.settings import (
    POLLING,
    Clock,
    Limits,
    OnRequest,
    Patience,
    RegistrySettings,
    RequestSeen,
)
from tracker.registry.tag_digest import ask_digest
from tracker.registry.tag_pages import TagPages
from tracker.registry.transport import Transport, few_questions
from tracker.registry.wire import Answer, Asked

KINDS_REMEMBERED = 10_000

Result = TypeVar("Result")


class RegistryClient:
    """`rebuild.images.registry.Registry` over HTTP, for all registries at once; use it as `async with`.

    `settings` are by registry host as names have it (`docker.io`, `localhost:5000`); the others
    get `default`. `proxies` are what `urllib.request.getproxies_environment()` gives, `transport`
    is `few_questions` or `tracker.registry.aiohttp_transport.many_questions`. Clients with the same
    `budgets` share them, one for each account. Callers get a patience of their own by `with_patience`.
    """

    def __init__(
        self,
        *,
        settings: Mapping[str, RegistrySettings] | None = None,
        default: RegistrySettings | None = None,
        credentials: Credentials | None = None,
        patience: Patience = POLLING,
        limits: Limits | None = None,
        proxies: Mapping[str, str] | None = None,
        transport: Transport = few_questions,
        clock: Clock | None = None,
        on_request: OnRequest | None = None,
        budgets: Budgets | None = None,
    ) -> None:
        self._settings = settings or {}
        self._default = default or RegistrySettings()
        self._credentials = credentials or FixedCredentials()
        self._patience = patience
        self._limits = limits or Limits()
        self._proxies = proxies or {}
        self._transport = transport
        self._clock = clock or Clock()
        self._on_request = on_request or _unseen
        self._budgets = budgets or Budgets(self._clock)
        self._on_pause: OnPause = untold
        self._hosts: dict[str, Host] = {}
        self._kinds: OrderedDict[Digest, str] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        for host in self._hosts.values():
            await host.close()
        self._hosts.clear()

    def with_patience(self, patience: Patience) -> RegistryClient:
        """The same client, connections, tokens and budgets, for callers that wait longer or less."""
        other = copy.copy(self)
        other._patience = patience
        return other

    def telling(self, on_pause: OnPause) -> RegistryClient:
        other = copy.copy(self)
        other._on_pause = on_pause
        return other

    def prepare(self, references: Iterable[ImageRef]) -> None:
        """Name what will be asked for soon, so that one token serves up to 50 repositories."""
        by_registry: dict[str, set[str]] = {}
        for reference in references:
            by_registry.setdefault(reference.registry, set()).add(reference.repository)
        for registry, repositories in by_registry.items():
            self._host(registry).prepare(repositories)

    def budgets(self) -> Mapping[str, BudgetLeft]:
        """What is left at each registry that was asked so far."""
        return {registry: host.budget().left() for registry, host in self._hosts.items()}

    async def digest(self, reference: ImageRef, *, known: Digest | None = None) -> Digest:
        """What the tag points to now: one HEAD, and no second request when that is `known`.

        It is a GET where the registry knows no HEAD, or leaves the digest out of its answers. A reference
        with a digest is asked for by it, which tells whether it still exists.
        """
        return await self._patiently(lambda: self._digest(reference, known))

    async def manifests(self, reference: ImageRef, digest: Digest) -> Manifests:
        """What the digest holds: one GET by digest, none where its HEAD has shown that it is no index."""
        if self._kinds.get(digest) in IMAGE_TYPES:
            return Manifests(digest)
        return read_manifests(*await self._document(reference, digest))

    async def look_into(self, reference: ImageRef, digest: Digest) -> Manifests:
        """What the digest holds and which bases it names: one GET, one more where only labels can tell."""
        what, _, document = await self._document(reference, digest)
        found = read_manifests(what, digest, document)
        if found.is_index or found.said:
            return found
        try:
            config = await self._config(reference, what, document)
        except RegistryRefused:  # an artifact, say, which is no image
            return replace(found, said={digest: None})
        return replace(found, said=read_said_base(digest, read_labels(config)) or {digest: None})

    async def image_config(self, reference: ImageRef, manifest: Digest) -> Mapping[str, Any]:
        """The OCI image config of one platform's manifest: two GETs, both verified by their digests."""
        what, _, document = await self._document(reference, manifest)
        config = await self._config(reference, what, document)
        check_image_config(what, config)
        return config

    async def _config(self, reference: ImageRef, what: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        blob = read_config_blob(what, document)
        if blob.size > self._limits.config:
            rule = f"its config has {blob.size} bytes, over the limit of {self._limits.config}"
            raise RegistryRefused(f"{what}: {rule}")
        subject = f"config {blob.digest.short} of {reference.repository}"
        path = f"/v2/{reference.repository}/blobs/{blob.digest}"
        asked = Asked("GET", path, subject, self._limits.config, on_pause=self._on_pause)
        return read_object(
            f"{reference.registry}: {subject}", await self._verified(reference, asked, blob.digest)
        )

    async def list_tags(self, reference: ImageRef, *, known: TagList | None = None) -> TagList:
        """All tags of the reference's repository, page by page; `known` itself where nothing has changed.

        Raises `RegistryRefused` for a list that is too long, goes in a circle or leads elsewhere.
        """
        host, limits = self._host(reference.registry), self._limits.lists
        pages = TagPages(host, reference.repository, limits, known)
        try:
            async with asyncio.timeout(limits.total_s):
                while pages.query is not None:
                    await self._patiently(pages.turn)
        except TimeoutError:
            raise RegistryUnavailable(f"{pages.what}: no whole list within {limits.total_s:g} s") from None
        return pages.found

    async def annotations(self, reference: ImageRef, digest: Digest) -> Mapping[str, str]:
        """The annotations of a manifest or index, empty where it has none."""
        _, _, document = await self._document(reference, digest)
        return read_annotations(document)

    async def _digest(self, reference: ImageRef, known: Digest | None) -> Digest:
        digest, answer = await ask_digest(
            self._host(reference.registry),
            reference,
            lambda method: self._manifest_asked(method, reference, known=known),
            keeps_pulls=self._patience.yields,
        )
        if digest is None:
            return _unchanged(reference, known)
        if reference.digest is not None and digest != reference.digest:
            raise RegistryUnavailable(f"{reference}: the registry answered with {digest}")
        self._remember_kind(digest, answer)
        return digest

    async def _document(self, reference: ImageRef, digest: Digest) -> tuple[str, Digest, dict[str, Any]]:
        """What messages call it, its digest, and the document itself."""
        if self._patience.yields:
            self._host(reference.registry).budget().check_pull()
        pinned = reference.with_digest(digest)
        body = await self._verified(reference, self._manifest_asked("GET", pinned), digest)
        what = f"{reference.registry}: {_subject(pinned)}"
        return what, digest, read_object(what, body)

    async def _verified(self, reference: ImageRef, asked: Asked, digest: Digest) -> bytes:
        async def fetch() -> bytes:
            answer = await self._host(reference.registry).ask(reference.repository, asked)
            verify(f"{reference.registry}: {asked.what}", digest, answer.body)
            return answer.body

        return await self._patiently(fetch)

    async def _patiently(self, call: Callable[[], Awaitable[Result]]) -> Result:
        return await patiently(call, self._patience, self._clock, self._on_pause)

    def _manifest_asked(self, method: str, reference: ImageRef, *, known: Digest | None = None) -> Asked:
        headers = {"accept": ACCEPT}
        if known is not None:
            headers["if-none-match"] = f'"{known}"'
        path = f"/v2/{reference.repository}/manifests/{reference.digest or reference.tag}"
        return Asked(
            method,
            path,
            _subject(reference),
            self._limits.manifest,
            headers,
            yields=self._patience.yields,
            on_pause=self._on_pause,
        )

    def _remember_kind(self, digest: Digest, answer: Answer) -> None:
        self._kinds[digest] = answer.headers.get("content-type", "").partition(";")[0].strip()
        if len(self._kinds) > KINDS_REMEMBERED:
            self._kinds.popitem(last=False)

    def _host(self, registry: str) -> Host:
        host = self._hosts.get(registry)
        if host is None:
            host = self._hosts[registry] = Host(
                registry,
                self._settings.get(registry, self._default),
                credentials=self._credentials,
                limits=self._limits,
                proxies=self._proxies,
                transport=self._transport,
                clock=self._clock,
                on_request=self._on_request,
                budgets=self._budgets,
            )
        return host


def _subject(reference: ImageRef) -> str:
    """The reference without its registry, which every message begins with."""
    return str(reference).removeprefix(f"{reference.registry}/")


def _unchanged(reference: ImageRef, known: Digest | None) -> Digest:
    if known is None:
        raise RegistryUnavailable(f"{reference}: the registry says unchanged and was not told since when")
    return known


def _unseen(seen: RequestSeen) -> None:
    """Nobody counts."""
