"""The route that takes contexts: a body of any length, straight into a file."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect

from graph.errors import WrongUse
from rebuild.runs.uploads import Upload, UploadRefused, Uploads, too_large
from tracker.api.auth import Runner
from tracker.api.v1.answers import ContextAnswer
from tracker.api.v1.desk import Desk
from tracker.api.v1.faults import FAULTS, Fault

_BLOCK_BYTES = 1024 * 1024
_SHA256 = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]{44}):")
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/gzip": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_FULL: dict[int | str, dict[str, object]] = {
    413: {"model": Fault, "description": "Larger than a context may be"},
    507: {"model": Fault, "description": "No room for it now"},
}


def context_routes(desk: Desk) -> APIRouter:
    """`/contexts`."""
    router = APIRouter(prefix="/contexts", tags=["contexts"])

    @router.put(
        "",
        status_code=201,
        summary="Upload a context: a tar, gzipped or not, as the body",
        description="With a Content-Digest header (`sha-256=:BASE64:`) what came is compared with it.",
        openapi_extra=_BODY,
        responses=FAULTS | _FULL,
    )
    async def put(request: Request, caller: Runner) -> ContextAnswer:
        check_length(request.headers.get("content-length"), desk.uploads)
        announced = announced_sha256(request.headers.get("content-digest"))
        upload = await _receive(request, desk.uploads, announced)
        return ContextAnswer(context=upload.context, bytes=upload.size, sha256=upload.sha256)

    return router


def check_length(declared: str | None, uploads: Uploads) -> None:
    """Refuse what is too large before it is sent."""
    if declared is not None and (not declared.isdigit() or int(declared) > uploads.bytes_most):
        raise too_large(uploads.bytes_most)


def announced_sha256(header: str | None) -> str | None:
    """The digest out of a Content-Digest header, in hexadecimal; None where there is none of this kind."""
    if header is None:
        return None
    found = _SHA256.search(header)
    try:
        digest = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        digest = b""
    if len(digest) != 32:
        raise WrongUse("the Content-Digest header has no SHA-256", hint="write sha-256=:BASE64: (RFC 9530)")
    return digest.hex()


async def _receive(request: Request, uploads: Uploads, announced: str | None) -> Upload:
    """Block by block: the disk, not memory, holds what came; who sends waits for it."""
    with uploads.begin() as incoming:
        async for block in _blocks(request):
            await asyncio.to_thread(incoming.write, block)
        return await asyncio.to_thread(lambda: incoming.finish(sha256=announced))


async def _blocks(request: Request) -> AsyncIterator[bytes]:
    """The body in larger pieces than it comes in."""
    block = bytearray()
    try:
        async for piece in request.stream():
            block += piece
            if len(block) >= _BLOCK_BYTES:
                yield bytes(block)
                block.clear()
    except ClientDisconnect:
        raise UploadRefused("the upload broke off", hint="upload it again") from None
    yield bytes(block)
