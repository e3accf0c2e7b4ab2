"""What the worker counts."""

from prometheus_client import generate_latest

from bpstream.stream.metrics import Metrics


def lags(metrics: Metrics) -> list[str]:
    text = generate_latest(metrics.registry).decode()
    return [line for line in text.splitlines() if line.startswith("bpstream_lag{")]


def test_the_lag_of_a_partition_that_moved_away_is_told_no_longer():
    metrics = Metrics()
    metrics.tell_lag([("t", 0, 7), ("t", 1, 5000)])
    metrics.tell_lag([("t", 0, 3)])
    assert lags(metrics) == ['bpstream_lag{partition="0",topic="t"} 3.0']
