"""The docs against the code: each name a person may use is written down, and no other is told."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import fields
from types import SimpleNamespace

import pytest
import yaml

from bpstream.clinical import alarm_rules
from bpstream.clinical.conditions import MEASURES
from bpstream.patients import ROW
from bpstream.settings import Settings
from bpstream.stream.intake import RULE
from bpstream.stream.metrics import Metrics
from bpstream.stream.topics import changelog_of, ward_topic_of
from bpstream.web.guard import Guard
from bpstream.web.routes import Routes
from tests.docs.text import DOCS, FILES, ROOT, blocks, rows, spans

OPERATIONS, ALARMS = FILES["docs/operations.md"], FILES["docs/alarms.md"]
SECURITY = FILES["docs/security.md"]
FIRST_CELLS = {
    name: {span for row in rows(text) for span in spans(row[0])} for name, text in FILES.items()
}

# Settings.

SETTINGS = {f"BPSTREAM_{each.name.upper()}": each for each in fields(Settings)}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_in_the_table_of_settings(name):
    assert name in FIRST_CELLS["docs/operations.md"] or re.search(
        rf"^\| `BPSTREAM_\w+` \| \| or .*`{name}`", OPERATIONS, re.M
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_has_the_default_that_is_told(name):
    row = re.search(rf"^\| `{name}`(?: or .*)? \| (.*?) \|", OPERATIONS, re.M)
    if row is None or not row[1].startswith("`"):
        return
    default = {"BPSTREAM_ARCHIVE_DIR": "var/archive"}.get(name, SETTINGS[name].default)
    assert row[1].strip("`") == (f"{default:g}" if isinstance(default, float) else str(default))


def test_no_setting_is_told_that_does_not_exist():
    # A name with an underscore at its end stands for all that begin so.
    named = set(re.findall(r"\bBPSTREAM_[A-Z_]*[A-Z]\b(?!_)", DOCS))
    assert named - set(SETTINGS) == set()


def test_every_secret_is_named_as_one():
    secret = {name for name, each in SETTINGS.items() if each.metadata.get("secret")}
    paragraph = re.search(r"^## Secrets\n\n(.*?)\n\n", SECURITY, re.M | re.S)
    assert set(re.findall(r"BPSTREAM_\w+", paragraph[1])) == secret


# Topics.


def topics() -> set[str]:
    named = {each.default for name, each in SETTINGS.items() if name.endswith("TOPIC")}
    own = {changelog_of(Settings(app_id="APP_ID")), ward_topic_of(Settings(app_id="APP_ID"))}
    # Off unless it is named, and then by this name in the docs.
    return named - {""} | {"blood_pressure_enriched"} | own


@pytest.mark.parametrize("topic", sorted(topics()))
def test_every_topic_is_in_the_table_of_topics(topic):
    assert topic in FIRST_CELLS["docs/operations.md"]


def test_no_topic_is_told_that_does_not_exist():
    assert set(re.findall(r"\bblood_pressure_\w+", DOCS)) <= topics()
    told = {each for text in FILES.values() for each in spans(text) if each.startswith("APP_ID-")}
    groups = {"APP_ID-webhook", "APP_ID-alertmanager", "APP_ID-reconcile"}
    assert told == groups | {topic for topic in topics() if topic.startswith("APP_ID-")}


# Addresses.

GUARDED = SimpleNamespace(settings=SimpleNamespace(web_token="a-secret"))


def as_told(method: str, path: str) -> str:
    """An address as the table has it, without what may follow a question mark or a last slash."""
    return f"{method} {path.partition('?')[0].rstrip('/') or '/'}"


def addresses() -> set[str]:
    """Method and path of whatever is served for people and programs; an id is {id}."""
    found = set()
    for each in [*Routes(None).table(), *Guard(GUARDED).routes()]:
        if each.path == r"/patients/{rest:[\s\S]+}":
            found |= {f"GET /patients/{{id}}{part}" for part in ("", "/history", "/limits")}
        elif each.path == r"/patients/{rest:[\s\S]+/limits/?}":
            found.add("POST /patients/{id}/limits")
        elif not each.path.startswith(("/static", "/login.css")):
            found.add(as_told(each.method, each.path))
    return found


ADDRESSES = addresses()


def told_addresses(texts: Iterable[str]) -> set[str]:
    named = [re.match(r"(GET|POST) (/\S*)", each) for text in texts for each in spans(text)]
    return {as_told(*match.groups()) for match in named if match}


def test_every_address_is_in_the_table_of_addresses():
    # The form is told where it is shown.
    assert ADDRESSES - {"POST /login"} <= told_addresses([OPERATIONS])


def test_no_address_is_told_that_does_not_exist():
    assert told_addresses(FILES.values()) <= ADDRESSES


# Metrics.


def metrics() -> set[str]:
    """As Prometheus names what is not a part of another: histograms without _bucket."""
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in Metrics().registry.collect()
    }


@pytest.mark.parametrize("metric", sorted(metrics()))
def test_every_metric_is_in_the_table_of_metrics(metric):
    assert metric in FIRST_CELLS["docs/operations.md"]


def test_no_metric_is_told_that_does_not_exist():
    told = {each for text in FILES.values() for each in spans(text)}
    named = {name for each in told for name in re.findall(r"\b(?:bpstream|process)_[a-z_]+", each)}
    assert named <= metrics()


# Alerts: on bpstream itself, and on patients.


def test_every_alert_on_bpstream_itself_says_what_to_do():
    written = yaml.safe_load((ROOT / "dashboards" / "prometheus-rules.yml").read_text())
    alerts = {rule["alert"] for group in written["groups"] for rule in group["rules"]}
    told = {spans(row[0])[0]: row for row in rows(OPERATIONS) if row[0].startswith("`BPStream")}
    assert set(told) == alerts
    assert all(len(row) == 3 and len(row[2]) > 20 for row in told.values())


def test_every_shipped_alarm_rule_is_told_with_its_severity():
    told = {spans(row[0])[0]: row for row in rows(ALARMS) if len(row) == 4 and spans(row[0])}
    rules = {rule.name: rule for rule in alarm_rules.load()}
    assert set(told) == set(rules) | {RULE}
    for name, rule in rules.items():
        assert told[name][1] == rule.kind
        assert told[name][2].startswith(rule.severity.name.lower())


def test_every_key_and_measure_of_a_rule_is_told():
    cells = FIRST_CELLS["docs/alarms.md"]
    assert set(alarm_rules._RULE) | {"severe"} <= cells
    assert set(MEASURES) <= cells


def test_the_rule_that_is_shown_is_one(tmp_path):
    (shown,) = blocks(ALARMS, "toml")
    path = tmp_path / "rules.toml"
    path.write_text(shown)
    (rule,) = alarm_rules.load(path)
    assert rule.name == tomllib.loads(shown)["rule"][0]["name"]


def test_the_size_of_a_patients_row_is_the_one_that_is_told():
    assert f"{ROW.itemsize:,} bytes for each patient" in OPERATIONS
