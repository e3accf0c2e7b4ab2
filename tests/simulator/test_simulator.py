"""The simulator: the form of its messages, and that a seed repeats them, in both profiles."""

import json
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from itertools import chain, islice
from uuid import UUID

import numpy as np
import pytest

from bpstream.errors import SettingsError
from bpstream.fhir.parse import Parser
from bpstream.simulator import PROFILES, Simulator

NOW = datetime(2026, 1, 29, 21, 32, 51, 619300, UTC)


def observations(simulator, rounds=1):
    return [json.loads(m.value) for _ in range(rounds) for m in simulator.round(NOW)]


def pressures(simulator, rounds):
    found = observations(simulator, rounds)
    return [tuple(c["valueQuantity"]["value"] for c in o["component"]) for o in found]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_message_has_exactly_the_original_producers_form(profile):
    (message,) = Simulator(patients=1, seed=7, profile=profile).round(NOW)
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


def test_the_messages_of_the_uniform_profile_are_for_ever_the_same():
    stream = Simulator(patients=5, seed=42).stream(start=NOW, interval=5)
    written = b"\n".join(message.value for message in islice(stream, 500))
    assert sha256(written).hexdigest() == (
        "bc1328b3e3eb219129a7e4981de7c07e65b54eaea2c824494414f56c7b66b488"
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_every_reading_has_an_id_of_its_own(profile):
    simulator = Simulator(seed=7, profile=profile)
    ids = [UUID(o["id"]) for o in observations(simulator, rounds=200)]
    assert len(set(ids)) == len(ids)
    assert {each.version for each in ids} == {4}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", [7, 0, -7, 2**70])
def test_one_seed_gives_the_same_messages_with_their_ids(profile, seed):
    first, second = (Simulator(patients=3, seed=seed, profile=profile) for _ in range(2))
    for _ in range(3):
        assert first.round(NOW) == second.round(NOW)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seeds", [(7, 8), (None, None)])
def test_another_seed_and_no_seed_give_other_messages(profile, seeds):
    first, second = (Simulator(seed=seed, profile=profile).round(NOW) for seed in seeds)
    assert {message.value for message in first}.isdisjoint(message.value for message in second)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_simulator_leaves_the_random_numbers_of_others_alone(profile):
    first, other = (Simulator(seed=7, profile=profile) for _ in range(2))
    expected = [other.round(NOW) for _ in range(2)]
    found = [first.round(NOW)]
    Simulator(seed=8, profile=profile).round(NOW)
    assert [*found, first.round(NOW)] == expected


@pytest.mark.parametrize("profile", PROFILES)
def test_a_round_has_one_reading_of_every_patient_under_its_id(profile):
    simulator = Simulator(patients=12, seed=7, profile=profile)
    messages = simulator.round(NOW)
    assert [m.key for m in messages] == [f"PAT-{number:03d}" for number in range(1, 13)]
    subjects = [json.loads(m.value)["subject"]["reference"] for m in messages]
    assert subjects == [f"Patient/{m.key}" for m in messages]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_practitioners_take_the_patients_in_turn(profile):
    found = observations(Simulator(patients=3, seed=7, profile=profile))
    practitioners = [o["performer"][0]["reference"] for o in found]
    assert practitioners == [f"Practitioner/PRAC-0{number}" for number in (1, 2, 1)]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_message_takes_the_fast_path(profile):
    simulator = Simulator(patients=200, seed=7, profile=profile, speed=60)
    stream = simulator.stream(start=NOW, interval=60)
    messages = [message.value for message in islice(stream, 20_000)]
    arrived_at = np.full(len(messages), int((NOW + timedelta(days=1)).timestamp() * 1e6))
    parsed = Parser().parse(messages, arrived_at)
    assert (len(parsed.readings), parsed.tolerant, parsed.rejected) == (20_000, 0, [])


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
@pytest.mark.parametrize("profile", PROFILES)
def test_a_time_is_written_in_utc_to_the_microsecond(profile, now, written):
    (message,) = Simulator(patients=1, seed=7, profile=profile).round(now)
    assert json.loads(message.value)["effectiveDateTime"] == written


def test_a_stream_is_rounds_at_equal_distances_that_do_not_drift():
    stream = Simulator(patients=2, seed=7).stream(start=NOW, interval=0.1)
    times = [json.loads(m.value)["effectiveDateTime"] for m in islice(stream, 0, 2002, 2)]
    assert times[0] == NOW.isoformat()
    assert times[1] == (NOW + timedelta(seconds=0.1)).isoformat()
    assert times[1000] == (NOW + timedelta(seconds=100)).isoformat()


@pytest.mark.parametrize("profile", PROFILES)
def test_a_stream_gives_the_messages_of_its_rounds_however_it_is_cut(profile):
    whole, cut = (
        Simulator(patients=2, seed=7, profile=profile).stream(start=NOW, interval=5)
        for _ in range(2)
    )
    by_hand = Simulator(patients=2, seed=7, profile=profile)
    expected = [
        message
        for number in range(30)
        for message in by_hand.round(NOW + timedelta(seconds=5 * number))
    ]
    assert list(islice(whole, 60)) == expected
    parts = [islice(cut, length) for length in (1, 2, 17, 40)]
    assert list(chain.from_iterable(parts)) == expected


def test_an_unknown_profile_is_an_error_that_names_the_known_ones():
    with pytest.raises(
        SettingsError, match="no simulation profile 'unifrom'; known: uniform, patients"
    ):
        Simulator(profile="unifrom")


@pytest.mark.parametrize("patients", [0, -1])
def test_a_simulation_without_patients_is_refused(patients):
    with pytest.raises(SettingsError, match=f"at least 1 patient, not {patients}"):
        Simulator(patients=patients)


@pytest.mark.parametrize("speed", [0, -1, float("inf"), float("nan")])
def test_a_speed_that_is_none_is_refused(speed):
    with pytest.raises(SettingsError, match="speed is a number above 0, not"):
        Simulator(profile="patients", speed=speed)
