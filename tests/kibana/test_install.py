"""What is installed in a Kibana (a stand-in), what is changed back, and what is left alone."""

import pytest
from tenacity import wait_none

from bpstream.errors import StartError
from bpstream.kibana.client import Kibana
from bpstream.kibana.ids import Ids
from bpstream.kibana.install import install
from bpstream.kibana.outcome import Outcome, Verdict
from bpstream.kibana.rules import (
    CRITICAL_RULE,
    DIASTOLIC_RULE,
    SPIKE_RULE,
    SYSTOLIC_RULE,
    connector,
    rules,
)
from bpstream.kibana.saved import ndjson
from bpstream.kibana.views import saved_objects
from tests.kibana.stand_in import StandIn
from tests.sinks.helpers import Answer

IDS = Ids("bp-anomalies")
SEARCH = "Cas Critiques - alertes BP"
LIST = "Liste des patients présentant des anomalies de pression artérielle"
EVERYTHING = [
    ("data view", "bp-anomalies"),
    ("search", SEARCH),
    ("search", LIST),
    ("dashboard", "Blood pressure anomalies"),
    ("dashboard", "Ward overview"),
    ("connector", "server-log-bp"),
    ("rule", SPIKE_RULE),
    ("rule", CRITICAL_RULE),
    ("rule", DIASTOLIC_RULE),
    ("rule", SYSTOLIC_RULE),
]
RULE_PATH = "/api/alerting/rule/"


async def installed(
    stand_in: StandIn, *, alias: str = "bp-anomalies", keep: bool = False, dry_run: bool = False
) -> list[Outcome]:
    async with Kibana(stand_in.url, attempts=3, pauses=wait_none()) as kibana:
        await kibana.check()
        return [each async for each in install(kibana, alias, keep=keep, dry_run=dry_run)]


def verdicts(outcomes: list[Outcome]) -> dict[str, Verdict]:
    return {each.name: each.verdict for each in outcomes}


def told(outcomes: list[Outcome]) -> dict[str, list[str]]:
    return {each.name: list(map(str, each.differences)) for each in outcomes if each.differences}


async def test_an_empty_kibana_gets_everything_with_its_ids_and_bodies():
    async with StandIn() as stand_in:
        outcomes = await installed(stand_in)
    assert [(each.kind, each.name) for each in outcomes] == EVERYTHING
    assert {each.verdict for each in outcomes} == {Verdict.CREATED}
    imported, *made = [each for each in stand_in.asked if each.changes]
    assert imported.line == "POST /api/saved_objects/_import?overwrite=true"
    assert imported.body == ndjson(saved_objects(IDS))
    wanted = [("/api/actions/connector/", connector(IDS))]
    wanted += [(RULE_PATH, rule) for rule in rules(IDS)]
    assert [(each.line, each.body) for each in made] == [
        (f"POST {folder}{each.id}", each.body) for folder, each in wanted
    ]
    assert all(each.headers["kbn-xsrf"] == "true" for each in stand_in.asked)


async def test_a_second_run_leaves_everything_and_asks_for_no_change():
    async with StandIn() as stand_in:
        await installed(stand_in)
        stand_in.asked.clear()
        outcomes = await installed(stand_in)
    assert [(each.kind, each.name) for each in outcomes] == EVERYTHING
    assert {each.verdict for each in outcomes} == {Verdict.LEFT}
    assert stand_in.changes == []


async def test_a_dry_run_tells_what_would_be_done_and_does_nothing():
    async with StandIn() as stand_in:
        outcomes = await installed(stand_in, dry_run=True)
        assert {each.verdict for each in outcomes} == {Verdict.CREATED}
        await installed(stand_in)
        stand_in.asked.clear()
        stand_in.held_as(SPIKE_RULE)["params"]["threshold"] = [50]
        outcomes = await installed(stand_in, dry_run=True)
        assert verdicts(outcomes)[SPIKE_RULE] is Verdict.CHANGED
        assert stand_in.held_as(SPIKE_RULE)["params"]["threshold"] == [50]
    assert stand_in.changes == []


async def change_some(stand_in: StandIn) -> None:
    """What a person may do in Kibana."""
    stand_in.held_as(SPIKE_RULE)["params"]["threshold"] = [50]
    stand_in.held_as(CRITICAL_RULE)["enabled"] = False
    stand_in.held_as(DIASTOLIC_RULE)["actions"].pop()
    stand_in.object_of(SEARCH)["columns"] = ["timestamp"]
    overview = stand_in.object_of("Ward overview")
    overview["panelsJSON"] = overview["panelsJSON"].replace('"h":7', '"h":9')


CHANGED = {SPIKE_RULE, CRITICAL_RULE, DIASTOLIC_RULE, SEARCH, "Ward overview"}


async def test_what_a_person_changed_is_told_and_changed_back():
    async with StandIn() as stand_in:
        await installed(stand_in)
        await change_some(stand_in)
        stand_in.asked.clear()
        outcomes = await installed(stand_in)
        found = {name for name, each in verdicts(outcomes).items() if each is Verdict.CHANGED}
        again = await installed(stand_in)
    assert found == CHANGED
    differing = told(outcomes)
    assert differing[SPIKE_RULE] == ["params.threshold[0]: 50 instead of 20"]
    assert differing[CRITICAL_RULE] == ["enabled: false instead of true"]
    assert differing[DIASTOLIC_RULE][0].startswith("actions: [{")
    assert differing[SEARCH][0].startswith('columns: ["timestamp"] instead of ["timestamp", "pat')
    assert differing["Ward overview"] == [
        f"panelsJSON[{panel}].gridData.h: 9 instead of 7" for panel in range(4)
    ]
    ids = {each.name: each.id for each in rules(IDS)}
    assert stand_in.changes == [
        "POST /api/saved_objects/_import?overwrite=true",
        f"PUT {RULE_PATH}{ids[SPIKE_RULE]}",
        f"POST {RULE_PATH}{ids[CRITICAL_RULE]}/_enable",
        f"PUT {RULE_PATH}{ids[DIASTOLIC_RULE]}",
    ]
    imported = [each.body for each in stand_in.asked if "_import" in each.path]
    assert len(imported[0].splitlines()) == 2
    assert {each.verdict for each in again} == {Verdict.LEFT}


async def test_what_a_person_changed_is_told_and_kept_where_it_is_to_be_kept():
    async with StandIn() as stand_in:
        await installed(stand_in)
        await change_some(stand_in)
        stand_in.asked.clear()
        outcomes = await installed(stand_in, keep=True)
    kept = {name for name, each in verdicts(outcomes).items() if each is Verdict.KEPT}
    assert kept == set(told(outcomes)) == CHANGED
    assert stand_in.changes == []


async def test_what_is_missing_is_made_also_where_changes_are_kept():
    async with StandIn() as stand_in:
        await installed(stand_in)
        stand_in.held.popitem()
        del stand_in.saved["search", IDS.of(f"search {SEARCH}")]
        outcomes = await installed(stand_in, keep=True)
    created = [name for name, each in verdicts(outcomes).items() if each is Verdict.CREATED]
    assert created == [SEARCH, SYSTOLIC_RULE]


async def test_what_kibana_adds_by_itself_is_no_change():
    async with StandIn() as stand_in:
        await installed(stand_in)
        stand_in.object_of("bp-anomalies")["fieldAttrs"] = '{"patient_id.keyword":{"count":3}}'
        stand_in.object_of(SEARCH)["tabs"] = [{"id": "1", "label": "Untitled"}]
        stand_in.held_as(SPIKE_RULE).update({"mute_all": True, "revision": 7})
        for saved in stand_in.saved.values():
            saved["updated_at"], saved["version"] = "2026-12-01T00:00:00.000Z", "WzksMV0="
            attributes = saved["attributes"]
            if "optionsJSON" in attributes:
                attributes["optionsJSON"] = attributes["optionsJSON"].replace(",", ", ")
            saved["references"].reverse()
        outcomes = await installed(stand_in)
    assert {each.verdict for each in outcomes} == {Verdict.LEFT}


async def test_a_field_that_a_person_renamed_in_the_data_view_is_a_change():
    async with StandIn() as stand_in:
        await installed(stand_in)
        renamed = '{"patient_id.keyword":{"count":3,"customLabel":"Patient"}}'
        stand_in.object_of("bp-anomalies")["fieldAttrs"] = renamed
        outcomes = await installed(stand_in)
    assert verdicts(outcomes)["bp-anomalies"] is Verdict.CHANGED


async def test_a_rule_of_another_type_under_our_id_is_told_and_not_touched():
    async with StandIn() as stand_in:
        await installed(stand_in)
        stand_in.held_as(SPIKE_RULE)["rule_type_id"] = ".es-query"
        stand_in.asked.clear()
        with pytest.raises(StartError, match="its rule_type_id cannot be changed; delete it there"):
            await installed(stand_in)
    assert stand_in.changes == []


async def test_a_rule_that_somebody_makes_meanwhile_is_as_good_as_ours():
    rule = rules(IDS)[0]
    async with StandIn() as stand_in:
        await installed(stand_in)
        stand_in.answers = [(f"GET {RULE_PATH}{rule.id}", Answer(404, {"statusCode": 404}))]
        outcomes = await installed(stand_in)
    assert verdicts(outcomes)[SPIKE_RULE] is Verdict.LEFT


async def test_a_rule_whose_answer_was_lost_is_made_once():
    async with StandIn() as stand_in:
        stand_in.answers = [(f"POST {RULE_PATH}", Answer(cut=True))]
        outcomes = await installed(stand_in)
        again = await installed(stand_in)
    assert verdicts(outcomes)[SPIKE_RULE] is Verdict.LEFT
    assert {each.verdict for each in again} == {Verdict.LEFT}
    assert len(stand_in.held) == 5


async def test_an_id_that_another_space_has_is_told():
    rule = rules(IDS)[0]
    conflict = Answer(409, {"statusCode": 409, "message": "conflict"})
    async with StandIn() as stand_in:
        stand_in.answers = [(f"POST {RULE_PATH}{rule.id}", conflict)]
        with pytest.raises(StartError, match=r"has the rule .* in another space"):
            await installed(stand_in)


async def test_an_import_that_is_refused_is_told_with_its_object_and_why():
    refused = {
        "success": False,
        "errors": [{"type": "dashboard", "id": "x", "error": {"type": "unsupported_type"}}],
    }
    async with StandIn() as stand_in:
        stand_in.answers = [("POST /api/saved_objects/_import", Answer(200, refused))]
        with pytest.raises(StartError, match=r"did not take dashboard x:.*unsupported_type"):
            await installed(stand_in)


async def test_an_import_under_another_id_is_told():
    moved = {
        "success": True,
        "successResults": [{"type": "search", "id": "x", "destinationId": "y"}],
    }
    async with StandIn() as stand_in:
        stand_in.answers = [("POST /api/saved_objects/_import", Answer(200, moved))]
        with pytest.raises(StartError, match="keeps search x as y"):
            await installed(stand_in)


async def test_a_space_has_objects_of_its_own_at_its_own_addresses():
    async with StandIn(prefix="/kibana/s/icu") as stand_in:
        outcomes = await installed(stand_in)
        again = await installed(stand_in)
    assert {each.verdict for each in outcomes} == {Verdict.CREATED}
    assert {each.verdict for each in again} == {Verdict.LEFT}
    assert {each.id for each in rules(Ids("bp-anomalies", "icu"))} <= {
        key.rpartition("/")[2] for key in stand_in.held
    }


async def test_two_aliases_live_beside_each_other():
    async with StandIn() as stand_in:
        await installed(stand_in)
        outcomes = await installed(stand_in, alias="bp-icu")
        again = await installed(stand_in)
    assert {each.verdict for each in outcomes} == {Verdict.CREATED}
    assert {each.verdict for each in again} == {Verdict.LEFT}
    assert len(stand_in.saved) == 2 * 5
