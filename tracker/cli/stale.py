"""`tracker stale`: the images whose bases have moved, and what becomes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

import click

from graph.clock import now
from graph.staleness import BaseMoved, Decision, Verdict
from tracker.cli.habits import json_option
from tracker.cli.main import Place
from tracker.cli.seen import seen
from tracker.cli.table import paragraph, print_json
from tracker.reasons import verdict_colour, way_out, why_decided
from tracker.remote.service import ServerAsked, server_options
from tracker.views.stale import StaleImages, stale_view
from tracker.views.verdicts import Names, decision_json
from tracker.wording import ago, counted, familiar, short_digest

_PHRASES = {Verdict.REBUILD: "to rebuild now", Verdict.WAIT: "waiting", Verdict.BLOCKED: "blocked"}


@click.command()
@json_option("Print the list as JSON.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if any image is stale, for scripts.")
@server_options
@click.pass_obj
def stale(place: Place, as_json: bool, exit_code: bool, server: ServerAsked) -> int:
    """List the images that stand on a base which has moved since, or of which there is a newer tag.

    For each: what is to become of it (rebuild, wait or blocked) and why, then for each base and platform
    the digest that was recorded and the one that is there now. At the end stand the images on bases that are
    pinned by digest and whose tags have moved: they are kept as their files say, and count as not stale.
    """
    view, at = seen(place, server, "stale", StaleImages, stale_view), now()
    if as_json:
        print_json([decision_json(decision, view.names, at) for decision in view.found])
    else:
        _print(view.found, view.names, at)
        _print_summary(view)
    return 1 if exit_code and view.stale else 0


def evidence_line(moved: BaseMoved, names: Names, now: datetime) -> str:
    """`debian:12 linux/amd64: 3f9a… → 91ab…, 2 hours ago`."""
    old = short_digest(names.digests[moved.recorded_id])
    new = short_digest(names.digests[moved.observed_id]) if moved.observed_id is not None else "gone"
    where = f" at {familiar(names.images[moved.seen_at_id])}" if moved.seen_at_id is not None else ""
    return f"{moved.platform}: {old} → {new}{where}, {ago(moved.since, now)}"


def _print(found: Sequence[Decision], names: Names, now: datetime) -> None:
    blocks = []
    for decision in found:
        blocks.append(click.style(familiar(names.images[decision.image_id]), bold=True))
        blocks += [paragraph(line, "  ") for line in _lines(decision, names, now)]
    if blocks:
        click.echo("\n".join(blocks))


def _lines(decision: Decision, names: Names, now: datetime) -> Iterator[str]:
    verdict = click.style(str(decision.verdict), fg=verdict_colour(decision.verdict), bold=True)
    yield f"{verdict}: {why_decided(decision, names.images, now)}"
    if hint := way_out(decision.reason):
        yield f"hint: {hint}"
    base_id = None
    for moved in decision.evidence:
        if moved.base_id != base_id:
            base_id = moved.base_id
            yield familiar(names.images[base_id])
        yield f"- {evidence_line(moved, names, now)}"


def _print_summary(view: StaleImages) -> None:
    found, following = view.stale, view.following
    pinned = len(view.found) - len(found)
    if pinned:
        behind = "image stands on a pinned base", "images stand on pinned bases"
        click.echo(f"\n{counted(pinned, *behind)} whose tag has moved: that rebuilds nothing")
    if not found:
        click.echo("no image is stale")
        return
    counts = Counter(decision.verdict for decision in found)
    parts = [f"{counts[verdict]} {phrase}" for verdict, phrase in _PHRASES.items() if counts[verdict]]
    click.echo(f"\n{counted(len(found), 'image is', 'images are')} stale: {', '.join(parts)}")
    if following:
        click.echo(f"{counted(following, 'more image follows', 'more images follow')}: see 'tracker plan'")
