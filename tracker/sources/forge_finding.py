"""Which API a task's repository has, by settings, name and webhooks, and who the task is there."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping

from graph.record import dataclass
from rebuild.context.where import Git
from rebuild.secrets.login import Login
from rebuild.sources.event import PullRequest
from tracker.forges.address import Address, NoForge, Place, address_of
from tracker.forges.client import ForgeClient
from tracker.forges.kind import kind_of_host, kind_of_provider
from tracker.forges.pulls import pull_request
from tracker.settings.settings import Settings
from tracker.settings.sources import ForgeSection


@dataclass(frozen=True, slots=True)
class Forges:
    """The forges as the settings have them; `tracker.sources.asking.Pulls` for those that are polled."""

    client: ForgeClient
    sections: Mapping[str, ForgeSection]

    def address(self, context: Git, *, provider: str = "") -> Address:
        """`provider` is whose webhooks have come from there, where some have. Raises `NoForge`."""
        place = Place.of(context.url)
        if place is None:
            raise NoForge(f"{context.url} is a folder of this machine", hint="a forge has pages and an API")
        section = self.section(place.host)
        kind = section.kind or kind_of_host(place.bare_host) or kind_of_provider(provider)
        return address_of(place, kind=kind, api=section.api)

    def section(self, host: str) -> ForgeSection:
        return self.sections.get(host) or ForgeSection()

    async def find(self, url: str, login: Login | None, number: int, ref: str) -> PullRequest | None:
        """None where it is not open. Raises `TrackerError`."""
        return await pull_request(self.client, self.address(Git(url)), login, number, ref)


def forges_of(settings: Settings) -> Forges:
    """The APIs of forges, by the proxies of the environment."""
    sections = {str(host): one for host, one in settings.forges.items()}
    ca_files = {str(host): one.ca_file for host, one in settings.forges.items() if one.ca_file}
    return Forges(ForgeClient(ca_files, urllib.request.getproxies_environment()), sections)
