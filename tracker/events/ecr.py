"""Amazon ECR: the image actions that EventBridge sends to an API destination.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tracker.events.body import as_object, needed, text
from tracker.events.push import Push, pushes_of

_WHAT = "an event of EventBridge"
_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2,5}(?:-[a-z]{2,10}){1,3}-[0-9]{1,2}")
_DOMAINS = {  # by the beginning of the region's name
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-isob-": "sc2s.sgov.gov",
    "us-iso-": "c2s.ic.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}


def read_ecr(body: Any, registry: str | None = None) -> Iterator[Push]:
    event = as_object(body, _WHAT)
    detail = needed(event, "detail", _WHAT)
    if text(event, "detail-type") != "ECR Image Action":
        return
    if (detail.get("action-type"), detail.get("result")) != ("PUSH", "SUCCESS"):
        return
    host = registry or host_of(text(event, "account"), text(event, "region"))
    yield from pushes_of(
        host, detail.get("repository-name"), detail.get("image-tag"), detail.get("image-digest")
    )


def host_of(account: str, region: str) -> str | None:
    """The registry of an account in a region; events name it by these two only."""
    if not _ACCOUNT.fullmatch(account) or not _REGION.fullmatch(region):
        return None
    domains = (domain for begin, domain in _DOMAINS.items() if region.startswith(begin))
    return f"{account}.dkr.ecr.{region}.{next(domains, 'amazonaws.com')}"
