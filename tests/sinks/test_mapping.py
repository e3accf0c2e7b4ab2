"""The mapping knows the document's fields, all of them and no other."""

import json
from pathlib import Path

import msgspec
import pytest

from bpstream.clinical.models.early_warning import Reason
from bpstream.document import (
    Comparators,
    Coordinates,
    Document,
    EarlyWarning,
    ModelName,
)
from bpstream.sinks.mapping import PROPERTIES, index_template


def _names(struct: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(struct)}


def test_the_mapping_has_the_fields_of_a_document():
    assert set(PROPERTIES) == _names(Document)


@pytest.mark.parametrize(
    ("name", "struct"),
    [
        ("kafka", Coordinates),
        ("model", ModelName),
        ("early_warning", EarlyWarning),
        ("early_warning_reasons", Reason),
        ("comparators", Comparators),
    ],
)
def test_the_mapping_has_the_fields_of_an_object(name: str, struct: type[msgspec.Struct]):
    assert set(PROPERTIES[name]["properties"]) == _names(struct)


@pytest.mark.parametrize("name", ["timestamp", "@timestamp", "ingested_at"])
def test_a_time_of_ours_is_a_date(name: str):
    assert PROPERTIES[name] == {"type": "date"}


@pytest.mark.parametrize("name", ["patient_id", "anomaly_type", "anomaly_details"])
def test_the_views_of_the_original_find_their_sub_field(name: str):
    assert PROPERTIES[name]["fields"]["keyword"]["type"] == "keyword"


def test_the_template_that_is_shipped_is_the_one_that_is_installed():
    shipped = Path(__file__).parents[2] / "dashboards" / "index-template.json"
    assert json.loads(shipped.read_bytes()) == index_template("bp-anomalies")


def test_a_field_nobody_knows_is_not_taken():
    assert index_template("bp-anomalies")["template"]["mappings"]["dynamic"] == "strict"
