"""A histogram of seconds in which many that are alike are counted at once."""

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Durations(Collector):
    """In `/metrics` what a `prometheus_client.Histogram` without labels is."""

    def __init__(
        self, name: str, told: str, *, buckets: Sequence[float], registry: CollectorRegistry
    ) -> None:
        """`buckets` are their upper ends, ascending; there is one more, without an end."""
        self._name, self._told, self._ends = name, told, list(map(float, buckets))
        self._counts, self._sum = [0] * (len(buckets) + 1), 0.0
        self._created = time.time()
        registry.register(self)

    def observe(self, seconds: float, count: int = 1) -> None:
        """Count so many that took so long."""
        self._counts[bisect_left(self._ends, seconds)] += count
        self._sum += seconds * count

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """For Prometheus."""
        ends = [*map(floatToGoString, self._ends), "+Inf"]
        counts = map(float, accumulate(self._counts))
        family = HistogramMetricFamily(
            self._name,
            self._told,
            buckets=list(zip(ends, counts, strict=True)),
            sum_value=self._sum,
        )
        family.add_sample(f"{self._name}_created", {}, self._created)
        yield family
