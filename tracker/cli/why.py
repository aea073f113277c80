"""`tracker why`: the whole story of one image, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import assert_never

import click

from graph.ancestry import Base, Image
from graph.clock import from_text, now
from graph.reference import ImageRef
from graph.staleness import Decision, Reason, Verdict
from graph.words import Origin, Via
from tracker.cli.habits import json_option
from tracker.cli.main import Place
from tracker.cli.runs import coloured_status
from tracker.cli.seen import seen
from tracker.cli.stale import evidence_line
from tracker.cli.table import paragraph, print_json
from tracker.reasons import verdict_colour, way_out, why_decided
from tracker.remote.service import ServerAsked, server_options
from tracker.views.runs import RunRow
from tracker.views.story import Poll, Story, story_json, story_view
from tracker.wording import ago, clock_text, counted, familiar, listed, printable, short_digest

_INSTRUCTIONS: Mapping[str, str] = {
    Via.FROM: "FROM",
    Via.COPY: "COPY --from",
    Via.MOUNT: "RUN --mount",
    Via.SYNTAX: "# syntax",
    Via.CMD: "cmd of a step",
}


@click.command()
@click.argument("image")
@json_option("Print the story as JSON.")
@server_options
@click.pass_obj
def why(place: Place, image: str, as_json: bool, server: ServerAsked) -> None:
    """Tell why IMAGE is, or is not, about to be rebuilt.

    Compares, for each base, what was recorded with what is there now; says when the registry was last
    asked, which task builds the image, how its last runs went, and what it waits for.
    """
    story, at = seen(place, server, "why", Story, story_view, image=image), now()
    if as_json:
        print_json(story_json(story, at))
        return
    for line in _tell(story, at):
        click.echo(line)


def _tell(story: Story, now: datetime) -> Iterator[str]:
    image, decision = story.image, story.decision
    yield click.style(familiar(image.reference), bold=True)
    yield paragraph(_headline(story, now), "  ")
    if hint := way_out(decision.reason):
        yield paragraph(f"hint: {hint}", "  ")
    if decision.waits_for:
        first = familiar(story.names.images[decision.waits_for[0]])
        yield paragraph(f"hint: see 'tracker why {first}'", "  ")
    yield ""
    yield from _origin(story, now)
    if image.bases:
        yield "It was built from:"
    for base in image.bases:
        yield f"  {familiar(base.reference)}"
        yield from (f"    {line}" for line in _base_lines(base, story, now))
    yield from _task_and_runs(story, now)


def _is_ours(image: Image) -> bool:
    return image.origin not in (Origin.EXTERNAL, Origin.SAID)


def _headline(story: Story, now: datetime) -> str:
    decision = story.decision
    reason = why_decided(decision, story.names.images, now)
    state = "stale" if decision.evidence else "not stale"
    match decision.verdict:
        case Verdict.KEEP if not _is_ours(story.image):
            return "not built here, so that nothing rebuilds it"
        case Verdict.KEEP if not story.image.bases:
            return f"{_word('fresh', decision)}: it stands on no other image"
        case Verdict.KEEP if story.left_behind:
            return f"{_word('left behind', decision)}: its task has run again and made another image since"
        case Verdict.KEEP:
            return f"{_word('fresh', decision)}: {reason} since it was built {ago(story.image.built_at, now)}"
        case Verdict.REBUILD:
            return f"{_word(state, decision)}, to be rebuilt now: {reason}"
        case Verdict.WAIT:
            return f"{_word(state, decision)}, waiting: {reason}"
        case Verdict.BLOCKED:
            return f"{_word(state, decision)}, blocked: {reason}"
    assert_never(decision.verdict)


def _word(word: str, decision: Decision) -> str:
    return click.style(word, fg=verdict_colour(decision.verdict), bold=True)


def _origin(story: Story, now: datetime) -> Iterator[str]:
    image = story.image
    digest = short_digest(image.digest)
    if not _is_ours(image):
        poll = story.polls.get(image.image_id, Poll())
        yield f"It points to {digest}, first seen there {ago(poll.changed_at, now)}."
        yield from (f"{line[0].upper()}{line[1:]}." for line in _poll_lines(poll, now))
    else:
        platforms = sorted({platform for base in image.bases for platform in base.recorded_platform_digests})
        where = f" for {listed(platforms)}" if platforms else ""
        by = f" by step {printable(image.step)}" if image.step else ""
        yield f"It was built {ago(image.built_at, now)}{by}{where} and is {digest}."
    if story.dependants:
        yield f"{counted(story.dependants, 'image stands', 'images stand')} on it directly."


def _base_lines(base: Base, story: Story, now: datetime) -> Iterator[str]:
    yield f"{base.role}, {_INSTRUCTIONS[base.via]} in line {base.line}"
    if ImageRef.parse(base.reference).digest is not None:
        yield "pinned by digest: never moves"
        yield from _tag_lines(base, now)
        return
    yield from _comparison(base, now)
    yield from _following_lines(base, now)
    for moved in story.decision.evidence:
        if moved.base_id == base.image.image_id:
            yield f"- {evidence_line(moved, story.names, now)}"
    if base.image.image_id in story.not_followed:
        yield "stands on this image itself: a change there rebuilds nothing, or it would never end"
    yield from _poll_lines(story.polls.get(base.image.image_id, Poll()), now)


def _tag_lines(base: Base, now: datetime) -> Iterator[str]:
    """What became of the tag beside the digest."""
    pinned = base.pinned_tag
    if pinned is None:
        return
    tag = familiar(pinned.reference)
    if pinned.digest is None:
        yield f"{tag} is to be asked about"
    elif pinned.same:
        yield f"{tag} still points there"
    else:
        yield f"{tag} now points to {short_digest(pinned.digest)}, {ago(pinned.since, now)}: nothing follows"


def _following_lines(base: Base, now: datetime) -> Iterator[str]:
    following = base.following
    if following is None:
        return
    yield f"the newest tag by {following.rule} when it was built; the file says {familiar(following.written)}"
    if following.newer is not None:
        asked = "" if following.newer_digest else ", to be asked about"
        yield f"newer by now: {familiar(following.newer)}, listed {ago(following.since, now)}{asked}"


def _comparison(base: Base, now: datetime) -> Iterator[str]:
    """What was recorded against what is there: by platform where that differs, else as a whole."""
    recorded, observed = short_digest(base.recorded_digest), short_digest(base.observed_digest)
    if base.observed_digest is None:
        yield f"{click.style('unknown', fg='yellow')}: was {recorded}, and no registry has been asked yet"
    elif base.recorded_digest == base.observed_digest:
        yield f"{click.style('same', fg='green')}: {recorded}, as recorded"
    elif base.fresh:
        same = listed(sorted(base.recorded_platform_digests))
        yield f"{click.style('same', fg='green')} for {same}, though the tag moved: {recorded} → {observed}"
    else:
        yield f"{click.style('moved', fg='red')} {ago(base.changed_at, now)}: {recorded} → {observed}"


def _poll_lines(poll: Poll, now: datetime) -> Iterator[str]:
    yield f"last asked {ago(poll.checked_at, now)}" + _next_poll(poll, now)
    if poll.error:
        yield f"{counted(poll.failures, 'poll')} failed since: {printable(poll.error)}"


def _next_poll(poll: Poll, now: datetime) -> str:
    if poll.due_at is None:
        return ""
    return ", due now" if from_text(poll.due_at) <= now else f", next {ago(poll.due_at, now)}"


def _task_and_runs(story: Story, now: datetime) -> Iterator[str]:
    if not _is_ours(story.image) and not story.task:
        return
    yield ""
    if story.task is not None:
        name, enabled = story.task
        yield f"Task {name} builds it." if enabled else f"Task {name} builds it, and is disabled."
    else:
        yield "No task builds it, so that nothing rebuilds it when a base moves."
        if story.decision.reason is not Reason.NO_TASK and not story.left_behind:
            yield f"hint: {way_out(Reason.NO_TASK)}"
    if story.runs:
        yield "Its last runs:"
    for run in story.runs:
        yield from _run_lines(run, now)


def _run_lines(run: RunRow, now: datetime) -> Iterator[str]:
    took = f", took {clock_text(run.duration_s(now))}" if run.status.finished and run.started_at else ""
    when = ago(run.started_at or run.created_at, now)
    cause = f"{run.cause} {listed(run.timers)}".rstrip()
    yield f"  {run.run_id}  {coloured_status(run.status)}  {cause}, {when}{took}"
    if run.error:
        yield f"    {printable(run.error)}"
