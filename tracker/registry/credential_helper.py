"""Runs `docker-credential-NAME`. Knows the helpers' protocol, not which registry uses which."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping

from rebuild.secrets.secret import Secret
from tracker.registry.credentials import Credential, CredentialsError, IdentityToken, Login

OUTPUT_MOST = 64 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_NOTHING_STORED = "credentials not found"  # the helpers' own words, on stdout, with exit code 1
_TOKEN_USER = "<token>"


async def ask_helper(
    name: str, server: str, *, environment: Mapping[str, str], timeout_s: float = 10.0
) -> Credential | None:
    """What the helper keeps for `server`, None where it keeps nothing. Raises `CredentialsError`."""
    exit_code, output = await _run(name, "get", server, server, environment, timeout_s)
    return _read_answer(name, server, exit_code, output)


async def store_in_helper(
    name: str, server: str, login: Login, *, environment: Mapping[str, str], timeout_s: float = 10.0
) -> None:
    """Have the helper keep the login for `server`. Raises `CredentialsError`."""
    said = json.dumps({"ServerURL": server, "Username": login.username, "Secret": login.password.reveal()})
    exit_code, _ = await _run(name, "store", said, server, environment, timeout_s)
    if exit_code != 0:
        raise CredentialsError(
            f"credential helper docker-credential-{name}: exit code {exit_code} at storing {server}",
            hint="is its own store unlocked and writable?",
        )


async def _run(
    name: str, verb: str, said: str, server: str, environment: Mapping[str, str], timeout_s: float
) -> tuple[int | None, bytes]:
    program = _find(name, environment)
    process = await asyncio.create_subprocess_exec(
        program, verb, stdin=PIPE, stdout=PIPE, stderr=asyncio.subprocess.DEVNULL, env=dict(environment)
    )
    try:
        async with asyncio.timeout(timeout_s):
            output = await _converse(process, said)
    except TimeoutError:
        raise CredentialsError(
            f"credential helper docker-credential-{name}: no answer within {timeout_s:g} s for {server}",
            hint=f"try: echo {server} | docker-credential-{name} get",
        ) from None
    finally:
        await _end(process)
    return process.returncode, output


def _find(name: str, environment: Mapping[str, str]) -> str:
    if not _NAME.fullmatch(name):
        raise CredentialsError(f"credential helper {name[:80]!r} is not a program's name")
    program = shutil.which(f"docker-credential-{name}", path=environment.get("PATH", ""))
    if program is None:
        raise CredentialsError(
            f"credential helper docker-credential-{name} is configured and not installed",
            hint="install it, or remove its name from credHelpers or credsStore in docker's config.json",
        )
    return program


async def _converse(process: Process, said: str) -> bytes:
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(ConnectionError):  # a helper may answer without reading
        process.stdin.write(said.encode())
        await process.stdin.drain()
        process.stdin.close()
    output = bytearray()
    while len(output) <= OUTPUT_MOST and (piece := await process.stdout.read(OUTPUT_MOST)):
        output += piece
    if len(output) <= OUTPUT_MOST:
        await process.wait()
    return bytes(output)


async def _end(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()  # wait() alone waits for ever where output is left that nobody has read


def _read_answer(name: str, server: str, exit_code: int | None, output: bytes) -> Credential | None:
    if len(output) > OUTPUT_MOST:
        raise CredentialsError(
            f"credential helper docker-credential-{name}: over {OUTPUT_MOST} bytes of output"
        )
    if exit_code != 0:
        if _NOTHING_STORED in output.decode(errors="replace"):
            return None
        # Its output may hold a secret even now, so it is not shown.
        raise CredentialsError(
            f"credential helper docker-credential-{name}: exit code {exit_code} for {server}",
            hint=f"try: echo {server} | docker-credential-{name} get",
        )
    try:
        answer = json.loads(output)
        username, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError, RecursionError):
        username = secret = None
    if not isinstance(username, str) or not isinstance(secret, str):
        rule = 'the answer is not JSON with "Username" and "Secret"'
        raise CredentialsError(f"credential helper docker-credential-{name}: {rule}") from None
    if not secret:
        return None
    return IdentityToken(Secret(secret)) if username == _TOKEN_USER else Login(username, Secret(secret))
