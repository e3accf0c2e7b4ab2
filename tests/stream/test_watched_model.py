"""The model in `/metrics`: what it is given and says, its drift, its failures."""

import logging

import numpy as np
import pytest
from prometheus_client import generate_latest

from bpstream.clinical.models.drift import FEWEST, Reference
from bpstream.stream.metrics import Metrics

EVEN = Reference(np.array([100.0, 120.0, 140.0]), np.full(4, 0.25))


@pytest.fixture
def metrics():
    return Metrics({"systolic": EVEN})


def exposed(metrics, name):
    lines = generate_latest(metrics.registry).decode().splitlines()
    return {key: float(value) for key, value in (line.rsplit(" ", 1) for line in lines)
            if key.startswith(name)}  # fmt: skip


def observe(metrics, *values):
    metrics.model.observe({"systolic": np.repeat(np.array(values, np.float64), FEWEST)})


def test_values_are_counted_up_to_each_edge_of_the_training_data(metrics):
    metrics.model.observe({"systolic": np.array([90.0, 100.0, 101.0, 150.0, np.nan])})
    assert exposed(metrics, "bpstream_model_values") == {
        'bpstream_model_values_bucket{column="systolic",le="100"}': 2,
        'bpstream_model_values_bucket{column="systolic",le="120"}': 3,
        'bpstream_model_values_bucket{column="systolic",le="140"}': 3,
        'bpstream_model_values_bucket{column="systolic",le="+Inf"}': 4,
    }
    assert exposed(metrics, "bpstream_model_drift") == {}  # of four readings nothing is said


def test_a_feed_unlike_the_training_data_is_told_once_and_so_is_its_end(metrics, caplog):
    caplog.set_level(logging.INFO)
    observe(metrics, 90, 110, 130, 150)
    metrics.model.look()
    assert exposed(metrics, "bpstream_model_drift")['bpstream_model_drift{column="systolic"}'] < 0.1
    assert not caplog.records
    for _ in range(20):
        observe(metrics, 150)
    for _ in range(2):
        metrics.model.look()
    (warning,) = caplog.messages
    assert "systolic is not distributed as in the model's training data" in warning
    assert exposed(metrics, "bpstream_model_drift")['bpstream_model_drift{column="systolic"}'] > 1
    for _ in range(20):
        observe(metrics, 90, 110, 130, 150)
    metrics.model.look()
    assert caplog.messages[1:] == ["systolic is distributed as in the model's training data again"]


def test_a_failing_model_is_counted_each_time_and_logged_once_a_kind(metrics, caplog):
    for error in (ValueError("a"), ValueError("a"), ZeroDivisionError()):
        metrics.model.failed(error)
    assert exposed(metrics, "bpstream_model_failures_total") == {"bpstream_model_failures_total": 3}
    assert len(caplog.records) == 2


def test_a_model_without_distributions_has_no_drift():
    assert exposed(Metrics(), "bpstream_model_values") == {}
