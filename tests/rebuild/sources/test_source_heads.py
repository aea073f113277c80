"""What happened, told from what refs pointed to before and point to now."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rebuild.context.refs import RefKind
from rebuild.sources.event import Happening, Provider, PullRequest
from rebuild.sources.heads import Moved, event_of, kinds_wanted, moved
from rebuild.tasks.triggers import SourceFilters, SourceTrigger

A, B = "a" * 40, "b" * 40
URL = "https://git.example.com/team/shop.git"
ALL = frozenset(RefKind)


def test_a_branch_that_moved_came_from_somewhere() -> None:
    assert moved({"refs/heads/main": A}, {"refs/heads/main": B}, ALL) == [Moved("refs/heads/main", A, B)]


def test_a_branch_that_is_gone_points_nowhere() -> None:
    assert moved({"refs/heads/main": A}, {}, ALL) == [Moved("refs/heads/main", A, "")]


def test_what_is_seen_for_the_first_time_has_not_happened() -> None:
    now = {"refs/heads/main": A, "refs/tags/v1": A}

    assert moved({}, now, frozenset()) == []
    assert moved({"refs/heads/main": A}, now, frozenset({RefKind.BRANCHES})) == []


def test_branches_come_before_tags_and_tags_before_pull_requests() -> None:
    now = {"refs/pull/1/head": A, "refs/tags/v1": A, "refs/heads/z": A, "refs/heads/a": A}

    refs = [move.ref for move in moved({}, now, ALL)]

    assert refs == ["refs/heads/a", "refs/heads/z", "refs/tags/v1", "refs/pull/1/head"]


REFS = st.dictionaries(
    st.sampled_from(["refs/heads/a", "refs/heads/b", "refs/tags/v1", "refs/pull/1/head"]),
    st.sampled_from([A, B]),
)


@given(REFS, REFS)
def test_the_moves_lead_from_what_was_to_what_is(before: dict[str, str], now: dict[str, str]) -> None:
    heads = dict(before)

    for move in moved(before, now, ALL):
        assert heads.pop(move.ref, "") == move.old
        if move.new:
            heads[move.ref] = move.new

    assert heads == now


def test_an_event_is_as_a_webhook_would_have_told_it() -> None:
    event = event_of(Moved("refs/heads/feature/one", A, B), URL, default_branch="main")

    assert (event.provider, event.happening, event.ref) == (Provider.POLL, Happening.PUSH, "feature/one")
    assert (event.commit, event.old_commit, event.urls, event.paths) == (B, A, (URL,), None)
    assert (event.subject, event.deleted, event.default_branch) == ("heads/feature/one", False, "main")


def test_a_new_tag_and_one_that_is_gone_are_events_of_tags() -> None:
    made, gone = event_of(Moved("refs/tags/v1", "", A), URL), event_of(Moved("refs/tags/v1", A, ""), URL)

    assert (made.subject, made.old_commit, gone.deleted) == ("tags/v1", "", True)


def test_a_pull_request_is_told_by_its_number() -> None:
    pull = PullRequest(
        number=7, action="polled", head="fix", base="main", from_fork=True, refs=("refs/pull/7/head",)
    )

    event = event_of(Moved("refs/pull/7/head", "", A), URL, pull=pull)

    assert (event.happening, event.subject, event.ref) == (Happening.PULL_REQUEST, "pull/7", "fix")


def test_only_refs_that_somebody_looks_at_are_asked_for() -> None:
    commits = SourceTrigger()
    tags = SourceTrigger(commits=False, filters=SourceFilters(tags=("v*",)))
    pulls = SourceTrigger(commits=False, pull_requests=True)

    assert kinds_wanted([commits]) == {RefKind.BRANCHES}
    assert kinds_wanted([tags]) == {RefKind.TAGS}
    assert kinds_wanted([commits, pulls]) == {RefKind.BRANCHES, RefKind.PULLS}
