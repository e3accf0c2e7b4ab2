"""Every panel and search, asked of a real Elasticsearch, shows what is known to be there."""

from typing import Any

import pytest
from elasticsearch import Elasticsearch

from bpstream.kibana.ids import Ids
from bpstream.kibana.rules import CRITICAL_RULE, DIASTOLIC_RULE, SYSTOLIC_RULE
from bpstream.kibana.views import saved_objects
from tests.kibana import ward
from tests.kibana.asked import Shown, Table, of_chart, of_search, of_vega
from tests.kibana.conftest import Fill
from tests.kibana.objects import form_of, lens_of, panels_of, vega_of
from tests.kibana.ward import HIGH_BOTH, LOW_BOTH

pytestmark = pytest.mark.services

HOURS = [f"2026-11-24T{hour}:00:00.000Z" for hour in (10, 11, 12, 13)]

CASES: Table = [
    ("2026-11-24T10:50:00.000Z", "p1", 185.0, 125.0, HIGH_BOTH, 1.0),
    ("2026-11-24T10:05:00.000Z", "p1", 150.0, 95.0, HIGH_BOTH, 0.97),
]
ANOMALIES: Table = [
    ("p1", 145.0, 85.0, "hypertension_systolic", 0.8),
    ("p3", 78.0, 50.0, LOW_BOTH, 0.2),
    ("p2", 130.0, 95.0, "hypertension_diastolic", 0.55),
    ("p3", 85.0, 55.0, LOW_BOTH, 0.3),
    ("p1", 185.0, 125.0, HIGH_BOTH, 1.0),
    ("p2", 150.0, 80.0, "hypertension_systolic", 0.91),
    ("p1", 150.0, 95.0, HIGH_BOTH, 0.97),
]
TYPES: Table = [("hypertension", 5), ("hypotension", 2)]


def by_hour(*values: Any) -> Table:
    """A row for each hour: its values, or its one."""
    rows = [each if isinstance(each, tuple) else (each,) for each in values]
    return [(hour, *row) for hour, row in zip(HOURS, rows, strict=True)]


def in_hours(*groups: list[tuple[Any, ...]]) -> Table:
    """The rows of each hour, the hour before each."""
    return [(hour, *row) for hour, rows in zip(HOURS, groups, strict=True) for row in rows]


def rules_met(critical: int, diastolic: int, systolic: int) -> list[tuple[Any, ...]]:
    return [(CRITICAL_RULE, critical), (DIASTOLIC_RULE, diastolic), (SYSTOLIC_RULE, systolic)]


ANSWERS: dict[tuple[str, str], Table] = {
    ("Répartition des types d'anomalies de pression artérielle", "bar"): TYPES,
    ("Répartition des types d'anomalies de pression artérielle", "lnsPie"): TYPES,
    ("Évolution temporelle des anomalies de pression artérielle", "line"): by_hour(3, 1, 2, 1),
    (
        "Évolution temporelle des différents types d'anomalies de pression artérielle",
        "area_stacked",
    ): in_hours(
        [("hypertension", 3)],
        [("hypotension", 1)],
        [("hypertension", 1), ("hypotension", 1)],
        [("hypertension", 1)],
    ),
    # A score on a bound is in the tenth that begins there, and 1.0 in the last.
    ("Distribution des scores de risque ML", "bar"): [
        (tenth / 10, {2: 1, 3: 1, 5: 1, 8: 1, 9: 3}.get(tenth, 0)) for tenth in range(10)
    ],
    ("Évolution du risque ML au cours du temps", "line"): by_hour(0.96, 0.3, 0.375, 0.8),
    (
        "Liste des patients présentant des anomalies de pression artérielle",
        "search",
    ): ANOMALIES,
    ("Cas critiques récents de pression artérielle", "search"): CASES,
    ("Anomalous readings", "lnsMetric"): [(7,)],
    ("Patients with anomalies", "lnsMetric"): [(3,)],
    ("Critical readings", "lnsMetric"): [(2,)],
    ("Highest risk score", "lnsMetric"): [(1.0,)],
    ("Readings by severity", "bar_stacked"): in_hours(
        [("critical", 1), ("high", 1), ("medium", 1)],
        [("high", 1)],
        [("none", 3), ("critical", 1), ("medium", 1)],
        [("medium", 1)],
    ),
    ("Alerts: readings that meet a rule", "bar"): in_hours(
        rules_met(2, 2, 3), rules_met(0, 0, 0), rules_met(0, 1, 0), rules_met(0, 0, 1)
    ),
    ("Early warning over time", "line"): by_hour(
        (0.05, round(0.4 / 3, 9), 0.8), (0.8, 0.7, 0.0), (0.55, 0.5, 0.1), (None, None, None)
    ),
    ("Early warning by patient", "lnsDatatable"): [
        ("p3", 0.9, 0.8, 0.0),
        ("p4", 0.2, 0.2, 0.2),
        ("p1", 0.1, 0.2, 1.0),
        ("p2", 0.05, 0.1, 0.5),
    ],
    ("Patients", "lnsDatatable"): [
        ("p1", 4, 1, 185.0, 145.0, 125.0, 1.0, "2026-11-24T13:15:00.000Z"),
        ("p2", 2, 0, 150.0, 130.0, 95.0, 0.91, "2026-11-24T12:00:00.000Z"),
        ("p3", 2, 1, 85.0, 78.0, 55.0, 0.3, "2026-11-24T12:30:00.000Z"),
        ("p4", 1, 0, 120.0, 120.0, 80.0, 0.05, "2026-11-24T12:40:00.000Z"),
        ("p5", 1, 0, 145.0, 145.0, 95.0, None, "2026-11-24T12:50:00.000Z"),
    ],
    ("Latency: reading to index", "vega"): [
        (round(ward.at(f"{hour}:00:00").timestamp() * 1000), which, seconds)
        for hour, seconds in ((10, 4.0), (11, 2.0), (12, 1.4), (13, 3600.0))
        for which in ("all", "not late")
        if (hour, which) != (13, "not late")
    ],
}


@pytest.fixture(scope="module")
def shown(client: Elasticsearch, filled: Fill) -> Shown:
    return Shown(client, filled(ward.entries()), ward.START, ward.END, ward.INTERVAL)


def everything(alias: str = "bp") -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in saved_objects(Ids(alias))}


def panels(alias: str = "bp") -> dict[tuple[str, str], tuple[dict[str, Any], dict[str, Any]]]:
    """Every panel, and the object it refers to if it is a search, by title and form."""
    found = {}
    for dashboard in everything(alias).values():
        references = {each["name"]: each["id"] for each in dashboard["references"]}
        for panel in panels_of(dashboard):
            name = f"{panel['panelIndex']}:{panel.get('panelRefName')}"
            referred = everything(alias).get(references.get(name, ""), {})
            found[panel["title"], form_of(panel)] = panel, referred
    return found


def test_every_panel_has_a_known_answer():
    assert set(panels()) == set(ANSWERS)


@pytest.mark.parametrize("which", ANSWERS, ids=" / ".join)
def test_a_panel_shows_what_is_known_to_be_there(shown, which):
    panel, referred = panels(shown.index)[which]
    match panel["type"]:
        case "lens":
            found = of_chart(lens_of(panel), shown)
        case "visualization":
            found = of_vega(vega_of(panel), shown)
        case _:
            found = of_search(referred, shown)
    assert found == ANSWERS[which]


@pytest.mark.parametrize(
    ("title", "rows"),
    [
        ("Cas Critiques - alertes BP", CASES),
        ("Liste des patients présentant des anomalies de pression artérielle", ANOMALIES),
    ],
)
def test_a_saved_search_finds_what_is_known_to_be_there(shown, title, rows):
    (saved,) = (
        each
        for each in everything(shown.index).values()
        if each["type"] == "search" and each["attributes"]["title"] == title
    )
    assert of_search(saved, shown) == rows


def test_the_data_view_finds_every_field_the_objects_use(shown):
    (view,) = (each for each in everything(shown.index).values() if each["type"] == "index-pattern")
    pattern = view["attributes"]["title"]
    known = shown.client.field_caps(index=pattern, fields="*")["fields"]
    assert view["attributes"]["timeFieldName"] in known
    assert {"patient_id.keyword", "anomaly_type.keyword", "early_warning.severe"} <= set(known)
