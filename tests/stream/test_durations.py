"""Durations: the same in `/metrics` as the histogram that counts one at a time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from bpstream.stream.durations import Durations

BUCKETS = (0.005, 0.5, 1, 30)

seconds = st.sampled_from([0.0, 0.005, 0.0051, 1.0, 29.75, 30.0, 31.0]) | st.floats(0.0, 1e6)


def lines(registry: CollectorRegistry) -> list[str]:
    """What Prometheus reads, but for when it began and for the last digits of a sum."""
    found = generate_latest(registry).decode().splitlines()
    return [line for line in found if not line.startswith(("a_seconds_created ", "a_seconds_sum "))]


@given(st.lists(st.lists(seconds)))
def test_what_is_counted_at_once_is_what_is_counted_one_by_one(observed):
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    durations = Durations("a_seconds", "So long", buckets=BUCKETS, registry=ours)
    histogram = Histogram("a_seconds", "So long", buckets=BUCKETS, registry=theirs)
    for together in observed:
        durations.observe(np.array(together, float))
        for each in together:
            histogram.observe(each)
    assert lines(ours) == lines(theirs)
    for name in ("a_seconds_sum", "a_seconds_created"):
        found, expected = ours.get_sample_value(name), theirs.get_sample_value(name)
        assert abs(found - expected) <= max(1.0, 1e-9 * expected)
