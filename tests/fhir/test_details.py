"""Details: id, body site, labels and age, kept or flagged (rows 20, 22, 24 and 25)."""

from typing import Any

import pytest

from bpstream.reading import Kind
from tests.fhir.messages import SNOMED, Row, a_bundle, an_observation, fates, parse, the_reading

# Row 20: ids


@pytest.mark.parametrize(
    ("name", "kept", "flags"),
    [
        ("a-Z.9", "a-Z.9", []),
        ("x" * 64, "x" * 64, []),
        ("x" * 65, "x" * 65, ["bad_id"]),
        ("x" * 300, "x" * 256, ["bad_id"]),
        ("under_score", "under_score", ["bad_id"]),
        ("ä", "ä", ["bad_id"]),
        (" o1 ", "o1", ["bad_id"]),
        ("", None, ["bad_id"]),
        (7, None, ["bad_id"]),
        (None, None, []),
    ],
)
def test_an_id_that_breaks_the_rules_is_flagged(
    name: object, kept: str | None, flags: list[str]
) -> None:
    found = the_reading(an_observation(id=name))
    assert (found.details.observation_id, found.flags) == (kept, flags)


# Row 22: body site


@pytest.mark.parametrize(
    ("site", "kept"),
    [
        ({"text": "Left arm", "coding": [{"display": "Arm"}]}, "Left arm"),
        ({"coding": [{"code": "1"}, {"code": "2", "display": "Arm"}]}, "Arm"),
        ({"coding": [{"system": SNOMED, "code": "368209003"}]}, "368209003"),
        ({"text": "x" * 300}, "x" * 256),
        ({}, None),
        ("arm", None),
    ],
)
def test_the_body_site_is_kept_by_the_best_name_it_has(site: object, kept: str | None) -> None:
    assert the_reading(an_observation(bodySite=site)).details.body_site == kept


# Row 24: labels


@pytest.mark.parametrize(
    ("meta", "labels", "flags"),
    [
        ({"tag": [{"code": "HTEST"}]}, (), ["test_data"]),
        ({"security": [{"code": "R"}, {"code": "HTEST"}]}, ("R", "HTEST"), ["test_data"]),
        ({"security": [{"display": "Restricted"}, {}, "x"]}, ("Restricted",), []),
        ({"security": {"code": "R"}}, ("R",), []),
        ({"security": [{"code": "x" * 300}] * 40}, ("x" * 256,) * 32, []),
        ({"tag": [{"code": "other"}]}, (), []),
    ],
)
def test_labels_are_kept_and_test_data_is_flagged(
    meta: dict[str, Any], labels: tuple[str, ...], flags: list[str]
) -> None:
    found = the_reading(an_observation(meta=meta))
    assert (found.details.security_labels, found.flags) == (labels, flags)


HTEST = {"code": "HTEST"}


@pytest.mark.parametrize(
    ("bundle", "patient", "flags"),
    [
        ({"tag": [HTEST]}, {}, ["test_data"]),
        ({"security": HTEST}, {}, ["test_data"]),
        ({}, {"tag": [HTEST]}, ["test_data"]),
        ({"tag": [{"code": "other"}]}, {"security": [{"code": "R"}]}, []),
    ],
)
def test_what_is_of_a_test_patient_or_in_a_test_bundle_is_test_data(
    bundle: dict[str, Any], patient: dict[str, Any], flags: list[str]
) -> None:
    resources = an_observation(), {"resourceType": "Patient", "id": "p1", "meta": patient}
    for value in (
        a_bundle(*resources, meta=bundle),
        a_bundle(a_bundle(an_observation()), resources[1], meta=bundle),
    ):
        (found,) = (fate for _, fate in fates(parse(value)) if isinstance(fate, Row))
        assert (found.flags, found.details.security_labels) == (flags, ())


# Row 25: children; the reading was taken on 2026-01-29


@pytest.mark.parametrize(
    ("born", "flags"),
    [
        ("2013-01-29", []),
        ("2013-01-30", ["child"]),
        ("2013-01", []),
        ("2013-02", ["child"]),
        ("2013", []),
        ("2014", ["child"]),
        ("1950-02-01", []),
        ("2012-02-29", []),
        ("yesterday", []),
        ("2020-05-05T10:00:00Z", []),
        (2020, []),
        (None, []),
    ],
)
def test_a_patient_below_13_is_flagged_where_the_birthdate_is_known(
    born: object, flags: list[str]
) -> None:
    patient = {"resourceType": "Patient", "id": "p1", "birthDate": born}
    contained = patient | {"identifier": [{"value": "v"}]}
    alone = an_observation(subject={"reference": "#p1"}, contained=[contained])
    assert the_reading(alone).flags == flags
    for subject in ("Patient/p1", "Patient/p1/_history/2"):
        bundle = a_bundle(an_observation(subject={"reference": subject}), patient)
        (found,) = (fate for _, fate in fates(parse(bundle)) if isinstance(fate, Row))
        assert found.flags == flags
    identified = an_observation(subject={"identifier": {"value": "v"}})
    bundle = a_bundle(identified, contained)
    (found,) = (fate for _, fate in fates(parse(bundle)) if isinstance(fate, Row))
    assert (found.patient_id, found.flags) == ("|v", flags)


def test_another_patient_of_the_bundle_makes_nobody_a_child() -> None:
    child = {"resourceType": "Patient", "id": "p2", "birthDate": "2020"}
    identified = an_observation(subject={"identifier": {"value": "v"}})
    for observation in (an_observation(), identified, identified | {"contained": [child]}):
        (found,) = (
            fate for _, fate in fates(parse(a_bundle(observation, child))) if isinstance(fate, Row)
        )
        assert (found.flags, found.kind) == ([], Kind.READING)
