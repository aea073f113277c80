"""The description that the API gives of itself: open to all, complete, and true of what it answers."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, RootModel

from tests.graph_samples import Sample, index_of
from tests.tracker.api.desk import ApiDesk
from tracker.api.description import describe_with
from tracker.api.v1.image_answers import (
    DecisionAnswer,
    DependantsAnswer,
    ImageAnswer,
    PlanAnswer,
    TreeAnswer,
)

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


def test_the_service_describes_its_api_together_with_its_other_routes(api: ApiDesk) -> None:
    app = FastAPI()
    app.get("/healthz")(lambda: None)
    describe_with(app, api.app, "/api/v1")

    document = app.openapi()

    assert {"/healthz", "/api/v1/runs", "/api/v1/runs/{run_id}/log"} <= document["paths"].keys()
    named = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert named - document["components"]["schemas"].keys() == set()


def test_every_answer_in_json_is_described_field_by_field(api: ApiDesk) -> None:
    document = api.app.openapi()
    for path, ways in document["paths"].items():
        for way in ways.values():
            for status, answer in way["responses"].items():
                schema = answer.get("content", {}).get("application/json", {}).get("schema")
                if status.startswith("2") and schema is not None:
                    assert "$ref" in schema.get("items", schema), (path, schema)


async def test_what_is_told_of_images_is_what_is_described(api: ApiDesk) -> None:
    sample = Sample(api.desk.state, api.sql)
    sample.observe("debian:12", index_of(amd64="debian"), hours=9)
    sample.build("base:1", "debian:12", hours=8, task=sample.task("base", "docker.io/library/base:1"))
    sample.build("app:1", "base:1", "debian:12", hours=7)
    sample.observe("debian:12", index_of(amd64="debian, mended"), hours=1)

    described: dict[str, type[BaseModel]] = {
        "/images": RootModel[list[ImageAnswer]],
        "/images/app:1/deps": TreeAnswer,
        "/images/debian:12/rdeps": DependantsAnswer,
        "/stale": RootModel[list[DecisionAnswer]],
        "/plan?image=debian:12": PlanAnswer,
    }
    for path, model in described.items():
        answer = await api.ask("GET", path)

        assert model.model_validate_json(answer.content).model_dump() == answer.json()
        assert len(answer.content) > 100, path
