"""A user name with its password, as a value. Knows neither where it is kept nor who asks for it."""

from __future__ import annotations

import base64

from graph.record import dataclass
from rebuild.secrets.secret import Secret


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and a password, or what a server hands out in a password's place."""

    username: str
    password: Secret


def basic_header(login: Login) -> str:
    pair = f"{login.username}:{login.password.reveal()}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
