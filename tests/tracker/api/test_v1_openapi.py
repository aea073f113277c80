"""The description that the API gives of itself: open to all, complete, and true of what it answers."""

from __future__ import annotations

import re

import pytest

from tests.tracker.api.desk import ApiDesk

pytestmark = pytest.mark.anyio


async def test_anybody_may_read_what_the_api_is(api: ApiDesk) -> None:
    async with api.caller() as stranger:
        answer = await stranger.get("/openapi.json")

    assert answer.status_code == 200
    assert {"/runs", "/contexts", "/runs/{run_id}/log/stream"} <= answer.json()["paths"].keys()


def test_every_route_tells_what_it_is_for_and_takes_a_token(api: ApiDesk) -> None:
    ways = [way for path in api.app.openapi()["paths"].values() for way in path.values()]

    assert all(way["summary"] and way["tags"] for way in ways)
    assert all(way["security"] == [{"HTTPBearer": []}] for way in ways)


def test_every_error_has_the_same_form(api: ApiDesk) -> None:
    for path in api.app.openapi()["paths"].values():
        for way in path.values():
            for status in {"400", "401", "403", "422"}:
                schema = way["responses"][status]["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Fault"}


def test_a_request_for_a_run_has_each_of_its_forms(api: ApiDesk) -> None:
    document = api.app.openapi()
    schemas = document["components"]["schemas"]
    body = document["paths"]["/runs"]["post"]["requestBody"]["content"]["application/json"]["schema"]

    forms = {form["$ref"].rpartition("/")[2] for form in body["oneOf"]}
    assert forms == {"TaskAsked", "DefinitionAsked"}
    assert schemas["DefinitionAsked"]["properties"]["step"]["discriminator"]["mapping"].keys() == {
        "docker",
        "file",
        "inline",
    }
    assert schemas["DefinitionAsked"]["properties"]["secrets"]["additionalProperties"]["writeOnly"] is True


def test_a_context_is_described_as_bytes(api: ApiDesk) -> None:
    body = api.app.openapi()["paths"]["/contexts"]["put"]["requestBody"]

    assert body["content"] == {"application/gzip": {"schema": {"type": "string", "format": "binary"}}}


def test_nothing_in_it_looks_like_a_token(api: ApiDesk) -> None:
    assert re.findall(r"trk_\w+", str(api.app.openapi())) == []
