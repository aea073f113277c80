"""The registry client: what other packages may use of it."""

from tracker.registry.budget import BudgetLeft
from tracker.registry.budgets import Budgets
from tracker.registry.client import RegistryClient
from tracker.registry.credentials import (
    Credential,
    Credentials,
    CredentialsError,
    CredentialsRejected,
    FirstOf,
    FixedCredentials,
    IdentityToken,
    Login,
)
from tracker.registry.docker_config import DockerCredentials
from tracker.registry.settings import (
    BUILDING,
    POLLING,
    Clock,
    Limits,
    OnRequest,
    Patience,
    RegistrySettings,
    RequestSeen,
)

__all__ = [
    "BUILDING",
    "POLLING",
    "BudgetLeft",
    "Budgets",
    "Clock",
    "Credential",
    "Credentials",
    "CredentialsError",
    "CredentialsRejected",
    "DockerCredentials",
    "FirstOf",
    "FixedCredentials",
    "IdentityToken",
    "Limits",
    "Login",
    "OnRequest",
    "Patience",
    "RegistryClient",
    "RegistrySettings",
    "RequestSeen",
]
