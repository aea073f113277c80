"""What opens a context besides its text: a token or a login, and the query of its URL. Fetches nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote_plus

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.context.where import TOKEN_USER, Git, Source, Tarball
from rebuild.secrets.login import Login
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_source import Opaque, parse_source
from rebuild.secrets.secret_source import Source as SecretSource
from rebuild.secrets.task_secrets import SecretUse

USES = (SecretUse.GIT, SecretUse.SSH, SecretUse.QUERY)
OF_SERVER = (SecretUse.GIT, SecretUse.SSH)  # they are for one server, whatever is asked of it
GIT_TOKEN_OPTION, SSH_KEY_OPTION = "--git-access-token", "--git-ssh-key"
_TELLING_CHARACTERS = 12  # a shorter part of a query is a date or a version, and a word of many logs

Sources = Mapping[SecretUse, SecretSource]  # where they come from, of those that there are


@dataclass(frozen=True, slots=True)
class ContextSecrets:
    """Of one context. `token` is a git host's token, or USER:PASSWORD; `ssh_key` a private key."""

    token: Secret | None = None
    query: Secret | None = None
    ssh_key: Secret | None = None

    @classmethod
    def of(cls, source: Source) -> ContextSecrets:
        """Those that the text of the source had in it."""
        match source.place:
            case Git(login=login):
                return cls(_token(login))
            case Tarball(login=login, query=query) as tarball:
                return cls(_token(login), None if tarball.misses_its_query else query)
            case _:
                return cls()

    @classmethod
    def by_use(cls, secrets: Mapping[SecretUse, Secret]) -> ContextSecrets:
        return cls(secrets.get(SecretUse.GIT), secrets.get(SecretUse.QUERY), secrets.get(SecretUse.SSH))

    @property
    def uses(self) -> dict[SecretUse, Secret]:
        """Those that there are."""
        pairs = (
            (SecretUse.GIT, self.token),
            (SecretUse.SSH, self.ssh_key),
            (SecretUse.QUERY, self.query),
        )
        return {use: secret for use, secret in pairs if secret}

    @property
    def sources(self) -> dict[SecretUse, SecretSource]:
        return {use: Opaque(secret) for use, secret in self.uses.items()}

    @property
    def login(self) -> Login | None:
        """Who asks for the context. No token of a git host has a colon in it."""
        if not self.token:
            return None
        user, colon, password = self.token.reveal().partition(":")
        return Login(user, Secret(password)) if colon else Login(TOKEN_USER, self.token)

    @property
    def hidden(self) -> tuple[Secret, ...]:
        """What no log may show: of a query also each value that is long enough to open something."""
        login = self.login
        parts = (login.password,) if login else ()
        return (*self.uses.values(), *parts, *(_values(self.query) if self.query else ()))


def kept_with_task(context: str, typed: Sources) -> dict[SecretUse, dict[str, SecretSource]]:
    """What becomes of a task's secrets when it is given this context, whose text has no secret in it.

    A query belongs to its URL, and goes with it.
    """
    found = {use: {"": source} for use, source in typed.items()}
    place = Source.parse(context).place
    if not (isinstance(place, Tarball) and place.misses_its_query):
        found.setdefault(SecretUse.QUERY, {})
    return found


def of_the_same_server(before: str, now: str) -> bool:
    """Whether a token for the one context may be sent for the other: nobody else is told it."""
    return Source.parse(before).server == Source.parse(now).server


def typed_with(source: Source, by_option: Sources) -> dict[SecretUse, SecretSource]:
    """What was typed with a context: in its URL, or by options. Raises `WrongUse` for both a login in the URL
    and a token."""
    found = ContextSecrets.of(source).sources
    if SecretUse.GIT in found and SecretUse.GIT in by_option:
        raise WrongUse(
            f"the URL of the context has a login, and {GIT_TOKEN_OPTION} is another", hint="give one of them"
        )
    return {**found, **by_option}


def ssh_key_source(text: str) -> SecretSource:
    """The source of a key. Raises `WrongUse` for a value: a key has lines, and is not typed."""
    source = parse_source(text)
    if isinstance(source, Opaque):
        raise WrongUse(
            f"{SSH_KEY_OPTION} takes no value: a command line is no place for a key",
            hint="write file:/PATH, env:NAME, credential:NAME or vault:PATH#KEY",
        )
    return source


def _token(login: Login | None) -> Secret | None:
    if login is None:
        return None
    is_alone = login.username == TOKEN_USER and ":" not in login.password.reveal()
    return login.password if is_alone else Secret(f"{login.username}:{login.password.reveal()}")


def _values(query: Secret) -> Iterator[Secret]:
    for part in query.reveal().split("&"):
        value = part.partition("=")[2]
        for text in {value, unquote_plus(value)}:
            if len(text) >= _TELLING_CHARACTERS:
                yield Secret(text)
