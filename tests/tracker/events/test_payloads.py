"""Every kind of sender: what its documents show is understood, the rest passed over, and no body harms."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tracker.events.payloads import NEW, SAMPLES, Sample, pushed, sample_of, title
from tracker.events.azure import validation_code
from tracker.events.body import EVENTS_MOST
from tracker.events.ecr import confirmation_url, host_of
from tracker.events.kind import Kind
from tracker.events.push import BadEvent, Push
from tracker.events.reading import read_pushes
from tracker.events.sender import Naming, RepositoryIn, Sender

TEXT = st.text(st.characters(), max_size=8)  # halves of surrogate pairs, too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
KINDS = st.sampled_from(list(Kind))
HEADERS = st.dictionaries(st.sampled_from(["x-github-event", "x-nexus-webhook-id"]), st.text(max_size=30))


def read(sample: Sample, body: bytes | None = None, naming: Naming | None = None) -> tuple[Push, ...]:
    sender = Sender("it", sample.kind, naming=naming or sample.naming)
    return read_pushes(sender, sample.body if body is None else body, sample.headers)


def test_there_is_a_sample_of_every_kind() -> None:
    assert {sample.kind for sample in SAMPLES} == set(Kind)


@pytest.mark.parametrize("sample", SAMPLES, ids=title)
class TestEveryKind:
    def test_is_understood_as_documented(self, sample: Sample) -> None:
        assert read(sample) == sample.says

    def test_is_refused_when_cut_off(self, sample: Sample) -> None:
        with pytest.raises(BadEvent, match="not JSON"):
            read(sample, sample.body[:-2])

    @pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[" * 100_000, b"9" * 5000], ids=len)
    def test_is_refused_when_it_is_no_json(self, sample: Sample, body: bytes) -> None:
        with pytest.raises(BadEvent, match="not JSON"):
            read(sample, body)

    @pytest.mark.parametrize("body", [b"[]", b"{}", b"null", b"3", b'"x"'], ids=bytes.decode)
    def test_tells_of_nothing_when_it_is_of_another_kind(self, sample: Sample, body: bytes) -> None:
        try:
            assert read(sample, body) == ()
        except BadEvent as refused:
            assert refused.message


@pytest.mark.parametrize(
    "sample", [sample for sample in SAMPLES if sample.kind is not Kind.GENERIC], ids=title
)
def test_a_registry_is_called_what_the_settings_say(sample: Sample) -> None:
    pushes = read(sample, naming=Naming("other.example.com"))

    assert {push.host for push in pushes} == {"other.example.com"}


def test_a_reference_that_names_no_registry_is_of_the_one_in_the_settings() -> None:
    sample = Sample(Kind.GENERIC, {"reference": "team/app:v1"}, ())

    assert read(sample) == pushed("docker.io", "team/app", "v1", told=False)
    assert read(sample, naming=Naming("r.io")) == pushed("r.io", "team/app", "v1", told=False)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        (Kind.HARBOR, ("type",), "DELETE_ARTIFACT"),
        (Kind.HARBOR, ("event_data", "resources"), [{"tag": str(NEW), "digest": str(NEW)}, 3]),
        (Kind.HARBOR, ("event_data", "resources", 0, "resource_url"), ""),
        (Kind.QUAY, ("updated_tags",), None),
        (Kind.QUAY, ("updated_tags",), [3, "", "../x"]),
        (Kind.GHCR, ("action",), "deleted"),
        (Kind.GHCR, ("package", "package_type"), "npm"),
        (Kind.GHCR, ("package", "package_version", "container_metadata", "tag", "name"), ""),
        (Kind.GHCR, ("package", "package_version", "container_metadata"), None),
        (Kind.ACR, ("action",), "delete"),
        (Kind.ACR, ("action",), "ping"),
        (Kind.ACR, ("target", "tag"), None),
        (Kind.EVENTGRID, (0, "eventType"), "Microsoft.ContainerRegistry.ImageDeleted"),
        (Kind.ECR, ("detail-type",), "ECR Image Scan"),
        (Kind.ECR, ("detail", "action-type"), "DELETE"),
        (Kind.ECR, ("detail", "result"), "FAILURE"),
        (Kind.ECR, ("detail", "image-tag"), None),
        (Kind.ECR, ("account",), "evil.example/"),
        (Kind.ECR, ("region",), "../../x"),
        (Kind.ECR, ("Type",), "SubscriptionConfirmation"),
        (Kind.ECR, ("Type",), "UnsubscribeConfirmation"),
        (Kind.JFROG, ("domain",), "artifact"),
        (Kind.JFROG, ("event_type",), "deleted"),
        (Kind.JFROG, ("jpd_origin",), "http://["),
        (Kind.NEXUS, ("action",), "DELETED"),
        (Kind.NEXUS, ("component", "format"), "npm"),
        (Kind.NEXUS, ("component", "version"), None),
        (Kind.DOCKERHUB, ("push_data", "tag"), None),
        (Kind.DOCKERHUB, ("repository", "repo_name"), "Team/App"),
        (Kind.GENERIC, ("reference",), f"registry.example.com/app@{NEW}"),
    ],
)
def test_what_moves_no_tag_is_passed_over(kind: Kind, path: tuple[str | int, ...], value: Any) -> None:
    sample = sample_of(kind)

    assert read(sample, sample.changed(*path, to=value)) == ()


@pytest.mark.parametrize(
    ("kind", "value", "rule"),
    [
        (Kind.DOCKERHUB, {"push_data": {"tag": "1"}}, 'no object "repository"'),
        (Kind.HARBOR, {"hello": 1}, 'no "type"'),
        (Kind.HARBOR, {"type": "PUSH_ARTIFACT"}, 'no object "event_data"'),
        (Kind.QUAY, {"updated_tags": ["1"]}, 'no "repository"'),
        (Kind.GHCR, {"action": "published"}, 'no object "package"'),
        (Kind.ACR, {"events": []}, 'no "action"'),
        (Kind.EVENTGRID, [{"id": 1}], "no event in it has a type"),
        (Kind.ECR, {"source": "aws.ecr"}, 'no object "detail"'),
        (Kind.ECR, {"Type": "Notification", "Message": "hello"}, "not JSON"),
        (Kind.ECR, {"Type": "Notification", "Message": "[]"}, "no JSON object"),
        (Kind.JFROG, {"event_type": "pushed"}, 'no "domain"'),
        (Kind.NEXUS, {"action": "CREATED"}, 'no "repositoryName"'),
        (Kind.GENERIC, {"image": "a"}, 'entry 1: it is no object with a text "reference"'),
        (Kind.GENERIC, [{"reference": "a:1"}, {"reference": "A B"}], "entry 2: .* contains white space"),
        (Kind.GENERIC, {"reference": "a:1", "digest": "sha256:1"}, "entry 1: digest"),
        (Kind.GENERIC, [{"reference": "a:1"}] * (EVENTS_MOST + 1), "over the limit"),
    ],
)
def test_a_body_of_another_sender_is_refused_with_the_rule(kind: Kind, value: Any, rule: str) -> None:
    with pytest.raises(BadEvent, match=rule):
        read_pushes(Sender("it", kind), json.dumps(value).encode(), {})


def test_a_ping_of_github_is_no_push() -> None:
    sender = Sender("ghcr", Kind.GHCR)

    assert read_pushes(sender, b'{"zen": "Design for failure."}', {"x-github-event": "ping"}) == ()


def test_a_webhook_of_github_may_come_as_a_form() -> None:
    sample = sample_of(Kind.GHCR)

    assert read(sample, b"payload=" + quote_plus(sample.body.decode()).encode()) == sample.says


def test_a_byte_order_mark_before_the_body_is_passed_over() -> None:
    sample = sample_of(Kind.ACR)

    assert read(sample, b"\xef\xbb\xbf" + sample.body) == sample.says


def test_an_official_image_of_docker_hub_is_found_in_library() -> None:
    hub = sample_of(Kind.DOCKERHUB)

    assert read(hub, hub.changed("repository", "repo_name", to="alpine")) == pushed(
        "docker.io", "library/alpine", "v1", told=False
    )


def test_the_cache_of_a_remote_repository_is_known_by_the_name_it_is_pulled_by() -> None:
    jfrog = sample_of(Kind.JFROG)

    names = [push.repository for push in read(jfrog, jfrog.changed("data", "repo_key", to="hub-cache"))]

    assert names == ["hub-cache/team/app", "hub/team/app"]


@pytest.mark.parametrize(
    ("naming", "name"),
    [
        (Naming(repository_in=RepositoryIn.SUBDOMAIN), ("docker-local.shop.jfrog.io", "team/app")),
        (Naming("docker.example.com", None, RepositoryIn.NOWHERE), ("docker.example.com", "team/app")),
        (Naming(repository="docker"), ("shop.jfrog.io", "docker/team/app")),
    ],
)
def test_a_repository_shows_where_the_settings_say(naming: Naming, name: tuple[str, str]) -> None:
    (push,) = read(sample_of(Kind.JFROG), naming=naming)

    assert (push.host, push.repository) == name


@pytest.mark.parametrize(
    ("region", "domain"),
    [
        ("eu-central-1", "amazonaws.com"),
        ("us-gov-west-1", "amazonaws.com"),
        ("cn-north-1", "amazonaws.com.cn"),
        ("cn-northwest-1", "amazonaws.com.cn"),
        ("us-iso-east-1", "c2s.ic.gov"),
        ("us-isob-east-1", "sc2s.sgov.gov"),
        ("eusc-de-east-1", "amazonaws.eu"),
    ],
)
def test_the_registry_of_amazon_is_told_by_account_and_region(region: str, domain: str) -> None:
    assert host_of("123456789012", region) == f"123456789012.dkr.ecr.{region}.{domain}"


@pytest.mark.parametrize(
    ("body", "url"),
    [
        (
            {"Type": "SubscriptionConfirmation", "SubscribeURL": "https://sns.example/?Token=1"},
            "https://sns.example/?Token=1",
        ),
        ({"Type": "SubscriptionConfirmation"}, None),
        ({"Type": "Notification", "SubscribeURL": "https://sns.example/"}, None),
        ([], None),
    ],
    ids=str,
)
def test_a_topic_that_waits_to_be_confirmed_names_an_address(body: Any, url: str | None) -> None:
    assert confirmation_url(body) == url


def test_event_grid_is_told_the_code_that_it_asks_for() -> None:
    event = {
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": "512d"},
    }

    assert validation_code([event]) == "512d"
    assert validation_code(sample_of(Kind.EVENTGRID).value) is None


def test_a_body_that_names_a_tag_twice_tells_of_it_once() -> None:
    quay = sample_of(Kind.QUAY)

    assert len(read(quay, quay.changed("updated_tags", to=["v1"] * 50))) == 1


@given(KINDS, st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()), HEADERS)
def test_whatever_is_sent_is_read_or_refused(kind: Kind, body: bytes, headers: dict[str, str]) -> None:
    try:
        read_pushes(Sender("it", kind), body, headers)
    except BadEvent as refused:
        assert refused.message


@st.composite
def damaged(draw: st.DrawFn) -> tuple[Sample, bytes]:
    """A sample in which some values, anywhere, are something else."""
    sample = draw(st.sampled_from(SAMPLES))

    def damage(value: Any) -> Any:
        if draw(st.integers(0, 9)) == 0:
            return draw(JSON)
        if isinstance(value, dict):
            return {key: damage(inner) for key, inner in value.items() if draw(st.integers(0, 19))}
        return [damage(inner) for inner in value] if isinstance(value, list) else value

    return sample, json.dumps(damage(sample.value)).encode()


@given(damaged())
def test_a_damaged_body_gives_names_that_are_valid_or_is_refused(case: tuple[Sample, bytes]) -> None:
    sample, body = case
    try:
        pushes = read(sample, body)
    except BadEvent as refused:
        assert refused.message
    else:
        assert all(str(name).encode() and name.tag == push.tag for push in pushes for name in push.names())


@given(damaged())
def test_a_damaged_validation_is_answered_or_refused(case: tuple[Sample, bytes]) -> None:
    try:
        assert validation_code(json.loads(case[1])) is None
    except BadEvent as refused:
        assert refused.message
