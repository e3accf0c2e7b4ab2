"""Whole files: every sample becomes the readings that are known to be right."""

import json
from pathlib import Path
from typing import Any

import pytest

from bpstream.reading import Ignored, Kind, Rejected, Retraction
from tests.fhir.messages import Row, at, fates, parse

OWN = Path(__file__).parents[1] / "samples"
SHARED = Path(__file__).parents[3] / "shared" / "fhir"
ARRIVED = at("2026-11-24T00:00:00")

_FATES = {
    "aggregate": "aggregate",
    "ignore": "ignored",
    "quarantine": "rejected",
    "retract": "retraction",
}


def _own() -> dict[str, Any]:
    return dict(json.loads((OWN / "expected.json").read_bytes()))


def _shared() -> dict[str, Any]:
    """The samples that may not be copied, where they are: told in the form of our own."""
    if not SHARED.is_dir():
        return {}
    known = json.loads((SHARED / "EXPECTED.json").read_bytes())
    return {name: _retold(name, row) for name, row in known.items()}


def _retold(name: str, row: dict[str, Any]) -> dict[str, Any]:
    readings = []
    for each in row["readings"]:
        patient = each["patient"].removeprefix("Patient/")
        if name.startswith("r33"):  # a Bundle with the Patient in it: the urn is resolved
            patient = patient.removeprefix("urn:uuid:")
        pressures = {"systolic": each["sbp"], "diastolic": each["dbp"], "mean": each.get("mbp")}
        readings.append({"patient": patient, "effective": each["effective"]} | pressures)
    return {"fate": _FATES.get(row["disposition"], "reading"), "readings": readings}


_SAMPLES = [(OWN / name, row) for name, row in _own().items()]
_SAMPLES += [(SHARED / name, row) for name, row in _shared().items()]


@pytest.mark.parametrize(
    ("path", "expected"), _SAMPLES, ids=[f"{path.parent.name}/{path.name}" for path, _ in _SAMPLES]
)
def test_a_sample_becomes_what_is_known_to_be_right(path: Path, expected: dict[str, Any]) -> None:
    found = [fate for _, fate in fates(parse(path.read_bytes(), arrived_at=ARRIVED))]
    readings = [fate for fate in found if isinstance(fate, Row)]
    for reading, wanted in zip(readings, expected["readings"], strict=True):
        assert reading.patient_id == wanted["patient"]
        assert reading.taken_at == at(wanted["effective"].rpartition("/")[2])
        assert reading.details.original_time == wanted["effective"]
        for name in ("systolic", "diastolic", "mean"):
            assert getattr(reading, name) == pytest.approx(wanted.get(name), abs=0.01)
        assert reading.flags == wanted.get("flags", reading.flags)
        assert (reading.kind is Kind.AGGREGATE) == (expected["fate"] == "aggregate")
    match expected["fate"]:
        case "rejected":
            (fate,) = found
            assert isinstance(fate, Rejected)
            assert fate.reason == expected.get("reason", fate.reason)
        case "retraction":
            assert [type(fate) for fate in found] == [Retraction]
        case "ignored":
            assert [type(fate) for fate in found] == [Ignored]
        case _:
            assert readings
            assert not [fate for fate in found if isinstance(fate, Rejected | Retraction)]


def test_every_sample_has_an_expectation() -> None:
    files = {path.name for path in OWN.iterdir()} - {"expected.json", "README.md"}
    assert files == set(_own())


def test_the_samples_keep_their_readings_in_one_chunk() -> None:
    expected = _own()
    parsed = parse(*[(OWN / name).read_bytes() for name in expected], arrived_at=ARRIVED)
    wanted = [each["patient"] for row in expected.values() for each in row["readings"]]
    assert parsed.readings.patient_id == wanted
