"""The functions of the template language by name: Go's own, Sprig's, and a few that Helm made usual."""

from __future__ import annotations

import difflib

from rebuild.template.error import Fault
from rebuild.template.function import Function
from rebuild.template.functions import (
    arithmetic,
    chance,
    comparison,
    conversion,
    core,
    dates,
    dicts,
    encoding,
    lettercase,
    lists,
    paths,
    regexes,
    text,
    urls,
    versions,
)

_NAME_LENGTH_MOST = 40  # of one that is looked for among the known ones

FUNCTIONS: dict[str, Function] = {
    **text.FUNCTIONS,
    **lettercase.FUNCTIONS,
    **lists.FUNCTIONS,
    **dicts.FUNCTIONS,
    **arithmetic.FUNCTIONS,
    **conversion.FUNCTIONS,
    **encoding.FUNCTIONS,
    **urls.FUNCTIONS,
    **regexes.FUNCTIONS,
    **dates.FUNCTIONS,
    **versions.FUNCTIONS,
    **paths.FUNCTIONS,
    **chance.FUNCTIONS,
    **comparison.FUNCTIONS,
    **core.FUNCTIONS,
}

# Sprig has them; a task file is somebody else's text, and must not read this machine or keep it busy.
_LEFT_OUT = {
    "env": "reads the environment of this machine",
    "expandenv": "reads the environment of this machine",
    "getHostByName": "asks the network",
    **dict.fromkeys(
        (
            "genPrivateKey",
            "genCA",
            "genSelfSignedCert",
            "genSignedCert",
            "buildCustomCert",
            "derivePassword",
            "encryptAES",
            "decryptAES",
            "htpasswd",
            "bcrypt",
        ),
        "makes keys or passwords",
    ),
}


def check_function(name: str) -> None:
    """Raise `Fault` where templates have no function of that name."""
    if name in FUNCTIONS:
        return
    if name in _LEFT_OUT:
        raise Fault(
            f"function {name!r} is left out, because it {_LEFT_OUT[name]}",
            hint="give the text as a value: --set NAME=TEXT",
        )
    near = difflib.get_close_matches(name[:_NAME_LENGTH_MOST], FUNCTIONS, n=1, cutoff=0.7)
    raise Fault(f"function {name!r} is not defined", hint=f"did you mean {near[0]!r}?" if near else None)
