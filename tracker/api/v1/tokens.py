"""Routes of tokens. Whoever may make one can come to every scope, so none of the others opens them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field

from rebuild.secrets.api_token import ApiTokens, Scope
from tracker.api.auth import Admin
from tracker.api.v1.answers import MadeToken, TokenAnswer
from tracker.api.v1.asked import Name, Strict
from tracker.api.v1.desk import Desk
from tracker.api.v1.faults import FAULTS, NOT_FOUND
from tracker.tokens import TokenAsked, make_token, revoke_token, token_json


class NewToken(Strict):
    """A new token; without `expires_s` it lasts for ever."""

    name: Name
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    expires_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


def token_routes(desk: Desk) -> APIRouter:
    """`/tokens`."""
    router = APIRouter(prefix="/tokens", tags=["tokens"])

    @router.get("", summary="The tokens, without their texts", responses=FAULTS)
    async def tokens(caller: Admin) -> list[TokenAnswer]:
        return [TokenAnswer(**token_json(one)) for one in ApiTokens(desk.connection).list()]

    @router.post("", status_code=201, summary="Make a token", responses=FAULTS)
    async def make(asked: NewToken, caller: Admin) -> MadeToken:
        """Its text is told this once: only its hash is kept."""
        wanted = TokenAsked(name=asked.name, scopes=sorted(asked.scopes), expires_s=asked.expires_s)
        with desk.changing() as change:
            return MadeToken.model_validate(make_token(change, wanted))

    @router.delete("/{name}", status_code=204, summary="Revoke a token", responses=FAULTS | NOT_FOUND)
    async def revoke(name: str, caller: Admin) -> Response:
        """It opens nothing from now on."""
        with desk.changing() as change:
            revoke_token(change, name)
        return Response(status_code=204)

    return router
