"""Amazon ECR: the image actions of EventBridge, from an API destination or a topic of SNS.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html
https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tracker.events.body import as_object, inner, needed, parse, text
from tracker.events.push import Push, pushes_of

_WHAT = "an event of EventBridge"
_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2,5}(?:-[a-z]{2,10}){1,3}-[0-9]{1,2}")
_CLOUD = "com.amazon.ecr.image.push"  # what the transformer of Argo CD Image Updater makes of it
_URL_MOST = 1000
_CONFIRMATIONS = ("SubscriptionConfirmation", "UnsubscribeConfirmation")  # of SNS
_ARN = re.compile(r"(?:urn|arn):aws[a-z-]*:ecr:(?P<region>[^:]*):(?P<account>[^:]*):.*")
_DOMAINS = {  # by the beginning of the region's name
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-isob-": "sc2s.sgov.gov",
    "us-iso-": "c2s.ic.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}


def read_ecr(body: Any, registry: str | None = None) -> Iterator[Push]:
    """The push of one event, as it is, transformed to a CloudEvent, or in a notification of SNS."""
    event = as_object(body, _WHAT)
    if text(event, "Type") in _CONFIRMATIONS:
        return
    if text(event, "Type") == "Notification":
        event = as_object(parse(text(event, "Message").encode()), _WHAT)
    if text(event, "type") == _CLOUD:
        yield from _read_cloud(event, registry)
    else:
        yield from _read_action(event, registry)


def confirmation_url(body: Any) -> str | None:
    """What a topic of SNS wants to be opened before it sends anything; None where it asks for nothing."""
    is_asked = text(body, "Type") == "SubscriptionConfirmation"
    return text(body, "SubscribeURL")[:_URL_MOST] or None if is_asked else None


def _read_action(event: dict[str, Any], registry: str | None) -> Iterator[Push]:
    detail = needed(event, "detail", _WHAT)
    if text(event, "detail-type") != "ECR Image Action":
        return
    if (detail.get("action-type"), detail.get("result")) != ("PUSH", "SUCCESS"):
        return
    host = registry or host_of(text(event, "account"), text(event, "region"))
    yield from pushes_of(
        host, detail.get("repository-name"), detail.get("image-tag"), detail.get("image-digest")
    )


def _read_cloud(event: dict[str, Any], registry: str | None) -> Iterator[Push]:
    told, source = inner(event, "data"), _ARN.fullmatch(text(event, "source"))
    host = registry or (host_of(source["account"], source["region"]) if source else None)
    yield from pushes_of(host, told.get("repositoryName"), told.get("imageTag"), told.get("imageDigest"))


def host_of(account: str, region: str) -> str | None:
    """The registry of an account in a region; events name it by these two only."""
    if not _ACCOUNT.fullmatch(account) or not _REGION.fullmatch(region):
        return None
    domains = (domain for begin, domain in _DOMAINS.items() if region.startswith(begin))
    return f"{account}.dkr.ecr.{region}.{next(domains, 'amazonaws.com')}"
