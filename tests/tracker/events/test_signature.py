"""Signatures and secrets: the right one is taken, no other is, and no text does harm."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuild.secrets.secret import Secret
from tracker.events.kind import Kind, may_use_address, signature_header
from tracker.events.sender import Sender, is_proven_before_body, is_proven_by_signature
from tracker.events.signature import (
    Algorithm,
    is_secret,
    is_signed,
    is_signed_as_named,
    is_signed_by_standard,
    is_token,
    token_of,
)

BODY = b'{"reference": "a:1"}'
OLD, NEW = Secret("old-secret"), Secret("neü-secret")
BOTH = (NEW, OLD)
KINDS = st.sampled_from(list(Kind))


def signed(secret: Secret, algorithm: str, body: bytes = BODY) -> str:
    return hmac.new(secret.reveal().encode(), body, algorithm).hexdigest()


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("secret", BOTH, ids=["new", "old"])
def test_a_signature_by_either_secret_counts(algorithm: Algorithm, secret: Secret) -> None:
    assert is_signed(signed(secret, algorithm), BODY, BOTH, algorithm)
    assert is_signed_as_named(f"{algorithm}={signed(secret, algorithm)}", BODY, BOTH)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_signature_of_another_body_or_by_another_secret_counts_not(algorithm: Algorithm) -> None:
    assert not is_signed(signed(NEW, algorithm), BODY + b" ", BOTH, algorithm)
    assert not is_signed(signed(Secret("third"), algorithm), BODY, BOTH, algorithm)
    assert not is_signed(signed(NEW, algorithm), BODY, (), algorithm)
    assert not is_signed(signed(NEW, algorithm)[:-1], BODY, BOTH, algorithm)


@pytest.mark.parametrize("claimed", ["", "=", "md5=0", "sha256", "sha256=", signed(NEW, "sha256")])
def test_a_signature_that_names_no_algorithm_of_ours_counts_not(claimed: str) -> None:
    assert not is_signed_as_named(claimed, BODY, BOTH)


def test_a_signature_known_from_elsewhere_is_reproduced() -> None:
    """The example in GitHub's documentation of webhooks."""
    secret = Secret("It's a Secret to Everybody")
    claimed = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    assert is_signed_as_named(claimed, b"Hello, World!", [secret])


STANDARD_BODY = b'{"test": 2432232314}'
STANDARD = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
STANDARD_SECRET = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


def test_the_example_of_standard_webhooks_is_reproduced() -> None:
    assert is_signed_by_standard(STANDARD, STANDARD_BODY, (OLD, STANDARD_SECRET))
    rotated = {**STANDARD, "webhook-signature": f"v1a,x v1,AAAA {STANDARD['webhook-signature']}"}
    assert is_signed_by_standard(rotated, STANDARD_BODY, [STANDARD_SECRET])


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": "1614265331"},
        {"webhook-signature": STANDARD["webhook-signature"].replace("v1,", "v2,")},
        {"webhook-signature": STANDARD["webhook-signature"].removeprefix("v1,")},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": ""},
    ],
    ids=str,
)
def test_a_standard_signature_of_something_else_counts_not(change: dict[str, str]) -> None:
    assert not is_signed_by_standard({**STANDARD, **change}, STANDARD_BODY, [STANDARD_SECRET])
    assert not is_signed_by_standard(STANDARD, STANDARD_BODY, BOTH)
    assert not is_signed_by_standard(STANDARD, STANDARD_BODY, [Secret("whsec_no base64")])


def test_an_address_is_of_one_sender_and_tells_nothing_of_its_secret() -> None:
    token = token_of(NEW, "hub")

    assert is_token(token, "hub", BOTH)
    assert not is_token(token, "quay", BOTH)
    assert not is_token("", "hub", BOTH)
    assert NEW.reveal() not in token


@pytest.mark.parametrize(
    "value",
    [
        NEW.reveal(),
        f"Bearer {NEW.reveal()}",
        "Basic " + base64.b64encode(f"tracker:{NEW.reveal()}".encode()).decode(),
    ],
)
def test_the_secret_may_stand_in_the_authorization_header(value: str) -> None:
    as_http_decodes_it = value.encode().decode("latin-1")
    sender = Sender("harbor", Kind.HARBOR, BOTH)

    assert is_proven_before_body(sender, {"authorization": as_http_decodes_it}, "") is True


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer wrong", "Basic", "Basic !", "Basic eA==", "Basic w6k="]
)
def test_another_authorization_header_proves_nothing(value: str) -> None:
    assert is_proven_before_body(Sender("harbor", Kind.HARBOR, BOTH), {"authorization": value}, "") is False


SIGNATURES: Mapping[Kind, str] = {
    Kind.GHCR: "sha256=" + signed(NEW, "sha256"),
    Kind.JFROG: signed(NEW, "sha256"),
    Kind.NEXUS: signed(NEW, "sha1"),
    Kind.GENERIC: "sha512=" + signed(NEW, "sha512"),
}


@pytest.mark.parametrize("kind", list(Kind))
def test_a_signature_is_of_the_form_that_its_sender_uses(kind: Kind) -> None:
    header, sender = signature_header(kind), Sender("it", kind, BOTH)

    assert (header is None) == (kind not in SIGNATURES)
    if header is not None:
        assert is_proven_by_signature(sender, {header: SIGNATURES[kind]}, BODY)
        assert not is_proven_by_signature(sender, {header: SIGNATURES[kind]}, BODY + b" ")


def test_artifactory_may_show_the_secret_instead_of_a_signature() -> None:
    sender = Sender("jfrog", Kind.JFROG, (OLD,))

    assert is_proven_by_signature(sender, {"x-jfrog-event-auth": OLD.reveal()}, BODY)


def test_github_may_not_choose_a_weaker_algorithm() -> None:
    sender = Sender("ghcr", Kind.GHCR, BOTH)

    assert not is_proven_by_signature(sender, {"x-hub-signature-256": "sha1=" + signed(NEW, "sha1")}, BODY)


@pytest.mark.parametrize("kind", list(Kind))
def test_only_who_can_send_no_header_may_use_an_address(kind: Kind) -> None:
    proven = is_proven_before_body(Sender("it", kind, BOTH), {}, token_of(OLD, "it"))

    assert proven is may_use_address(kind)


@pytest.mark.parametrize("kind", SIGNATURES, ids=str)
def test_a_wrong_signature_is_not_made_up_for_by_the_address(kind: Kind) -> None:
    header = signature_header(kind)
    assert header is not None

    assert is_proven_before_body(Sender("it", kind, BOTH), {header: "wrong"}, token_of(NEW, "it")) is None


def test_the_address_that_is_shown_opens_the_door() -> None:
    for address, secret in zip(Sender("hub", Kind.DOCKERHUB, BOTH).addresses, BOTH, strict=True):
        assert address == f"/events/hub/{token_of(secret, 'hub')}"
    assert list(Sender("harbor", Kind.HARBOR, BOTH).addresses) == ["/events/harbor"]
    assert list(Sender("hub", Kind.DOCKERHUB).addresses) == ["/events/hub"]


@given(st.text(max_size=80), st.binary(max_size=40), st.sampled_from(Algorithm))
def test_whatever_is_claimed_is_compared(claimed: str, body: bytes, algorithm: Algorithm) -> None:
    assert not is_signed(claimed, body, BOTH, algorithm)
    assert not is_signed_as_named(claimed, body, BOTH)
    assert not is_signed_by_standard({"webhook-signature": f"v1,{claimed}"}, body, BOTH)
    assert not is_secret(claimed, BOTH)
    assert not is_token(claimed, "hub", BOTH)


@given(KINDS, st.text(max_size=80), st.text(max_size=80), st.binary(max_size=40))
def test_whatever_a_sender_shows_proves_nothing(kind: Kind, value: str, token: str, body: bytes) -> None:
    sender = Sender("it", kind, BOTH)
    headers = {"authorization": value, signature_header(kind) or "x-none": value}

    assert is_proven_before_body(sender, {"authorization": value}, token) is False
    assert not is_proven_by_signature(sender, headers, body)


@given(st.text(min_size=1, max_size=40), st.binary(max_size=40))
def test_what_was_signed_is_known_again(text: str, body: bytes) -> None:
    claimed = hmac.new(text.encode(), body, hashlib.sha256).hexdigest()

    assert is_signed(claimed, body, [Secret(text)], Algorithm.SHA256)


def test_a_secret_of_any_bytes_may_come_from_the_environment() -> None:
    as_python_reads_it = b"k\xff".decode(errors="surrogateescape")
    claimed = hmac.new(b"k\xff", BODY, "sha256").hexdigest()

    assert is_signed(claimed, BODY, [Secret(as_python_reads_it)], Algorithm.SHA256)
