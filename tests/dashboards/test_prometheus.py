"""Grafana's dashboard and Prometheus' rules ask for metrics that the workers have."""

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from bpstream.stream.metrics import Metrics
from tests.dashboards.promql import asked

ROOT = Path(__file__).parents[2]
RULES_FILE = ROOT / "dashboards" / "prometheus-rules.yml"
RULES = [
    rule for group in yaml.safe_load(RULES_FILE.read_text())["groups"] for rule in group["rules"]
]
GRAFANA = json.loads((ROOT / "dashboards" / "grafana-bpstream.json").read_text())
PANELS: list[dict[str, Any]] = GRAFANA["panels"]
EXPRESSIONS = [(rule["alert"], rule["expr"]) for rule in RULES]
EXPRESSIONS += [(panel["title"], each["expr"]) for panel in PANELS for each in panel["targets"]]
TEMPLATED = re.compile(r"{{ *\$?(?:labels\.)?(\w+)")

# What Prometheus adds to whatever it scrapes.
SCRAPED = {"job", "instance"}


def known() -> tuple[dict[str, set[str]], dict[str, str]]:
    """The labels, and the description, of every series of a worker."""
    labels: dict[str, set[str]] = {"up": SCRAPED}
    described = {"up": ""}
    metrics = Metrics()
    declared = {
        getattr(each, "_name", None) or each.name: set(each._labelnames)
        for each in (*vars(metrics).values(), *metrics.model.collect())
        if hasattr(each, "_labelnames")
    }
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
    for family in metrics.registry.collect():
        for suffix in suffixes[family.type]:
            name = family.name + suffix
            bucket = {"le"} if suffix == "_bucket" else set()
            labels[name] = declared.get(family.name, set()) | bucket | SCRAPED
            described[name] = family.documentation
    return labels, described


LABELS, DESCRIBED = known()


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS, ids=str)
def test_an_expression_asks_for_metrics_and_labels_that_there_are(name, expression):
    found = asked(expression)
    assert found.metrics
    assert found.metrics <= set(LABELS)
    for metric, label, value in found.selected:
        assert label in LABELS[metric]
        # The values a label may have stand in the metric's description.
        assert label in SCRAPED or value in re.split(r"\W+", DESCRIBED[metric])
    assert found.grouped <= set().union(*(LABELS[metric] for metric in found.metrics))


@pytest.mark.parametrize(
    ("expression", "metrics", "selected", "grouped"),
    [
        ("sum by (le, a) (rate(m_bucket[5m]))", {"m_bucket"}, set(), {"le", "a"}),
        ('m{a="b"} unless m{a="b"} offset 10m', {"m"}, {("m", "a", "b")}, set()),
        ("(sum(n) or vector(0)) == 0 and on() max(m) == 1", {"m", "n"}, set(), set()),
    ],
)
def test_an_expression_is_read_as_prometheus_reads_it(expression, metrics, selected, grouped):
    assert asked(expression) == (metrics, selected, grouped)


# Prometheus.


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_think_of_it(rule):
    assert re.fullmatch(r"BPStream[A-Z]\w+", rule["alert"])
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert len(rule["annotations"]["summary"]) > 10
    there = set().union(*(LABELS[metric] for metric in asked(rule["expr"]).metrics))
    for told in rule["annotations"].values():
        assert set(TEMPLATED.findall(told)) <= there | {"value"}


def test_every_alert_fires_when_it_must_and_not_otherwise(promtool, tmp_path):
    cases = (Path(__file__).parent / "prometheus-rules-test.yml").read_text()
    tested = {
        each["alertname"]
        for test in yaml.safe_load(cases)["tests"]
        for each in test["alert_rule_test"]
        if each["exp_alerts"]
    }
    assert tested == {rule["alert"] for rule in RULES}
    path = tmp_path / "tests.yml"
    path.write_text(cases.replace("[RULES]", json.dumps([str(RULES_FILE)])))
    for command in (["check", "rules", str(RULES_FILE)], ["test", "rules", str(path)]):
        done = subprocess.run([promtool, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_configuration_of_the_docker_stack(promtool, tmp_path):
    written = (ROOT / "compose" / "prometheus.yml").read_text()
    (tmp_path / "web-token").write_text("a-secret")
    (tmp_path / "rules").mkdir()
    shutil.copy(RULES_FILE, tmp_path / "rules" / "bpstream.yml")
    path = tmp_path / "prometheus.yml"
    path.write_text(written.replace("/run/secrets/", f"{tmp_path}/"))
    done = subprocess.run(
        [promtool, "check", "config", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rules found" in done.stdout


# Grafana.


def test_prometheus_understands_what_the_panels_ask(promtool, tmp_path):
    asked_for = [each["expr"] for panel in PANELS for each in panel["targets"]]
    rules = [
        {"record": f"panel:{number}", "expr": each.replace("$__rate_interval", "1m")}
        for number, each in enumerate(asked_for)
    ]
    path = tmp_path / "panels.yml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    command = [promtool, "check", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_lie_on_the_grid_and_not_on_each_other():
    places = [panel["gridPos"] for panel in PANELS]
    assert all(0 <= each["x"] < each["x"] + each["w"] <= 24 for each in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or apart


def test_a_panel_is_known_by_its_id_and_described():
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert all(panel["title"] and panel["description"].endswith(".") for panel in PANELS)


def test_the_data_source_is_chosen_by_who_imports_the_dashboard():
    (variable,) = GRAFANA["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    wanted = {"type": "prometheus", "uid": f"${{{variable['name']}}}"}
    for panel in PANELS:
        assert panel["datasource"] == wanted
        assert all(each["datasource"] == wanted for each in panel["targets"])


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_legend_names_labels_that_its_series_have(panel):
    for target in panel["targets"]:
        found = asked(target["expr"])
        there = found.grouped or set().union(*(LABELS[metric] for metric in found.metrics))
        assert set(TEMPLATED.findall(target["legendFormat"])) <= there
