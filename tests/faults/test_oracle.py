"""The oracle sees what it is there for: a test that cannot fail shows nothing."""

import time
from collections import Counter
from copy import deepcopy

import pytest

from tests.faults.loads import Hospital
from tests.faults.oracle import Outcome, Sent, expected
from tests.faults.run import differences

PARTS = ("indexed", "archived", "counters", "episodes", "letters")


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    now = int(time.time() * 1000)
    drawn = Hospital(patients=20, seed=1).take(2000)
    return expected(Sent(each.value, 0, offset, now) for offset, each in enumerate(drawn))


def test_a_hospital_sends_everything_that_happens_to_readings(outcome):
    documents = [*outcome.indexed, *outcome.archived]
    assert {flag for each in documents for flag in each.flags} >= {"late", "implausible"}
    assert {letter.reason for letter in outcome.letters} == {
        "empty_message",
        "in_future",
        "invalid_json",
        "not_an_observation",
    }
    assert {letter.entry for letter in outcome.letters} == {0, 1}
    assert {episode.rule for episode in outcome.episodes.values()} == {
        "artefact",
        "critical",
        "diastolic_hypertension",
        "hypotension",
        "systolic_hypertension",
    }
    states = {state for each in outcome.episodes.values() for state, _ in each.edges}
    assert states == {"firing", "changed", "recovered"}
    assert sum(each["readings"] for each in outcome.counters.values()) == len(documents)


def test_what_is_as_it_should_be_does_not_differ(outcome):
    assert differences(outcome, deepcopy(outcome)) == {}


@pytest.mark.parametrize("part", PARTS)
def test_a_thing_that_is_missing_is_lost(outcome, part):
    found = deepcopy(outcome)
    things = getattr(found, part)
    del things[next(iter(things))]
    differing = differences(outcome, found)
    assert list(differing) == [part]
    assert differing[part][:3] == (1, 0, 0)
    assert "lost" in differing[part].told


@pytest.mark.parametrize("part", PARTS)
def test_a_thing_that_nobody_sent_is_wrong(outcome, part):
    found = deepcopy(outcome)
    things = getattr(found, part)
    things["of nobody"] = 1 if isinstance(things, Counter) else next(iter(things.values()))
    assert differences(outcome, found)[part][:3] == (0, 0, 1)


@pytest.mark.parametrize("part", ["indexed", "archived"])
def test_a_document_that_is_there_twice_is_repeated(outcome, part):
    found = deepcopy(outcome)
    getattr(found, part)[next(iter(getattr(found, part)))] += 1
    assert differences(outcome, found)[part][:3] == (0, 1, 0)


def test_a_reading_that_is_counted_twice_is_repeated(outcome):
    found = deepcopy(outcome)
    found.counters["PAT-001"]["readings"] += 1
    assert differences(outcome, found)["counters"][:3] == (0, 1, 0)


def test_a_dead_letter_may_be_there_twice_under_its_id(outcome):
    found = deepcopy(outcome)
    found.letters[next(iter(found.letters))] += 1
    assert differences(outcome, found) == {}
