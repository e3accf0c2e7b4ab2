"""What is there for Kibana: the files, the original's names, and ids."""

import json
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner

from bpstream.commands import cli
from bpstream.kibana import files
from bpstream.kibana.ids import Ids
from bpstream.kibana.rules import Held, connector, rules
from bpstream.kibana.views import saved_objects
from tests.kibana.objects import form_of, panels_of

ROOT = Path(__file__).parents[2]
IDS = Ids("bp-anomalies")
OBJECTS = saved_objects(IDS)
DASHBOARDS = [each for each in OBJECTS if each["type"] == "dashboard"]
SEARCHES = [each for each in OBJECTS if each["type"] == "search"]
RULES = rules(IDS)
PANELS = [(each["attributes"]["title"], panel) for each in DASHBOARDS for panel in panels_of(each)]

ORIGINAL_VIEWS = [
    ("Répartition des types d'anomalies de pression artérielle", "bar"),
    ("Répartition des types d'anomalies de pression artérielle", "lnsPie"),
    ("Évolution temporelle des anomalies de pression artérielle", "line"),
    ("Distribution des scores de risque ML", "bar"),
    ("Évolution du risque ML au cours du temps", "line"),
    (
        "Évolution temporelle des différents types d'anomalies de pression artérielle",
        "area_stacked",
    ),
    ("Liste des patients présentant des anomalies de pression artérielle", "search"),
    ("Cas critiques récents de pression artérielle", "search"),
]

# The files.


@pytest.mark.parametrize("name", [files.SAVED_OBJECTS, files.RULES, "index-template.json"])
def test_the_files_in_dashboards_are_those_the_code_makes(tmp_path, name):
    done = CliRunner().invoke(cli, ["provision", "--into", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert (tmp_path / name).read_bytes() == (ROOT / "dashboards" / name).read_bytes()


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    done = CliRunner().invoke(cli, ["provision", "--into", str(tmp_path / "file" / "x")])
    assert done.exit_code == 1
    assert "cannot be written" in done.stderr


def test_the_files_hold_every_object_and_rule():
    contents = files.contents("bp-anomalies")
    lines = contents[files.SAVED_OBJECTS].splitlines()
    assert [json.loads(line) for line in lines] == OBJECTS
    held = json.loads(contents[files.RULES])
    assert Held(**held["connector"]) == connector(IDS)
    assert [Held(**each) for each in held["rules"]] == RULES


# Names and ids.


def test_the_original_views_are_there_by_their_titles_each_in_its_form():
    found = [
        (panel["title"], form_of(panel))
        for title, panel in PANELS
        if title == "Blood pressure anomalies"
    ]
    assert sorted(found) == sorted(ORIGINAL_VIEWS)


def test_the_original_searches_and_rules_are_there_by_their_names():
    assert "Cas Critiques - alertes BP" in {each["attributes"]["title"] for each in SEARCHES}
    assert [(each.name, each.body["rule_type_id"]) for each in RULES] == [
        ("Alerte - Pic anomalies BP", ".index-threshold"),
        ("Alerte BP — Cas critique (systolique + diastolique)", ".es-query"),
        ("Alerte BP — Hypertension diastolique", ".es-query"),
        ("Alerte — Hypertension systolique", ".es-query"),
    ]
    assert connector(IDS).body["connector_type_id"] == ".server-log"
    assert connector(IDS).name == "server-log-bp"


def test_the_original_tables_have_their_columns():
    columns = {each["attributes"]["title"]: each["attributes"]["columns"] for each in SEARCHES}
    assert columns["Liste des patients présentant des anomalies de pression artérielle"] == [
        "patient_id.keyword",
        "systolic_pressure",
        "diastolic_pressure",
        "anomaly_details",
        "ml_risk_score",
    ]
    assert columns["Cas Critiques - alertes BP"][0] == "timestamp"


def test_every_view_is_described():
    described = [each["attributes"]["description"] for each in (*DASHBOARDS, *SEARCHES)]
    described += [panel["embeddableConfig"]["description"] for _, panel in PANELS]
    assert all(len(each) > 20 and each.endswith(".") for each in described)


def test_ids_are_uuids_and_each_is_one_objects():
    ids = [each["id"] for each in OBJECTS] + [each.id for each in (connector(IDS), *RULES)]
    assert [str(UUID(each)) for each in ids] == ids
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("other", [Ids("bp-icu"), Ids("bp-anomalies", "icu")], ids=str)
def test_another_alias_or_space_shares_no_id(other):
    def ids_of(ids: Ids) -> set[str]:
        return {each["id"] for each in saved_objects(ids)} | {each.id for each in rules(ids)}

    assert not ids_of(other) & ids_of(IDS)


def test_everything_is_about_the_alias_that_is_asked_for():
    assert "bp-anomalies" not in "".join(files.contents("bp-icu").values())
    (view,) = (each for each in saved_objects(Ids("bp-icu")) if each["type"] == "index-pattern")
    assert view["attributes"]["title"] == "bp-icu"
    assert view["attributes"]["timeFieldName"] == "@timestamp"
