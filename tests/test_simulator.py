"""The simulated Observations: their form, their ranges, and that a seed repeats them."""

import json
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from uuid import UUID

import pytest

from bpstream.errors import SettingsError
from bpstream.simulator import Simulator

NOW = datetime(2026, 1, 29, 21, 32, 51, 619300, UTC)


def observations(simulator, rounds=1):
    return [json.loads(m.value) for _ in range(rounds) for m in simulator.round(NOW)]


def pressures(simulator, rounds):
    found = observations(simulator, rounds)
    return [tuple(c["valueQuantity"]["value"] for c in o["component"]) for o in found]


def test_a_message_has_exactly_the_original_producers_form():
    (message,) = Simulator(patients=1, seed=7).round(NOW)
    found = json.loads(message.value)
    identity = found["id"]
    systolic, diastolic = (c["valueQuantity"]["value"] for c in found["component"])
    assert message.key == "PAT-001"
    assert message.value.decode() == (
        f'{{"resourceType":"Observation","id":"{identity}","status":"final","category":'
        '[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category",'
        '"code":"vital-signs"}]}],"subject":{"reference":"Patient/PAT-001"},'
        '"effectiveDateTime":"2026-01-29T21:32:51.619300+00:00","component":['
        '{"code":{"text":"Systolic Blood Pressure"},'
        f'"valueQuantity":{{"value":{systolic},"unit":"mmHg"}}}},'
        '{"code":{"text":"Diastolic Blood Pressure"},'
        f'"valueQuantity":{{"value":{diastolic},"unit":"mmHg"}}}}],'
        '"performer":[{"reference":"Practitioner/PRAC-01"}]}'
    )


def test_every_reading_has_an_id_of_its_own():
    ids = [UUID(o["id"]) for o in observations(Simulator(seed=7), rounds=200)]
    assert len(set(ids)) == len(ids)
    assert {each.version for each in ids} == {4}


def test_one_seed_gives_the_same_messages_with_their_ids():
    first, second = (Simulator(patients=3, seed=7) for _ in range(2))
    for _ in range(3):
        assert first.round(NOW) == second.round(NOW)


@pytest.mark.parametrize("seeds", [(7, 8), (None, None)])
def test_another_seed_and_no_seed_give_other_messages(seeds):
    first, second = (Simulator(seed=seed).round(NOW) for seed in seeds)
    assert first != second


def test_a_simulator_leaves_the_random_numbers_of_others_alone():
    first, other = Simulator(seed=7), Simulator(seed=7)
    expected = [other.round(NOW) for _ in range(2)]
    found = [first.round(NOW)]
    Simulator(seed=8).round(NOW)
    assert [*found, first.round(NOW)] == expected


def test_a_round_has_one_reading_of_every_patient_under_its_id():
    simulator = Simulator(patients=12, seed=7)
    messages = simulator.round(NOW)
    assert [m.key for m in messages] == [f"PAT-{number:03d}" for number in range(1, 13)]
    subjects = [json.loads(m.value)["subject"]["reference"] for m in messages]
    assert subjects == [f"Patient/{m.key}" for m in messages]


def test_the_practitioners_take_the_patients_in_turn():
    found = observations(Simulator(patients=3, seed=7))
    practitioners = [o["performer"][0]["reference"] for o in found]
    assert practitioners == [f"Practitioner/PRAC-0{number}" for number in (1, 2, 1)]


def test_uniform_pressures_reach_both_ends_of_their_ranges_and_no_further():
    drawn = pressures(Simulator(patients=5, seed=7), rounds=800)
    systolic, diastolic = map(set, zip(*drawn, strict=True))
    assert systolic == set(range(80, 191))
    assert diastolic == set(range(50, 121))


def test_about_one_uniform_reading_in_nine_is_implausible():
    drawn = pressures(Simulator(patients=5, seed=7), rounds=800)
    share = sum(systolic <= diastolic for systolic, diastolic in drawn) / len(drawn)
    assert share == pytest.approx(1 / 9, abs=0.02)


@pytest.mark.parametrize(
    ("now", "written"),
    [
        (NOW.astimezone(timezone(timedelta(hours=2))), "2026-01-29T21:32:51.619300+00:00"),
        (NOW.replace(microsecond=0), "2026-01-29T21:32:51.000000+00:00"),
    ],
)
def test_a_time_is_written_in_utc_to_the_microsecond(now, written):
    (message,) = Simulator(patients=1, seed=7).round(now)
    assert json.loads(message.value)["effectiveDateTime"] == written


def test_a_stream_is_rounds_at_equal_distances_that_do_not_drift():
    stream = Simulator(patients=2, seed=7).stream(start=NOW, interval=0.1)
    times = [json.loads(m.value)["effectiveDateTime"] for m in islice(stream, 0, 2002, 2)]
    assert times[0] == NOW.isoformat()
    assert times[1] == (NOW + timedelta(seconds=0.1)).isoformat()
    assert times[1000] == (NOW + timedelta(seconds=100)).isoformat()


def test_a_stream_gives_the_messages_of_its_rounds():
    stream = Simulator(patients=2, seed=7).stream(start=NOW, interval=5)
    by_hand = Simulator(patients=2, seed=7)
    expected = by_hand.round(NOW) + by_hand.round(NOW + timedelta(seconds=5))
    assert list(islice(stream, 4)) == expected


def test_an_unknown_profile_is_an_error_that_names_the_known_ones():
    with pytest.raises(SettingsError, match="no simulation profile 'unifrom'; known: uniform"):
        Simulator(profile="unifrom")


@pytest.mark.parametrize("patients", [0, -1])
def test_a_simulation_without_patients_is_refused(patients):
    with pytest.raises(SettingsError, match=f"at least 1 patient, not {patients}"):
        Simulator(patients=patients)
