"""Retractions: a reading that was entered in error, or deleted, counts as if it had never come."""

import json

import pytest

from bpstream.patients import LONG_AGO, RECENT
from tests.pipeline.messages import RETRACTED, Taken, at, chunk, messages
from tests.pipeline.owner import Owner
from tests.pipeline.test_corrections import (
    AGGREGATE,
    ANOMALY,
    NORMAL,
    OTHERS,
    after,
    counted,
    later,
    places,
    row_of,
)


def gone(reading, version=0):
    """The retraction of a version of a reading, or of all."""
    return Taken(reading.name, reading.patient, version=version, status=RETRACTED)


def delete(reading):
    """A Bundle that deletes the reading of its patient."""
    entries = [
        {"resource": {"resourceType": "Patient", "id": reading.patient}},
        {"request": {"method": "DELETE", "url": f"Observation/{reading.name}"}},
    ]
    return json.dumps({"resourceType": "Bundle", "type": "history", "entry": entries}).encode()


@pytest.mark.parametrize("way", [gone, delete])
@pytest.mark.parametrize("between", [0, 1, RECENT - 1, RECENT, 2 * RECENT])
@pytest.mark.parametrize(
    ("reading", "store"), [(NORMAL, "archive"), (ANOMALY, "index"), (AGGREGATE, "archive")]
)
def test_a_retracted_reading_leaves_counters_and_stores(reading, store, between, way):
    others = [Taken(f"other-{number}", minute=5) for number in range(between)]
    owner, step = after(reading, *others, way(reading))
    alone, _ = after(*others, Taken("someone's", "p2"))
    assert (len(step.retracted), step.repeated, step.unknown) == (1, 0, [])
    assert places(step.from_archive) == [(0, at(4))] * (store == "archive")
    assert places(step.from_index) == [(0, at(4))] * (store == "index")
    assert counted(owner) == (counted(alone) if between else {})
    assert len(owner.shelves.index) + len(owner.shelves.archive) == between
    assert owner.asked == [reading.document_id] * (between >= RECENT)


def test_a_retracted_reading_is_the_last_one_no_longer():
    owner, _ = after(Taken("other", minute=2), NORMAL, gone(NORMAL))
    assert row_of(owner)["last"]["taken_at"] == at(2)
    after(gone(Taken("other")), owner=owner)
    assert row_of(owner)["last"]["taken_at"] == LONG_AGO


def test_a_forgotten_reading_that_was_the_last_one_is_it_no_longer():
    newest = Taken("newest", minute=5.5)
    owner, _ = after(newest, *OTHERS, gone(newest))
    assert row_of(owner)["last"]["taken_at"] == at(5)


def test_after_a_retraction_an_older_reading_is_late_only_if_another_is_newer():
    owner, _ = after(NORMAL, gone(NORMAL), Taken("older", minute=3))
    assert owner.documents()[-1].flags == []


@pytest.mark.parametrize("between", [0, RECENT])
@pytest.mark.parametrize(("version", "retracted"), [(0, True), (1, False), (2, True), (3, True)])
def test_a_retraction_is_of_its_version_and_those_before_it_or_of_all(version, retracted, between):
    reading = ANOMALY._replace(version=2)
    owner, step = after(reading, *OTHERS[:between], gone(reading, version))
    assert (len(step.retracted), step.repeated) == (retracted, not retracted)
    assert len(owner.shelves.index) == (not retracted)
    assert bool(step.rows) == retracted


@pytest.mark.parametrize(
    ("versions", "there"),
    [
        ([("came", 1), ("gone", 0), ("came", 0)], False),
        ([("came", 1), ("gone", 0), ("came", 1)], False),
        ([("came", 1), ("gone", 0), ("came", 2)], True),
        ([("came", 1), ("gone", 3), ("came", 2)], False),
        ([("came", 1), ("gone", 3), ("came", 3)], False),
        ([("came", 1), ("gone", 3), ("came", 4)], True),
        ([("came", 1), ("gone", 2), ("gone", 4), ("came", 3)], False),
        ([("came", 1), ("gone", 4), ("gone", 2), ("came", 3)], False),
        ([("came", 1), ("gone", 0), ("came", 2), ("gone", 0)], False),
        ([("came", 1), ("gone", 0), ("came", 2), ("gone", 1)], True),
    ],
)
def test_only_a_higher_version_brings_a_retracted_reading_back(versions, there):
    ways = {"came": lambda version: ANOMALY._replace(version=version)}
    ways["gone"] = lambda version: gone(ANOMALY, version)
    owner, _ = after(*(ways[what](version) for what, version in versions))
    assert counted(owner).get("anomalies", 0) == there
    assert len(owner.shelves.index) == there
    assert int(row_of(owner)["next"]) == 1


@pytest.mark.parametrize("version", [0, 1])
def test_a_repeated_retraction_has_no_effect(version):
    owner, _ = after(ANOMALY, Taken("other"), gone(ANOMALY, version))
    counters = counted(owner)
    _, step = after(gone(ANOMALY, version), owner=owner)
    assert (len(step.retracted), step.repeated, step.unknown) == (0, 1, [])
    assert (step.from_index, step.from_archive) == ([], [])
    assert counted(owner) == counters == {"readings": 1}


@pytest.mark.parametrize("known", [0, 1, RECENT])
def test_what_nobody_knows_cannot_be_taken_back(known):
    owner, step = after(*OTHERS[:known], gone(NORMAL))
    assert [each.document_id for each in step.unknown] == [NORMAL.document_id]
    assert (len(step.retracted), step.repeated, list(step.rows)) == (0, 0, [])
    assert owner.asked == [NORMAL.document_id]
    assert ("p1" in owner.partition.patients) == bool(known)


def test_a_retraction_that_comes_before_its_reading_does_not_keep_it_away():
    owner, _ = after(gone(NORMAL), NORMAL)
    assert counted(owner) == {"readings": 1}


def test_of_a_patient_the_state_does_not_know_the_stores_still_lose_the_reading():
    before, _ = after(ANOMALY)
    owner = Owner()
    owner.shelves = before.shelves
    _, step = after(gone(ANOMALY), owner=owner)
    assert (len(step.retracted), list(step.rows)) == (1, [])
    assert owner.shelves.index == {}


def test_counters_that_began_anew_never_fall_below_zero():
    before, _ = after(ANOMALY)
    owner = Owner()
    owner.shelves = before.shelves
    after(OTHERS[0], gone(ANOMALY), owner=owner)
    assert counted(owner) == {}
    after(OTHERS[1], owner=owner)
    assert counted(owner) == {"readings": 1}


def test_a_retraction_between_readings_of_a_message_comes_in_its_turn():
    owner = Owner()
    held = messages(NORMAL, gone(NORMAL), later(ANOMALY), Taken("other"), minute=6)
    steps = owner.take(chunk(held))
    applied = [(len(step.entries), len(step.retracted)) for step in steps]
    assert applied == [(1, 0), (0, 1), (1, 0), (1, 0)]
    assert counted(owner)["readings"] == 2


SINGLES = {"systolic": "8480-6", "diastolic": "8462-4"}


def a_single(which, **changes):
    """A pressure as an Observation of its own."""
    observation = Taken(which, minute=4, systolic=150).observation() | changes
    (component,) = (
        each
        for each in observation.pop("component")
        if each["code"]["coding"][0]["code"] == SINGLES[which]
    )
    return observation | component


def a_bundle(*observations):
    entries = [{"resource": each} for each in observations]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


@pytest.mark.parametrize(("which", "retracted"), [("systolic", 1), ("diastolic", 0)])
def test_a_pair_is_taken_back_by_its_systolic_observation(which, retracted):
    pair = a_bundle(a_single("systolic"), a_single("diastolic"))
    owner, step = after(pair, json.dumps(a_single(which, status=RETRACTED)).encode())
    assert (len(step.retracted), len(step.unknown)) == (retracted, 1 - retracted)
    assert len(owner.shelves.index) == 1 - retracted
