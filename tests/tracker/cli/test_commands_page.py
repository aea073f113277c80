"""docs/commands.md shows what the commands really print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.graph_samples import shop
from tests.tracker.cli.conftest import Tracker

PAGE = (Path(__file__).parents[3] / "docs/commands.md").read_text()
EXAMPLES = re.findall(r"^```console\n\$ tracker ([^\n]*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{3}Z)?")


@pytest.mark.parametrize(("words", "shown"), EXAMPLES, ids=[words for words, _ in EXAMPLES])
def test_an_example_is_what_the_command_prints(
    words: str, shown: str, tracker: Tracker, tmp_path: Path
) -> None:
    shop(tmp_path / "state").sql.close()

    answer = tracker(*words.split())

    assert answer.status == 0
    assert _MOMENT.sub("TIME", answer.out + answer.err) == _MOMENT.sub("TIME", shown)


def test_the_page_has_an_example_of_each_command_that_looks() -> None:
    shown = {words.split()[0] for words, _ in EXAMPLES}

    assert shown >= {"deps", "rdeps", "images", "stale", "why", "plan", "runs", "logs"}
