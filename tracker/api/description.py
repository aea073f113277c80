"""One description of all routes of the service, those of the mounted API among them. Knows no route."""

from __future__ import annotations

import copy
from typing import Any

from fastapi import FastAPI


def describe_with(app: FastAPI, api: FastAPI, prefix: str) -> None:
    """Have the application describe the API too, under its prefix."""
    own = app.openapi

    def whole() -> dict[str, Any]:
        return _joined(own(), api.openapi(), prefix)

    app.openapi = whole  # type: ignore[method-assign]  # as FastAPI's manual has it


def _joined(own: dict[str, Any], below: dict[str, Any], prefix: str) -> dict[str, Any]:
    joined = copy.deepcopy(own)
    joined["paths"] = {**own["paths"], **{f"{prefix}{path}": way for path, way in below["paths"].items()}}
    kinds = {**own.get("components", {}), **below.get("components", {})}
    joined["components"] = {
        kind: {**own.get("components", {}).get(kind, {}), **below.get("components", {}).get(kind, {})}
        for kind in kinds
    }
    return joined
