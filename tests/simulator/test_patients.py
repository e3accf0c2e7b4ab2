"""The profile `patients`: its two clocks, and the ground truth beside the messages."""

import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from bpstream.errors import SettingsError
from bpstream.simulator import Artefact, Episode, Simulator, dataset

NOW = datetime(2026, 1, 29, 21, 32, 51, 619300, UTC)
EIGHT = 8 * 60


def simulator(**changed):
    return Simulator(**({"patients": 3, "seed": 7, "profile": "patients"} | changed))


def rounds(simulator, count, *, start=NOW, interval=5.0):
    return list(islice(simulator.rounds(start=start, interval=interval), count))


def minutes(each):
    (found,) = set(each.measured.minutes.tolist())
    return found


@pytest.mark.parametrize(("speed", "passed"), [(1, 1), (60, 60), (0.5, 0.5)])
def test_the_patients_live_faster_and_the_messages_have_the_time_of_their_sending(speed, passed):
    found = rounds(simulator(speed=speed), 3, interval=60)
    assert [minutes(each) for each in found] == pytest.approx(
        [EIGHT, EIGHT + passed, EIGHT + 2 * passed]
    )
    for number, each in enumerate(found):
        (sent_at,) = {json.loads(message.value)["effectiveDateTime"] for message in each.messages}
        assert sent_at == (NOW + timedelta(minutes=number)).isoformat()


def test_readings_of_fast_patients_are_those_of_slow_ones_who_are_measured_as_seldom():
    fast = rounds(simulator(speed=60), 20, interval=5)
    slow = rounds(simulator(speed=1), 20, interval=300)
    for one, other in zip(fast, slow, strict=True):
        assert one.measured.systolic.tolist() == other.measured.systolic.tolist()


def test_a_seeded_day_begins_at_eight_so_that_the_seed_says_it_all():
    morning, night = (rounds(simulator(), 5, start=NOW.replace(hour=hour)) for hour in (9, 23))
    for one, other in zip(morning, night, strict=True):
        assert one.measured.systolic.tolist() == other.measured.systolic.tolist()
        assert one.ids == other.ids


@pytest.mark.parametrize(
    ("zone", "hour"), [("UTC", 21), ("Europe/Paris", 22), ("America/New_York", 16)]
)
def test_without_a_seed_the_patients_have_the_time_of_the_day_where_they_are(zone, hour):
    (each,) = rounds(simulator(seed=None), 1, start=NOW.astimezone(ZoneInfo(zone)))
    assert minutes(each) == hour * 60 + 32


def test_a_clock_that_is_put_back_or_forward_for_the_summer_jumps_no_hour():
    before = datetime(2026, 3, 29, 1, 59, tzinfo=ZoneInfo("Europe/Paris"))
    first, second = rounds(simulator(speed=60), 2, start=before, interval=120)
    assert minutes(second) - minutes(first) == pytest.approx(120)


def test_a_wall_clock_that_is_set_back_gives_readings_all_the_same():
    each = simulator(patients=50)
    each.round(NOW)
    found = each.observe(NOW - timedelta(hours=3)).measured
    assert np.isfinite(found.systolic).all()
    assert len(found.systolic) > 45


def test_a_gap_of_many_years_is_no_work():
    # What a machine without a clock of its own sees when the network tells it the time.
    each = simulator(patients=50, speed=300)
    each.round(datetime(1970, 1, 1, tzinfo=UTC))
    found = each.observe(NOW).measured
    assert np.isfinite(found.systolic).all()


# The ground truth.


def test_the_truth_of_a_reading_has_its_observations_id_time_and_pressures():
    each = simulator(patients=40, speed=60)
    for done in rounds(each, 50):
        records = list(each.records(done))
        assert len(records) == len(done.messages)
        for message, record in zip(done.messages, records, strict=True):
            observation = json.loads(message.value)
            systolic, diastolic = (c["valueQuantity"]["value"] for c in observation["component"])
            assert record["observation_id"] == observation["id"]
            assert record["patient_id"] == message.key
            assert record["taken_at"] == observation["effectiveDateTime"]
            assert (record["systolic"], record["diastolic"]) == (systolic, diastolic)


def test_an_episode_is_told_by_its_kind_and_one_start_in_the_time_of_the_messages():
    each = simulator(patients=40, speed=300)
    done = rounds(each, 300)
    starts: dict[tuple[str, float], set[str]] = {}
    for one in done:
        truth = one.measured.truth
        for row, record in enumerate(each.records(one)):
            begun = record["episode_started_at"]
            assert (record["episode"] is None) == (begun is None)
            if begun is None:
                continue
            assert record["episode"] == Episode(truth.episode[row]).name.lower()
            ago = datetime.fromisoformat(record["taken_at"]) - datetime.fromisoformat(begun)
            lived = truth.minutes[row] - truth.episode_start[row]
            assert ago / timedelta(minutes=1) * 300 == pytest.approx(lived, abs=0.01)
            key = record["patient_id"], truth.episode_start[row]
            starts.setdefault(key, set()).add(begun)
    assert len(starts) > 40
    assert {len(told) for told in starts.values()} == {1}


def test_an_artefact_is_told_and_a_dropout_leaves_neither_message_nor_truth():
    each = simulator(patients=100)
    done = rounds(each, 100)
    told = [record["artefact"] for one in done for record in each.records(one)]
    assert set(told) == {None} | {
        kind.name.lower() for kind in Artefact if kind not in {Artefact.NONE, Artefact.DROPOUT}
    }
    missing = 100 * 100 - sum(len(one.messages) for one in done)
    assert 0 < missing < 30


def test_people_have_a_name_and_a_ward_that_the_seed_repeats_and_the_messages_do_not_tell():
    first, second = (
        list(each.records(each.observe(NOW))) for each in (simulator(patients=20) for _ in range(2))
    )
    people = [(record["name"], record["ward"]) for record in first]
    assert people == [(record["name"], record["ward"]) for record in second]
    assert len({name for name, _ in people}) == 20
    assert len({ward for _, ward in people}) == 3
    (message,) = simulator(patients=1).round(NOW)
    assert first[0]["ward"].encode() not in message.value


def test_the_uniform_profile_knows_no_truth():
    each = Simulator(seed=7)
    assert list(each.records(each.observe(NOW))) == []


# Whole data sets.


def test_a_dataset_has_a_row_a_reading_by_patient_and_by_time():
    made = list[int]()
    found = dataset(20, 2, 30, seed=5, progress=made.append)
    assert len(made) == 96
    assert sum(made) == len(found.systolic)
    assert 0.99 * 20 * 96 < len(found.systolic) <= 20 * 96
    assert set(found.patient.tolist()) == set(range(20))
    assert (np.lexsort((found.minutes, found.patient)) == np.arange(len(found.systolic))).all()
    assert found.minutes.min() >= 0
    assert found.minutes.max() < 2 * 24 * 60
    for patient in range(20):
        gaps = np.diff(found.minutes[found.patient == patient]) / 30
        assert gaps == pytest.approx(np.rint(gaps))  # twice as long where one dropped out


def test_a_seed_repeats_a_dataset_and_another_makes_another():
    first, second, other = (dataset(10, 1, 20, seed=seed) for seed in (5, 5, 6))
    columns = zip((*first[:2], *first.truth), (*second[:2], *second.truth), strict=True)
    assert all(np.array_equal(one, two, equal_nan=True) for one, two in columns)
    assert not np.array_equal(first.systolic[:100], other.systolic[:100])


@pytest.mark.parametrize(
    ("patients", "days", "interval"), [(0, 1, 20), (1, 0, 20), (1, 1, 0), (1, 0.001, 20)]
)
def test_a_dataset_without_readings_is_refused(patients, days, interval):
    with pytest.raises(SettingsError, match="give no readings"):
        dataset(patients, days, interval, seed=1)
