"""Detection on simulated patients: the model beside the rules, at their price."""

import numpy as np
import pytest

from bpstream.clinical.early_warning_targets import TARGETS
from bpstream.clinical.plausibility import plausible
from bpstream.simulator import Episode
from bpstream.training import simulated as simulation
from bpstream.training.detection import (
    ANY_RULE,
    BOTH,
    MODEL,
    SEVERE_RULE,
    WARM_UP_MINUTES,
    detected,
    table,
)
from bpstream.training.scoring import score, severe_rule
from bpstream.training.simulated import simulate

PREVALENCE = np.array([0.05, 0.1, 0.01])


@pytest.fixture(scope="module")
def simulated():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "PATIENTS", 60)
        return simulate(seed=1)


def telling(simulated, times):
    """Probabilities that are so many `times` the usual."""
    told = PREVALENCE[:, None] * times[simulated.chosen]
    return dict(zip(TARGETS, told, strict=True))


def test_a_simulated_week_is_a_series_of_the_plausible_readings(simulated):
    series = simulated.series
    assert len(series) == simulated.chosen.sum() > 15_000
    assert plausible(series.systolic, series.diastolic).all()
    assert (~simulated.chosen).sum() == series.left_out["implausible"] > 0
    assert series.systolic.tolist() == simulated.systolic[simulated.chosen].tolist()
    order, begins = series.runs()
    assert order.tolist() == [*range(len(series))]
    assert len(begins) == len(series.patient_ids) == 60
    assert simulated.about["sha256"] == simulate_again(simulated)
    assert simulated.about["readings"] == len(series)


def simulate_again(simulated):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "PATIENTS", 60)
        assert simulate(seed=2).about["sha256"] != simulated.about["sha256"]
        return simulate(seed=1).about["sha256"]


def test_a_model_that_knows_the_truth_finds_all_without_a_false_alarm(simulated):
    truth = (simulated.truth.episode != Episode.NONE) & simulated.chosen
    found = detected(simulated, telling(simulated, 0.1 + 10 * truth), PREVALENCE)
    assert found[MODEL].false_alarms == 0 < found[SEVERE_RULE].false_alarms
    for kind, each in found[MODEL].by_kind.items():
        if each.episodes:
            assert each.detected == 1
            assert each.median_delay <= found[SEVERE_RULE].by_kind[kind].median_delay


def test_a_guesser_has_no_more_false_alarms_than_the_severe_rule(simulated):
    times = np.random.default_rng(0).random(len(simulated.chosen))
    found = detected(simulated, telling(simulated, times), PREVALENCE)
    price = found[SEVERE_RULE].false_alarms
    assert 0.9 * price <= found[MODEL].false_alarms <= price
    for kind, each in found[MODEL].by_kind.items():
        if each.episodes > 5 and kind in {Episode.HYPERTENSIVE_CRISIS, Episode.HYPOTENSION}:
            assert each.detected < found[SEVERE_RULE].by_kind[kind].detected


def test_the_rules_are_scored_as_by_themselves_and_both_find_what_either_does(simulated):
    times = np.random.default_rng(0).random(len(simulated.chosen))
    found = detected(simulated, telling(simulated, times), PREVALENCE)
    flags = severe_rule(simulated.systolic, simulated.diastolic)
    alone = score(flags, simulated.truth, warm_up=WARM_UP_MINUTES)
    assert repr(found[SEVERE_RULE]) == repr(alone)
    for kind, each in found[BOTH].by_kind.items():
        either = [found[name].by_kind[kind].detected for name in (SEVERE_RULE, MODEL)]
        assert each.detected >= max(either)


def test_the_table_has_a_line_a_detector(simulated):
    times = np.random.default_rng(0).random(len(simulated.chosen))
    found = detected(simulated, telling(simulated, times), PREVALENCE)
    title, head, *lines, note = table(found).splitlines()
    assert "share found" in title
    assert all(kind.name.lower() in head for kind in Episode if kind != Episode.NONE)
    for line, name in zip(lines, (ANY_RULE, SEVERE_RULE, MODEL, BOTH), strict=True):
        assert line.strip().startswith(name)
        assert f"{found[name].false_alarms_per_patient_day:.2f}" in line
    assert SEVERE_RULE in note
