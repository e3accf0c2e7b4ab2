"""The schemas: what the pipeline makes is valid, what it never makes is not."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from bpstream import schema
from bpstream.alert import Alert
from bpstream.clinical.models.early_warning import Reason
from bpstream.commands import cli
from bpstream.document import (
    Comparators,
    Coordinates,
    Document,
    EarlyWarning,
    ModelName,
    Removal,
    tombstone,
)
from bpstream.schema import Json
from tests.fhir.messages import an_observation, at, component
from tests.pipeline.messages import Message, chunk
from tests.pipeline.owner import Owner
from tests.stream.helpers import an_alert
from tests.test_document import ALWAYS, SOMETIMES

ROOT = Path(__file__).parents[1]
SAMPLES = [
    *sorted((ROOT / "tests" / "samples").glob("*.json")),
    *sorted((ROOT.parent / "shared" / "fhir").glob("[dr]*.*json")),
]
ARRIVED = at("2026-11-24T00:00:00")
DOCUMENT = Draft202012Validator(schema.document())
TOMBSTONE = Draft202012Validator(schema.tombstone())
ALERT = Draft202012Validator(schema.alert())
WHOLE = ALWAYS | SOMETIMES
(REASON,) = SOMETIMES["early_warning_reasons"]


def faults(validator: Draft202012Validator, instance: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(instance)]


def made_of(*values: bytes) -> Owner:
    """What the pipeline makes of the messages, which arrived together."""
    owner = Owner()
    owner.take(chunk([Message(n, value, ARRIVED) for n, value in enumerate(values)]))
    return owner


def structs_in(found: Json) -> list[Json]:
    """Every object the schema describes, itself the first."""
    told = found["properties"].values()
    told = [*told, *(each["items"] for each in told if "items" in each)]
    inner = [each for each in told if each.get("type") == "object"]
    return [found, *(each for one in inner for each in structs_in(one))]


@pytest.mark.parametrize(
    "made",
    [schema.document(), schema.tombstone(), schema.alert()],
    ids=["document", "tombstone", "alert"],
)
def test_a_schema_is_one_names_itself_without_a_host_and_tells_of_every_field(made: Json) -> None:
    Draft202012Validator.check_schema(made)
    assert made["$id"].startswith("urn:bpstream:")
    for struct in structs_in(made):
        assert struct["additionalProperties"] is False
        for name, field in struct["properties"].items():
            assert len(field["description"]) > 5, name


def test_the_fields_are_those_of_the_structs() -> None:
    names = [list(each["properties"]) for each in structs_in(schema.document())]
    parts = [Document, Coordinates, ModelName, EarlyWarning, Comparators, Reason]
    assert names == [list(each.__struct_encode_fields__) for each in parts]
    assert list(schema.alert()["properties"]) == list(Alert.__struct_encode_fields__)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_documents_and_alerts_of_a_sample_are_valid(path: Path) -> None:
    owner = made_of(path.read_bytes())
    for entry in owner.entries:
        assert faults(DOCUMENT, json.loads(entry.body)) == []
    for alert in owner.alerts:
        assert faults(ALERT, json.loads(alert.encode())) == []


def test_the_documents_and_alerts_of_a_bad_day_are_valid() -> None:
    pressures = [(n, n - 40) for n in range(60, 290, 5)] + [(30, 10), (350, 250), (80, 120)]
    taken = [
        an_observation(
            systolic,
            diastolic,
            id=f"o{n}",
            effectiveDateTime=f"2026-11-23T23:59:{n:02d}Z",
        )
        for n, (systolic, diastolic) in enumerate(pressures)
    ]
    partial = an_observation(component=[component("8480-6", 200)], id="partial")
    owner = made_of(*(json.dumps(each).encode() for each in (*taken, partial)))
    documents = [json.loads(entry.body) for entry in owner.entries]
    alerts = [json.loads(alert.encode()) for alert in owner.alerts]
    assert [fault for each in documents for fault in faults(DOCUMENT, each)] == []
    assert [fault for each in alerts for fault in faults(ALERT, each)] == []
    assert len(documents) == len(taken) + 1
    assert {each["anomaly_type"] for each in documents} == {"hypertension", "hypotension", "normal"}
    assert {each["state"] for each in alerts} >= {"firing", "changed"}


def test_a_document_with_every_field_is_valid() -> None:
    assert faults(DOCUMENT, ALWAYS) == []
    assert faults(DOCUMENT, WHOLE) == []


def test_a_tombstone_is_valid_and_no_document() -> None:
    made = json.loads(tombstone(Removal("0" * 32, 3, "p", at("2026-11-24T00:00:00")), 0))
    assert faults(TOMBSTONE, made) == []
    assert faults(DOCUMENT, made)
    assert faults(TOMBSTONE, ALWAYS)


def test_an_alert_about_no_patient_is_valid() -> None:
    nothing = dict.fromkeys(("patient_id", "systolic", "diastolic", "mean", "measure", "limit"))
    alert = an_alert(rule="intake_paused", kind="technical", **nothing)
    assert faults(ALERT, json.loads(alert.encode())) == []


@pytest.mark.parametrize("name", ALWAYS)
def test_a_document_without_what_is_always_there_is_refused(name: str) -> None:
    assert faults(DOCUMENT, {key: value for key, value in WHOLE.items() if key != name})


@pytest.mark.parametrize("name", SOMETIMES)
def test_what_is_left_out_where_empty_is_never_null(name: str) -> None:
    assert faults(DOCUMENT, WHOLE | {name: None})


@pytest.mark.parametrize(
    "change",
    [
        {"systolic": 120},
        {"timestamp": "2026-01-29T21:32:51Z"},
        {"timestamp": "2026-01-29T21:32:51.619300+00:00"},
        {"patient_id": ""},
        {"patient_id": None},
        {"systolic_pressure": 29.9},
        {"systolic_pressure": 350.1},
        {"systolic_pressure": "120"},
        {"diastolic_pressure": 9.9},
        {"diastolic_pressure": 250.1},
        {"mean_arterial_pressure": 0},
        {"pulse_pressure": 341},
        {"anomaly_type": "Hypertension"},
        {"anomaly_details": ["hypertension"]},
        {"anomaly_details": ["hypertension_systolic"] * 2},
        {"ml_risk_score": 1.01},
        {"ml_prediction": 2},
        {"category": "crisis"},
        {"severity": None},
        {"kind": "mean"},
        {"series": "invasive"},
        {"flags": ["LATE"]},
        {"document_id": "0" * 31},
        {"document_id": "X" * 32},
        {"version": -1},
        {"version": 1.5},
        {"kafka": {"topic": "t", "partition": 0}},
        {"kafka": {"topic": "t", "partition": 0, "offset": 0, "key": ""}},
        {"model": {"name": "bp_logreg", "version": 1}},
        {"early_warning": {"hypotension": 0.1, "low_map": 0.2, "severe": 1.3}},
        {"early_warning_reasons": []},
        {"early_warning_reasons": ["systolic is rising"]},
        {"early_warning_reasons": [REASON | {"target": "sepsis"}]},
        {"early_warning_reasons": [REASON | {"feature": "shoe_size"}]},
        {"security_labels": []},
        {"period": ["2026-01-28"]},
    ],
    ids=str,
)
def test_a_document_that_is_not_as_told_is_refused(change: Json) -> None:
    assert faults(DOCUMENT, WHOLE | change)


@pytest.mark.parametrize(
    "change",
    [
        {"alert_id": "ff"},
        {"state": "pending"},
        {"severity": "none"},
        {"kind": "clinical"},
        {"measure": "pulse"},
        {"since": "2026-01-29"},
        {"systolic": 400},
        {"note": "x"},
        {"message": ""},
    ],
    ids=str,
)
def test_an_alert_that_is_not_as_told_is_refused(change: Json) -> None:
    assert faults(ALERT, json.loads(an_alert().encode()) | change)


@pytest.mark.parametrize("name", list(schema.alert()["properties"]))
def test_an_alert_has_every_field(name: str) -> None:
    alert = json.loads(an_alert().encode())
    assert faults(ALERT, {key: value for key, value in alert.items() if key != name})


@pytest.mark.parametrize("name", ["document", "tombstone", "alert", "asyncapi"])
def test_the_file_in_the_docs_is_what_the_command_prints(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for each in [each for each in os.environ if each.startswith("BPSTREAM_")]:
        monkeypatch.delenv(each)
    monkeypatch.chdir(tmp_path)  # where no demo has left its broker's address
    done = CliRunner().invoke(cli, ["schema", name])
    assert done.exit_code == 0
    written = (ROOT / "docs" / "schema" / f"{name}.json").read_text(encoding="utf-8")
    told = f"bpstream schema {name} > docs/schema/{name}.json"
    assert written == done.output, f"write it anew: {told}"
