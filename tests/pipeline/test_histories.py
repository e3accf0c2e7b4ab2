"""What a patient's row knows of the usual, and what a model says of what comes next."""

import json

import numpy as np
import pytest
from hypothesis import given

from bpstream import histories as looking
from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.features import FEATURES, features
from bpstream.clinical.history import ARTERIAL, CUFF, SUMS
from bpstream.clinical.models.early_warning import EarlyWarning, Seen
from bpstream.patients import RECENT
from tests.clinical.test_history import close, reference
from tests.pipeline.histories import histories, unhurried
from tests.pipeline.messages import Taken, a_model, a_pipeline, at, chunk, messages
from tests.pipeline.oracle import TAKEN_BACK
from tests.pipeline.owner import Owner
from tests.pipeline.test_corrections import after
from tests.pipeline.test_retractions import gone

USUAL = [Taken(f"o{minute}", minute=minute, systolic=120 + minute) for minute in range(5)]


def held_of(owner, patient="p1", series=CUFF):
    patients = owner.partition.patients
    (position,) = patients.find([patient])
    return patients.histories[series][position]


def weight(owner, series=CUFF):
    return held_of(owner, series=series)["sums"][SUMS.index("w")]


def ahead(owner):
    return looking.ahead_of_last(owner.partition.patients, 0)


@unhurried
@given(histories())
def test_the_history_is_that_of_the_readings_that_count_whatever_was_sent(history):
    owner = Owner()
    owner.take(chunk(history.messages))
    for name, patient in history.oracle.patients.items():
        if len(patient.held) > RECENT:
            continue  # A reading that was forgotten can be taken back, but not out of the sums.
        row = held_of(owner, name)
        counted = [
            (at(each.minute), float(each.systolic), float(each.diastolic))
            for each, kept in patient.held
            if not (each.aggregate or kept.tags & TAKEN_BACK or each.systolic is None)
            if each.systolic - each.diastolic >= 10
        ]
        close(row["sums"], reference(counted, int(row["at"])))


@pytest.mark.parametrize(
    "artefact",
    [
        {"diastolic": 120},  # swapped, or equal
        {"diastolic": None},
        {"systolic": None},
        {"systolic": 320, "diastolic": 100},
        {"systolic": 39, "diastolic": 25},
        {"systolic": 100, "diastolic": 91},  # a pulse pressure below 10
        {"aggregate": True},
    ],
)
def test_what_is_no_plausible_spot_reading_is_kept_out_of_the_usual(artefact):
    owner, _ = after(*USUAL, Taken("odd", minute=5)._replace(**artefact))
    alone, _ = after(*USUAL)
    assert weight(owner) == weight(alone) > 4
    assert owner.documents()[-1].early_warning is None


@pytest.mark.parametrize("back", [1, 4 * 60, 6 * 60, 30 * 24 * 60])
def test_what_came_before_a_newest_reading_that_is_taken_back_counts_on(back):
    """However long before: after it, a reading of that time is the newest again."""
    before = Taken("before", minute=-back, systolic=130)
    following = Taken("after", minute=0.5 - back, systolic=110)
    owner, _ = after(before, Taken("wrong"), gone(Taken("wrong")), following)
    alone, _ = after(before, following)
    held, expected = (held_of(each) for each in (owner, alone))
    assert held["at"] == expected["at"]
    close(held["sums"], expected["sums"])
    assert owner.documents()[-1].early_warning == alone.documents()[-1].early_warning


def test_a_bound_is_kept_out_of_the_usual():
    bound = Taken("odd", minute=5).observation()
    bound["component"][0]["valueQuantity"]["comparator"] = "<"
    owner, _ = after(*USUAL)
    owner.take(chunk([messages(json.dumps(bound).encode())[0]._replace(offset=100)]))
    assert "comparator" in owner.documents()[-1].flags
    assert weight(owner) == weight(after(*USUAL)[0])


def test_an_arterial_line_has_a_history_of_its_own():
    line = Taken("line", minute=3).observation() | {
        "method": {"coding": [{"system": "http://snomed.info/sct", "code": "77938009"}]}
    }
    owner, _ = after(*USUAL)
    owner.take(chunk([messages(json.dumps(line).encode())[0]._replace(offset=100)]))
    assert weight(owner, ARTERIAL) == 1
    assert weight(owner, CUFF) == weight(after(*USUAL)[0])
    # It is late for the patient, but the newest of its series: what comes next is open.
    assert owner.documents()[-1].early_warning is not None


def test_every_reading_is_warned_from_but_for_late_ones_whose_next_is_known():
    owner, _ = after(*USUAL, Taken("late", minute=2.5), Taken("next", minute=6))
    told = {each.observation_id: each.early_warning for each in owner.documents()}
    assert [name for name, warning in told.items() if warning is None] == ["late"]


def test_a_late_reading_counts_for_those_that_come_after_it():
    owner, _ = after(*USUAL, Taken("late", minute=1.5, systolic=200))
    assert weight(owner) == pytest.approx(weight(after(*USUAL)[0]) + np.exp(-2.5 / 720), abs=1e-9)


def test_a_warning_that_is_high_has_its_reasons():
    owner, _ = after(Taken("low", systolic=95, diastolic=60), Taken("usual", "p2", systolic=120))
    low, usual = owner.documents()
    # The model adds 2 where the usual systolic is below 100: 1 / (1 + exp(2 - 2)).
    assert low.early_warning.hypotension == low.early_warning.severe == 0.5
    assert [(each.target, each.feature, each.value, each.contribution) for each in (
        low.early_warning_reasons
    )] == [("hypotension", "systolic_usual", 95.0, 2.0)]  # fmt: skip
    assert usual.early_warning.low_map == pytest.approx(0.119203)
    assert not usual.early_warning_reasons


def test_a_row_keeps_the_warnings_of_its_newest_reading():
    owner, _ = after(Taken("a", systolic=120), Taken("b", minute=1, systolic=70, diastolic=50))
    row = owner.partition.patients.row("p1")
    assert row["warning"] == pytest.approx(list(vars_of(owner.documents()[-1].early_warning)))
    after(gone(Taken("b")), owner=owner)
    assert np.isnan(owner.partition.patients.row("p1")["warning"]).all()


def vars_of(warning):
    return [getattr(warning, name) for name in TARGETS]


def test_what_lies_ahead_of_the_last_reading_can_be_seen_again():
    owner, _ = after(*USUAL)
    seen = ahead(owner)
    model = owner.pipeline.model.early_warning
    assert model.probabilities(seen)[:, 0] == pytest.approx(
        vars_of(owner.documents()[-1].early_warning), abs=1e-6
    )
    after(Taken("odd", minute=7, diastolic=None), owner=owner)
    assert ahead(owner) is None


class Broken(EarlyWarning):
    """A model that cannot score what it is given."""

    prevalence = np.full(len(TARGETS), 0.1)

    def probabilities(self, seen: Seen):
        raise FloatingPointError("a model of another feature")


class BrokenRisk:
    def score(self, systolic, diastolic):
        raise ZeroDivisionError


@pytest.mark.parametrize("parts", [{"early_warning": Broken()}, {"risk": BrokenRisk()}])
def test_a_model_that_fails_does_not_stop_the_rules(parts):
    owner = Owner(a_pipeline(model=a_model(**parts)))
    (step,) = owner.take(chunk(messages(Taken("a", systolic=150), Taken("b", "p2"))))
    assert isinstance(step.failure, FloatingPointError | ZeroDivisionError)
    high, normal = owner.documents()
    assert high.anomaly_details == ["hypertension_systolic"]
    for document in (high, normal):
        assert document.ml_risk_score is document.early_warning is document.model is None
    assert step.alerts or step.anomalies == 1
    assert weight(owner) == 1  # The history goes on: the next model finds it whole.


def test_a_step_tells_what_the_model_was_given_and_what_it_said():
    readings = Taken("a", systolic=150), Taken("b", "p2"), Taken("c", "p3", diastolic=None)
    (step,) = Owner().take(chunk(messages(*readings)))
    assert step.observed["systolic"].tolist() == [150, 120]
    assert step.observed["diastolic"].tolist() == [80, 80]
    assert step.observed["risk"].tolist() == pytest.approx([0.952574, 0.5], abs=1e-6)
    assert np.isnan(step.observed["severe"]).tolist() == [False, False, True]


def test_features_are_on_their_grids_and_those_of_plain_arithmetic():
    owner, _ = after(*USUAL)
    held = held_of(owner)
    found = dict(
        zip(
            FEATURES,
            features(held["sums"][:, None].copy(), np.array([124.0]), np.array([80.0]))[:, 0],
            strict=True,
        )
    )
    ages = np.array([4, 3, 2, 1, 0]) / 60
    pressures = np.array([120.0, 121, 122, 123, 124])
    slow, fast = np.exp(-ages / 12), np.exp(-ages)
    usual = np.average(pressures, weights=slow)
    variance = np.average((pressures - usual) ** 2, weights=slow)
    sd = np.sqrt((slow.sum() * variance + 3 * 144) / (slow.sum() + 3))
    before = np.average(pressures[:-1], weights=slow[:-1])
    assert found["systolic"] == 124
    assert found["mean"] == pytest.approx((124 + 160) / 3, abs=1 / 8)
    assert found["systolic_usual"] == pytest.approx(usual, abs=1 / 8)
    assert found["systolic_hour"] == pytest.approx(np.average(pressures, weights=fast), abs=1 / 8)
    assert found["systolic_sd"] == pytest.approx(sd, abs=1 / 16)
    assert found["systolic_deviation"] == pytest.approx((124 - before) / sd, abs=1 / 64)
    assert found["systolic_slope"] == 0  # Over four minutes a slope says nothing.
    assert found["hypotension_share"] == found["severe_share"] == 0
    assert found["severe_usual_margin"] == pytest.approx((180 - usual) / sd, abs=1 / 64)


def test_a_slope_is_that_of_weighted_least_squares():
    hours = np.array([0.0, 1.5, 3, 4])
    some = [
        Taken(f"o{hour}", minute=60 * (hour - 4), systolic=float(value), diastolic=60)
        for hour, value in zip(hours, (100, 108, 111, 120), strict=True)
    ]
    owner, _ = after(*some)
    held = held_of(owner)
    found = features(held["sums"][:, None].copy(), np.array([120.0]), np.array([60.0]))[:, 0]
    slope = np.polyfit(hours, (100, 108, 111, 120), 1, w=np.sqrt(np.exp((hours - 4) / 12)))[0]
    assert found[FEATURES.index("systolic_slope")] == pytest.approx(slope, abs=1 / 16)
    assert found[FEATURES.index("mean_slope")] == pytest.approx(slope / 3, abs=1 / 16)


class Recorder(EarlyWarning):
    """A recurrent model that takes down the windows it is given."""

    prevalence = np.full(len(TARGETS), 0.1)

    def __init__(self):
        self.windows = []

    def probabilities(self, seen: Seen):
        self.windows += list(seen.windows())
        return np.full((len(TARGETS), seen.features.shape[1]), 0.1)


def windows_of(held, size):
    """The window of every reading that is the newest of its series, in chunks of `size`."""
    recorder = Recorder()
    owner = Owner(a_pipeline(model=a_model(early_warning=recorder)))
    for start in range(0, len(held), size):
        steps = owner.take(chunk(held[start : start + size]))
        assert [step.failure for step in steps] == [None] * len(steps)
    return recorder.windows


def test_a_window_holds_the_last_readings_with_the_hours_between_them():
    held = messages(
        Taken("a", minute=0, systolic=110, diastolic=70),
        Taken("x", "p2", minute=1, systolic=150, diastolic=90),
        Taken("b", minute=30, systolic=120, diastolic=75),
        Taken("late", minute=10, systolic=99, diastolic=60),
        Taken("half", minute=31, diastolic=None),
        Taken("c", minute=45, systolic=130, diastolic=80),
        minute=46,
    )
    for size in (1, 2, 6):
        *_, last = windows_of(held, size)
        assert np.isnan(last[:-3]).all()
        expected = [[110, 70, np.nan], [120, 75, 0.5], [130, 80, 0.25]]
        np.testing.assert_allclose(last[-3:], expected)


@pytest.mark.parametrize("size", [1, 3, 50])
def test_how_readings_are_cut_into_chunks_makes_no_difference_to_windows(size):
    random = np.random.default_rng(5)
    readings = [
        Taken(
            f"o{number}",
            f"p{random.integers(3)}",
            minute=float(number // 3 - (number % 7 == 0) * 5),
            systolic=float(random.integers(100, 180)),
        )
        for number in range(60)
    ]
    held = messages(*readings, minute=20)
    expected = windows_of(held, 60)
    assert len(expected) > 40
    np.testing.assert_array_equal(windows_of(held, size), expected)
    assert {np.count_nonzero(~np.isnan(each[:, 0])) for each in expected} == set(range(1, 9))
