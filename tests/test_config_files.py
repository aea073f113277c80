"""The files that operators load into Prometheus and Grafana use only what a scrape of the service has."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from rebuild.runs.table import Cause, Status
from tracker.metrics import CheckResult, Metrics, StateRead

ROOT = Path(__file__).parent.parent
ALERTS = [
    rule
    for group in yaml.safe_load((ROOT / "config/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((ROOT / "config/dashboard.json").read_text())
ADDED_BY_PROMETHEUS = {"up": {"job", "instance"}}
LABELS_OF_A_TARGET = {"job", "instance"}
WORDS = {
    "and",
    "or",
    "unless",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
    "offset",
}


def scraped() -> Mapping[str, Set[str]]:
    """Every series name of a scrape in which everything has happened once, with its labels."""
    metrics = Metrics()
    metrics.checked("docker.io", CheckResult.CHANGED, 0.1)
    metrics.run_finished(Cause.TIMER, Status.SUCCEEDED, 1.0)
    metrics.missed("docker.io")
    metrics.show(StateRead(budgets={"docker.io": (90, 100)}))
    series: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            series.setdefault(sample.name, set()).update(sample.labels)
    return {**series, **ADDED_BY_PROMETHEUS}


SERIES = scraped()


def metrics_in(expression: str) -> set[str]:
    """The series that an expression names: all but strings, labels, functions and words of the language."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
    bare = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    names = re.findall(r"(?<![\w.])([a-zA-Z_:][\w:]*)(?!\w)(?!\s*\()", bare)
    return set(names) - WORDS


def labels_in(expression: str) -> set[str]:
    """Every label that an expression matches or groups by."""
    matched = re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)", expression)
    grouped = re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", expression)
    return {*matched, *(label.strip() for group in grouped for label in group.split(","))}


def values_matched(expression: str, label: str) -> set[str]:
    patterns = re.findall(rf'\b{label}(?:=~|!~|!=|=)"([^"]*)"', expression)
    return {value for pattern in patterns for value in pattern.split("|")}


EXPRESSIONS = [
    *(pytest.param(rule["expr"], id=rule["alert"]) for rule in ALERTS),
    *(
        pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    ),
]


def headings(page: Path) -> set[str]:
    """The anchors that a page offers, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("expression", EXPRESSIONS)
class TestAnExpression:
    def test_names_series_that_a_scrape_has(self, expression: str) -> None:
        names = metrics_in(expression)

        assert names
        assert names - SERIES.keys() == set()

    def test_uses_labels_that_its_series_have(self, expression: str) -> None:
        known = set().union(*(SERIES[name] for name in metrics_in(expression)), LABELS_OF_A_TARGET)

        assert labels_in(expression) - known == set()

    def test_matches_values_that_the_service_gives(self, expression: str) -> None:
        text = Metrics().render().decode()
        results = {result.value for result in CheckResult} | set(re.findall(r'result="([^"]+)"', text))

        assert values_matched(expression, "result") - results == set()
        assert values_matched(expression, "status") - {status.value for status in Status} == set()


def test_a_name_that_no_scrape_has_would_be_noticed() -> None:
    assert metrics_in('sum by (a) (rate(x_total{b="up"}[5m])) > 3 unless y == 0 or absent(z)') == {
        "x_total",
        "y",
        "z",
    }


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule["alert"]) for rule in ALERTS])
class TestAnAlert:
    def test_says_how_bad_it_is(self, rule: dict[str, Any]) -> None:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}

    def test_says_what_is_wrong_and_what_that_means(self, rule: dict[str, Any]) -> None:
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")

    def test_leads_to_what_to_do_about_it(self, rule: dict[str, Any]) -> None:
        path, _, anchor = rule["annotations"]["runbook_url"].partition("#")

        assert anchor == rule["alert"].lower()
        assert anchor in headings(ROOT / path)

    def test_shows_only_labels_that_are_left(self, rule: dict[str, Any]) -> None:
        shown = re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values()))

        assert set(shown) <= labels_in(rule["expr"])


def test_every_alert_has_a_name_of_its_own() -> None:
    names = [rule["alert"] for rule in ALERTS]

    assert sorted(set(names)) == sorted(names)


def test_panels_have_numbers_of_their_own() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]

    assert numbers
    assert sorted(set(numbers)) == sorted(numbers)


def test_panels_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]

    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert [pair for pair in itertools.combinations(places, 2) if _overlap(*pair)] == []


def _overlap(a: dict[str, int], b: dict[str, int]) -> bool:
    beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
    above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    return not beside and not above


def test_panels_ask_the_data_source_that_the_reader_chooses() -> None:
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    sources = {
        thing["datasource"]["uid"] for panel in DASHBOARD["panels"] for thing in (panel, *panel["targets"])
    }

    assert sources == {"${datasource}"}
    assert {"datasource", "job"} <= variables


def test_freshness_is_on_top() -> None:
    first = min(DASHBOARD["panels"], key=lambda panel: (panel["gridPos"]["y"], panel["gridPos"]["x"]))

    assert metrics_in(first["targets"][0]["expr"]) == {"tracker_images_stale"}
